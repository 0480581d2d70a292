import { assert } from "#base/assert.ts";
import type { Cookie } from "#model/ids.ts";
import type { Dirent } from "#model/inode.ts";

/** Empty slots up to which the list of entries is not compacted. */
const holesMin = 64;

/**
 * The entries of one directory, by name and in cookie order. Cookies rise, so that a new entry is appended; a removed one
 * leaves a hole until the holes outnumber the entries. A page is a binary search and a walk.
 */
export class MemoryDirectory {
  private readonly names = new Map<string, Dirent>();
  private cookies: number[] = [];
  private entries: (Dirent | null)[] = [];

  get size(): number {
    return this.names.size;
  }

  get(name: string): Dirent | null {
    return this.names.get(name) ?? null;
  }

  insert(dirent: Dirent): void {
    assert(!this.names.has(dirent.name), `directory ${dirent.parent} has an entry of that name already`);
    const last = this.cookies.at(-1);
    assert(last === undefined || last < dirent.cookie, "cookies must rise");
    this.names.set(dirent.name, dirent);
    this.cookies.push(dirent.cookie);
    this.entries.push(dirent);
  }

  /** Takes the last inserted entry out again. */
  undoInsert(dirent: Dirent): void {
    this.names.delete(dirent.name);
    this.cookies.pop();
    this.entries.pop();
  }

  delete(name: string): Dirent {
    const dirent = this.names.get(name);
    assert(dirent !== undefined, "a change set deletes a directory entry that does not exist");
    this.names.delete(name);
    this.entries[this.firstAfter(dirent.cookie - 1)] = null;
    return dirent;
  }

  undoDelete(dirent: Dirent): void {
    this.names.set(dirent.name, dirent);
    this.entries[this.firstAfter(dirent.cookie - 1)] = dirent;
  }

  /** Drops the holes where they are many; not between a change and its undoing. */
  compact(): void {
    const holes = this.entries.length - this.names.size;
    if (holes < holesMin || holes < this.names.size) return;
    this.entries = this.entries.filter((e) => e !== null);
    this.cookies = this.entries.map((e) => (e as Dirent).cookie);
  }

  /** Index of the first slot with a cookie above `cookie`. */
  private firstAfter(cookie: number): number {
    let low = 0;
    let high = this.cookies.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.cookies[middle] as number) > cookie) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  page(after: Cookie | 0, limit: number): Dirent[] {
    const page: Dirent[] = [];
    for (let i = this.firstAfter(after); i < this.entries.length && page.length < limit; i++) {
      const entry = this.entries[i] as Dirent | null;
      if (entry !== null) page.push(entry);
    }
    return page;
  }
}
