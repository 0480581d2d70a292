import type { ApplyResult, ChangeSet, Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode } from "#model/inode.ts";
import type { AppliedListener, FileExtent, MetadataStore, ScansTables, ShareIdentity } from "#model/metadata-store.ts";
import type { Committer } from "./committer.ts";
import type { RowReads } from "./rows.ts";
import type { Sequence } from "./sequence.ts";

/** A store whose change sets the engine evaluates: reads go to the rows, sets to the committer. All reads are synchronous. */
export class EngineStore implements MetadataStore, ScansTables {
  readonly identity: ShareIdentity;
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
    this.release = release;
  }

  draw(): number {
    return this.sequence.draw();
  }
  inode(id: FileId): Inode | null {
    return this.rows.inode(id);
  }
  dirent(parent: FileId, name: string): Dirent | null {
    return this.rows.dirent(parent, name);
  }
  directory(parent: FileId, after: Cookie | 0, limit: number): readonly Dirent[] {
    return this.rows.directory(parent, after, limit);
  }
  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[] {
    return this.rows.extents(file, offset, end, limit);
  }
  orphans(after: number, limit: number): readonly FileId[] {
    return this.rows.orphans(after, limit);
  }
  pack(id: PackId): Pack | null {
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
  scanDirents(parent: number, cookie: number, limit: number): readonly Dirent[] {
    return this.rows.scanDirents(parent, cookie, limit);
  }
  scanExtents(file: number, offset: number, limit: number): readonly FileExtent[] {
    return this.rows.scanExtents(file, offset, limit);
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
