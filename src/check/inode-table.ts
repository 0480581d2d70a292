/** A row of the table that no inode has. */
export const absent = -1;
const firstRows = 1024;

/**
 * What a check keeps of every inode, and what it counted for it: 69 bytes an inode, in columns. Rows are added in rising order of
 * their ids.
 */
export class InodeTable {
  ids = new Float64Array(firstRows);
  types = new Uint8Array(firstRows);
  links = new Int32Array(firstRows);
  parents = new Float64Array(firstRows);
  sizes = new Float64Array(firstRows);
  used = new Float64Array(firstRows);
  flags = new Int32Array(firstRows);
  /** Flags that its extended attributes and streams ask for. */
  asked = new Int32Array(firstRows);
  /** Names that refer to it. */
  names = new Int32Array(firstRows);
  /** The directory the last of these lies in, or where the streams of an owner have their names. */
  namedIn = new Float64Array(firstRows);
  /** Entries that are directories. */
  subdirectories = new Int32Array(firstRows);
  /** Bytes of its extents. */
  stored = new Float64Array(firstRows);
  length = 0;
  /** The row found last: most are asked for in order. */
  private near = 0;

  add(id: number, type: number, links: number, parent: number, size: number, used: number, flags: number): void {
    if (this.length === this.ids.length) this.grow();
    const row = this.length++;
    this.ids[row] = id;
    this.types[row] = type;
    this.links[row] = links;
    this.parents[row] = parent;
    this.sizes[row] = size;
    this.used[row] = used;
    this.flags[row] = flags;
  }

  /** The row of an inode, or `absent`. */
  row(id: number): number {
    const { ids, near } = this;
    if (near < this.length && ids[near] === id) return near;
    if (near + 1 < this.length && ids[near + 1] === id) return ++this.near;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ids[middle] as number) < id) low = middle + 1;
      else high = middle;
    }
    if (low === this.length || ids[low] !== id) return absent;
    this.near = low;
    return low;
  }

  private grow(): void {
    const rows = this.length * 2;
    const wider = <T extends Float64Array | Int32Array | Uint8Array>(column: T): T => {
      const made = new (column.constructor as new (length: number) => T)(rows);
      made.set(column as never);
      return made;
    };
    this.ids = wider(this.ids);
    this.types = wider(this.types);
    this.links = wider(this.links);
    this.parents = wider(this.parents);
    this.sizes = wider(this.sizes);
    this.used = wider(this.used);
    this.flags = wider(this.flags);
    this.asked = wider(this.asked);
    this.names = wider(this.names);
    this.namedIn = wider(this.namedIn);
    this.subdirectories = wider(this.subdirectories);
    this.stored = wider(this.stored);
  }
}
