import { assert } from "#base/assert.ts";
import type { Pack, Touched } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import type { EngineRows, Totals } from "./rows.ts";
import type { Sequence } from "./sequence.ts";

/** The inode a set is making: the next version of the row, not yet seen by anybody. */
export type Draft = { -readonly [Column in keyof Inode]: Inode[Column] };

/** An inode within a batch. */
class InodeEntry {
  /** What the store holds. */
  readonly stored: Inode | null;
  /** After the last set that is complete. */
  current: Inode | null;
  /** What the set under way makes of it; meaningful while `open`. */
  draft: Draft | null = null;
  open = false;
  /** The set under way gives it a new change number. */
  draws = false;

  constructor(stored: Inode | null) {
    this.stored = stored;
    this.current = stored;
  }
}

/** A pack within a batch. */
class PackEntry {
  readonly stored: Pack | null;
  /** The row but for `live`; null where there is none. */
  row: Pack | null;
  live: number;

  constructor(stored: Pack | null) {
    this.stored = stored;
    this.row = stored;
    this.live = stored === null ? 0 : stored.live;
  }
}

function isLive(inode: Inode | null): inode is Inode {
  return inode !== null && inode.links > 0;
}

function storedBytes(inode: Inode): number {
  return inode.type === FileType.regular ? inode.used : 0;
}

/**
 * Change sets that share one transaction, over an overlay of the inodes and packs they touch: each of these is read once and
 * written once, however many sets change it. The overlay lives as long as the transaction and is dropped with it.
 */
export class Batch {
  readonly rows: EngineRows;
  private readonly sequence: Sequence;
  private readonly inodes = new Map<number, InodeEntry>();
  private readonly packs = new Map<number, PackEntry>();
  private opened: InodeEntry[] = [];
  /** Whether they are listed as orphans is looked at anew. */
  private readonly recounted = new Set<FileId>();
  treeVersion: number;
  private inodeCount: number;
  private byteCount: number;
  private readonly before: Totals;

  constructor(rows: EngineRows, sequence: Sequence, totals: Totals) {
    this.rows = rows;
    this.sequence = sequence;
    this.before = totals;
    this.treeVersion = totals.treeVersion;
    this.inodeCount = totals.inodes;
    this.byteCount = totals.bytes;
  }

  draw(): number {
    return this.sequence.draw();
  }

  totals(): Totals {
    return { treeVersion: this.treeVersion, inodes: this.inodeCount, bytes: this.byteCount };
  }

  private entry(id: FileId): InodeEntry {
    let entry = this.inodes.get(id);
    if (entry === undefined) {
      entry = new InodeEntry(this.rows.inode(id));
      this.inodes.set(id, entry);
    }
    return entry;
  }

  /** The inode as the sets before this one left it. */
  inode(id: FileId): Inode | null {
    return this.entry(id).current;
  }

  /** The inode as the set under way has it so far. */
  peek(id: FileId): Inode | null {
    const entry = this.entry(id);
    return entry.open ? entry.draft : entry.current;
  }

  private open(entry: InodeEntry): void {
    entry.open = true;
    entry.draws = false;
    this.opened.push(entry);
  }

  /** An inode that exists, for the set under way to change; it gets a new change number unless every change of it is `lazy`. */
  draft(id: FileId, lazy = false): Draft {
    const entry = this.entry(id);
    if (!entry.open) {
      this.open(entry);
      entry.draft = entry.current === null ? null : new Inode(entry.current);
    }
    if (!lazy) entry.draws = true;
    assert(entry.draft !== null, `a change set changes inode ${id}, which does not exist`);
    return entry.draft;
  }

  insertInode(inode: Inode): void {
    let entry = this.inodes.get(inode.id);
    if (entry === undefined) {
      // Not looked up: where there is such a row after all, writing this one fails.
      entry = new InodeEntry(null);
      this.inodes.set(inode.id, entry);
    }
    assert(entry.open ? entry.draft === null : entry.current === null, `a change set inserts inode ${inode.id}, which exists`);
    entry.draft = new Inode(inode);
    if (!entry.open) this.open(entry);
    entry.draws = true;
  }

  deleteInode(id: FileId): void {
    const entry = this.entry(id);
    if (!entry.open) this.open(entry);
    entry.draft = null;
  }

  private packEntry(id: PackId): PackEntry {
    let entry = this.packs.get(id);
    if (entry === undefined) {
      entry = new PackEntry(this.rows.pack(id));
      this.packs.set(id, entry);
    }
    return entry;
  }

  /** Inserts a pack or replaces all of it but `live`, which only extents change. */
  putPack(pack: Pack): void {
    this.packEntry(pack.id).row = pack;
  }

  deletePack(id: PackId): void {
    const entry = this.packEntry(id);
    assert(entry.live === 0, `a change set deletes pack ${id}, ${entry.live} bytes of which extents refer to`);
    entry.row = null;
  }

  addLive(id: PackId, delta: number): void {
    const entry = this.packEntry(id);
    assert(entry.row !== null, `a change set has an extent in pack ${id}, which does not exist`);
    entry.live += delta;
    assert(entry.live >= 0, `pack ${id} would hold ${entry.live} live bytes`);
  }

  /** What extents say of a file's stored bytes, and its links of its place among the orphans, whatever was counted before. */
  recountInode(id: FileId): void {
    const inode = this.peek(id);
    this.recounted.add(id);
    if (inode === null) {
      this.rows.deleteXattrs(id);
      return;
    }
    let used = 0;
    for (const { bytes } of this.rows.packBytes(id, 0, Number.MAX_SAFE_INTEGER)) used += bytes;
    if (used !== inode.used) this.draft(id).used = used;
  }

  recountPack(id: PackId): void {
    const entry = this.packEntry(id);
    if (entry.row !== null) entry.live = this.rows.liveBytes(id);
  }

  /** The rows, and on top of them what the sets of this transaction made of them; not what the set under way makes: that is added at its end. */
  recountUsage(): void {
    const { inodes, bytes } = this.rows.countUsage();
    this.inodeCount = inodes;
    this.byteCount = bytes;
    for (const { stored, current } of this.inodes.values()) {
      if (isLive(stored)) this.count(stored, -1);
      if (isLive(current)) this.count(current, 1);
    }
  }

  private count(inode: Inode, times: number): void {
    this.inodeCount += times;
    this.byteCount += times * storedBytes(inode);
  }

  /** Ends a set that was applied. */
  endSet(): readonly Touched[] {
    const opened = this.opened;
    const touched: Touched[] = new Array(opened.length);
    for (let i = 0; i < opened.length; i++) {
      const entry = opened[i] as InodeEntry;
      const after = entry.draft;
      const before = entry.current;
      if (after !== null && entry.draws) after.change = this.sequence.draw();
      if (isLive(before)) this.count(before, -1);
      if (isLive(after)) this.count(after, 1);
      entry.current = after;
      entry.draft = null;
      entry.open = false;
      touched[i] = { id: (before ?? after)?.id as FileId, before, after };
    }
    this.opened = [];
    return touched;
  }

  /** Writes what the overlay holds; the transaction can then be committed. */
  flush(): void {
    for (const [id, entry] of this.inodes) {
      if (entry.current !== entry.stored) this.flushInode(id as FileId, entry.stored, entry.current);
    }
    for (const id of this.recounted) {
      if (this.inode(id)?.links === 0) this.rows.insertOrphan(id);
      else this.rows.deleteOrphan(id);
    }
    for (const [id, entry] of this.packs) this.flushPack(id as PackId, entry);
    const b = this.before;
    if (b.treeVersion !== this.treeVersion || b.inodes !== this.inodeCount || b.bytes !== this.byteCount) {
      this.rows.putTotals(this.totals(), b);
    }
  }

  private flushInode(id: FileId, stored: Inode | null, current: Inode | null): void {
    if (current === null) this.rows.deleteInode(id);
    else if (stored === null) this.rows.insertInode(current);
    else this.rows.updateInode(current, stored);
    const wasOrphan = stored !== null && stored.links === 0;
    const isOrphan = current !== null && current.links === 0;
    if (isOrphan && !wasOrphan) this.rows.insertOrphan(id);
    else if (wasOrphan && !isOrphan) this.rows.deleteOrphan(id);
  }

  private flushPack(id: PackId, entry: PackEntry): void {
    const { stored, row, live } = entry;
    if (row === null) {
      if (stored !== null) this.rows.deletePack(id);
    } else if (stored === null) this.rows.insertPack({ ...row, live });
    else if (row !== stored) this.rows.updatePack({ ...row, live });
    else if (live !== stored.live) this.rows.updatePackLive(id, live);
  }
}
