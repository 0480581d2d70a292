import type { Ringed } from "#base/lru.ts";
import { foldColumn, foldKey } from "#model/fold-key.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import { extentEnd } from "../overlay.ts";

/** Something that must not be dropped for now stays out of the ring of those that may be. */
export interface Held extends Ringed {
  readonly kind: "inode" | "name" | "file" | "pack" | "orphan" | "directory" | "folding" | "xattrs";
  /** Sets that wait for their turn and need it. */
  holds: number;
}

/** What is known of a row, or of many. While batches that wrote it are on their way, nothing else knows of them. */
export interface Slot extends Held {
  /** Those batches. */
  pins: number;
}

export class InodeSlot implements Slot {
  readonly kind = "inode";
  readonly id: FileId;
  row: Inode | null;
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;

  constructor(id: FileId, row: Inode | null) {
    this.id = id;
    this.row = row;
  }
}

export class PackSlot implements Slot {
  readonly kind = "pack";
  readonly id: PackId;
  row: Pack | null;
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;

  constructor(id: PackId, row: Pack | null) {
    this.id = id;
    this.row = row;
  }
}

/** Whether an inode is an orphan; held only while batches that say so are on their way. */
export class OrphanSlot implements Slot {
  readonly kind = "orphan";
  readonly id: FileId;
  present: boolean;
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;

  constructor(id: FileId, present: boolean) {
    this.id = id;
    this.present = present;
  }
}

/** What batches on their way do to the extended attributes of an inode; held only while they are. */
export class XattrSlot implements Slot {
  readonly kind = "xattrs";
  readonly id: FileId;
  /** What is in the database goes. */
  bare = false;
  /** null: taken away. */
  values: ReadonlyMap<string, Uint8Array | null> = new Map();
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;

  constructor(id: FileId) {
    this.id = id;
  }
}

/** The knowledge that all names of a directory with this key are known; `partly`: so many of them that more can't matter. */
export class FoldingSlot implements Held {
  readonly kind = "folding";
  readonly directory: DirectoryView;
  readonly key: string;
  readonly partly: boolean;
  holds = 0;
  slot = -1;
  used = false;

  constructor(directory: DirectoryView, key: string, partly: boolean) {
    this.directory = directory;
    this.key = key;
    this.partly = partly;
  }
}

export class NameSlot implements Slot {
  readonly kind = "name";
  readonly directory: DirectoryView;
  readonly name: string;
  /** null: there is no such entry. */
  row: Dirent | null;
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;

  constructor(directory: DirectoryView, name: string, row: Dirent | null) {
    this.directory = directory;
    this.name = name;
    this.row = row;
  }
}

/** What is known of a directory's entries. */
export class DirectoryView implements Held {
  readonly kind = "directory";
  holds = 0;
  readonly id: FileId;
  readonly names = new Map<string, NameSlot>();
  /** Every entry there is, is known: a name that is not among them does not exist. */
  complete = false;
  /** Entries among `names`. */
  present = 0;
  readonly pinned = new Set<NameSlot>();
  /** Names that are there and are not their own key, by key. */
  readonly byKey = new Map<string, Set<NameSlot>>();
  /** Keys of which all names are known. */
  readonly foldings = new Map<string, FoldingSlot>();
  slot = -1;
  used = false;

  constructor(id: FileId) {
    this.id = id;
  }

  /** A name is there, or not any more. */
  count(slot: NameSlot, there: boolean): void {
    this.present += there ? 1 : -1;
    const key = foldColumn(slot.name);
    if (key === null) return;
    const same = this.byKey.get(key);
    if (there) {
      if (same === undefined) this.byKey.set(key, new Set([slot]));
      else same.add(slot);
      return;
    }
    same?.delete(slot);
    if (same?.size === 0) this.byKey.delete(key);
  }

  /** Names with this key, as far as they are known. */
  withKey(key: string): NameSlot[] {
    const own = this.names.get(key);
    const others = this.byKey.get(key);
    const found = own === undefined || own.row === null ? [] : [own];
    return others === undefined ? found : [...found, ...others];
  }

  /** What the names of a key are is not known any more. */
  forgetKey(name: string): FoldingSlot | null {
    if (this.foldings.size === 0) return null;
    const key = foldKey(name);
    const folding = this.foldings.get(key);
    this.foldings.delete(key);
    return folding ?? null;
  }
}

interface Range {
  from: number;
  to: number;
}

/** The bytes by pack of a file's extents that begin in a range, as the database added them up at a version of the file. */
export interface Sum {
  readonly from: number;
  readonly to: number;
  readonly version: number;
  readonly bytes: readonly { readonly pack: PackId; readonly bytes: number }[];
}

/**
 * What is known of a file's extents: `known` are the byte ranges of which it is known what stores them. An extent lies in one of
 * them whole; so whatever a batch writes is known, and stays while it is on its way.
 */
export class FileView implements Slot {
  readonly kind = "file";
  readonly id: FileId;
  pins = 0;
  holds = 0;
  slot = -1;
  used = false;
  /** In order, apart from each other. */
  known: Range[] = [];
  /** In order of their offsets. */
  extents: Extent[] = [];
  /** Rises with every write. */
  version = 0;
  sum: Sum | null = null;

  constructor(id: FileId) {
    this.id = id;
  }

  /** The end of what is known without a gap from `offset` on; `offset` itself where nothing is. */
  knownTo(offset: number): number {
    for (let i = this.rangeAfter(offset); i < this.known.length; i++) {
      const range = this.known[i] as Range;
      return range.from <= offset ? range.to : offset;
    }
    return offset;
  }

  /** Where the next known range behind `offset` begins. */
  nextKnown(offset: number): number {
    const range = this.known[this.rangeAfter(offset)];
    return range === undefined ? Number.MAX_SAFE_INTEGER : Math.max(offset, range.from);
  }

  /** Index of the first range that ends behind `offset`. */
  private rangeAfter(offset: number): number {
    let low = 0;
    let high = this.known.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.known[middle] as Range).to > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  learn(from: number, to: number): void {
    if (from >= to) return;
    // Ranges that touch become one.
    let first = this.rangeAfter(from);
    const before = this.known[first - 1];
    if (before !== undefined && before.to === from) first--;
    let last = first;
    const made = { from, to };
    for (; last < this.known.length && (this.known[last] as Range).from <= to; last++) {
      const range = this.known[last] as Range;
      made.from = Math.min(made.from, range.from);
      made.to = Math.max(made.to, range.to);
    }
    this.known.splice(first, last - first, made);
  }

  /** Index of the first extent that begins at or after `offset`. */
  firstFrom(offset: number): number {
    let low = 0;
    let high = this.extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.extents[middle] as Extent).offset >= offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Extents that overlap `offset`..`end`, at most `limit`; a number: what lies at that offset has to be known first. */
  overlapping(offset: number, end: number, limit: number): Extent[] | number {
    const known = this.knownTo(offset);
    let i = this.firstFrom(offset);
    const before = this.extents[i - 1];
    if (before !== undefined && extentEnd(before) > offset) i--;
    const found: Extent[] = [];
    for (; i < this.extents.length && found.length < limit; i++) {
      const e = this.extents[i] as Extent;
      if (e.offset >= end || e.offset >= known) break;
      found.push(e);
    }
    return found.length === limit || known >= end ? found : known;
  }

  insert(extent: Extent): void {
    const i = this.firstFrom(extent.offset);
    if (i === this.extents.length) this.extents.push(extent);
    else this.extents.splice(i, 0, extent);
  }
}
