import type { ApplyResult, ChangeSet, Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import { type AppliedListener, type FileExtent, foldingMax, type MetadataStore, type ScannedDirent, type ScansTables, type ShareIdentity } from "#model/metadata-store.ts";
import type { Committer } from "./committer.ts";
import type { RowReads } from "./rows.ts";
import type { Sequence } from "./sequence.ts";
import type { CountsOperations, MetadataStats, ReadCounts } from "./stats.ts";

/** A store whose change sets the engine evaluates: reads go to the rows, sets to the committer. All reads are synchronous. */
export class EngineStore implements MetadataStore, ScansTables, CountsOperations {
  readonly identity: ShareIdentity;
  readonly stats: MetadataStats;
  readonly sessions = null;
  private readonly reads: ReadCounts;
  private readonly rows: RowReads;
  private readonly sequence: Sequence;
  private readonly committer: Committer;
  private readonly release: () => Promise<void>;
  private closing: Promise<void> | null = null;

  /** `release` runs once everything applied was committed: it makes it durable and lets go of the files. */
  constructor(identity: ShareIdentity, rows: RowReads, sequence: Sequence, committer: Committer, release: () => Promise<void>) {
    this.identity = identity;
    this.rows = rows;
    this.sequence = sequence;
    this.committer = committer;
    this.stats = committer.stats;
    this.reads = committer.stats.reads;
    this.release = release;
  }

  draw(): number {
    return this.sequence.draw();
  }
  inode(id: FileId): Inode | null {
    this.reads.inode++;
    return this.rows.inode(id);
  }
  dirent(parent: FileId, name: string): Dirent | null {
    this.reads.dirent++;
    return this.rows.dirent(parent, name);
  }
  direntsFolding(parent: FileId, key: string): readonly Dirent[] {
    this.reads.dirent++;
    return this.rows.direntsFolding(parent, key, foldingMax);
  }
  directory(parent: FileId, after: Cookie | 0, limit: number): readonly Dirent[] {
    this.reads.directory++;
    return this.rows.directory(parent, after, limit);
  }
  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    this.reads.extents++;
    return this.rows.extents(file, offset, end, limit);
  }
  xattr(id: FileId, name: string): Uint8Array | null {
    this.reads.xattr++;
    return this.rows.xattr(id, name);
  }
  xattrs(id: FileId): readonly Xattr[] {
    this.reads.xattr++;
    return this.rows.xattrs(id);
  }
  orphans(after: number, limit: number): readonly FileId[] {
    return this.rows.orphans(after, limit);
  }
  pack(id: PackId): Pack | null {
    this.reads.pack++;
    return this.rows.pack(id);
  }
  packs(after: number, limit: number): readonly Pack[] {
    return this.rows.packs(after, limit);
  }
  extentsOfPack(id: PackId, limit: number): readonly FileExtent[] {
    return this.rows.extentsOfPack(id, limit);
  }
  lastContentSequence(): number {
    return this.rows.lastContentSequence();
  }
  scanInodes(after: number, limit: number): readonly Inode[] {
    return this.rows.scanInodes(after, limit);
  }
  scanDirents(parent: number, cookie: number, limit: number): readonly ScannedDirent[] {
    return this.rows.scanDirents(parent, cookie, limit);
  }
  scanExtents(file: number, offset: number, limit: number): readonly FileExtent[] {
    return this.rows.scanExtents(file, offset, limit);
  }
  scanXattrs(id: number, name: string, limit: number): readonly Xattr[] {
    return this.rows.scanXattrs(id, name, limit);
  }
  treeVersion(): number {
    return this.committer.totals.treeVersion;
  }
  usage(): { readonly inodes: number; readonly bytes: number } {
    return this.committer.totals;
  }
  apply(set: ChangeSet): Promise<ApplyResult> {
    return this.committer.apply(set);
  }
  onApplied(listener: AppliedListener): void {
    this.committer.onApplied(listener);
  }
  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    await this.committer.end(new Error("the metadata store is closed"));
    await this.release();
  }
}
