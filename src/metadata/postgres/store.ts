import type { Maybe } from "#base/brand.ts";
import type { ApplyResult, ChangeSet, Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import { type AppliedListener, type FileExtent, foldingMax, type MetadataStore, type ScannedDirent, type ScansTables, type ShareIdentity } from "#model/metadata-store.ts";
import type { CountsOperations, MetadataStats, SessionStats } from "../stats.ts";
import type { Applier } from "./applier.ts";
import { type Row, toFileExtent, toInode, toScanned, toXattr } from "./decode.ts";
import { type Fetcher, scanMsMax } from "./fetcher.ts";
import type { PageReader } from "./pages.ts";
import type { Reader } from "./readers.ts";
import type { Reservation } from "./reservation.ts";
import { statements } from "./statements.ts";
import type { View } from "./view.ts";
import type { Writer } from "./writer.ts";

export interface StoreParts {
  readonly identity: ShareIdentity;
  readonly share: number;
  readonly view: View;
  readonly fetcher: Fetcher;
  readonly pages: PageReader;
  readonly applier: Applier;
  readonly reservation: Reservation;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly scans: Reader;
  readonly stats: MetadataStats;
  /** Lets go of everything, in order. */
  readonly release: () => Promise<void>;
}

/** A share's metadata in PostgreSQL: reads are answered from the view where it knows, and wait for the database where not. */
export class PostgresStore implements MetadataStore, ScansTables, CountsOperations {
  readonly identity: ShareIdentity;
  readonly stats: MetadataStats;
  private readonly parts: StoreParts;
  private closing: Promise<void> | null = null;

  constructor(parts: StoreParts) {
    this.identity = parts.identity;
    this.parts = parts;
    this.stats = parts.stats;
  }

  get sessions(): SessionStats {
    const { writer, reader, scans, applier } = this.parts;
    return {
      open: [writer, reader, scans].filter(({ connected }) => connected).length,
      running: writer.unanswered + reader.running + scans.running,
      queued: applier.queued,
      away: writer.away,
    };
  }

  draw(): number {
    const { reservation, view } = this.parts;
    reservation.keep();
    const drawn = reservation.sequence.draw();
    view.drawn.add(drawn);
    return drawn;
  }

  inode(id: FileId): Maybe<Inode | null> {
    this.stats.reads.inode++;
    const row = this.parts.view.inode(id);
    return row === undefined ? this.fetchInode(id) : row;
  }

  private async fetchInode(id: FileId): Promise<Inode | null> {
    for (;;) {
      await this.parts.fetcher.fetch({ what: "inode", id });
      const row = this.parts.view.inode(id);
      if (row !== undefined) return row;
    }
  }

  dirent(parent: FileId, name: string): Maybe<Dirent | null> {
    this.stats.reads.dirent++;
    const row = this.parts.view.names.dirent(parent, name);
    return row === undefined ? this.fetchDirent(parent, name) : row;
  }

  private async fetchDirent(parent: FileId, name: string): Promise<Dirent | null> {
    for (;;) {
      await this.parts.fetcher.fetch({ what: "name", parent, name });
      const row = this.parts.view.names.dirent(parent, name);
      if (row !== undefined) return row;
    }
  }

  direntsFolding(parent: FileId, key: string): Maybe<readonly Dirent[]> {
    this.stats.reads.dirent++;
    const rows = this.parts.view.names.folding(parent, key, foldingMax);
    return rows === undefined ? this.fetchFolding(parent, key) : rows;
  }

  private async fetchFolding(parent: FileId, key: string): Promise<readonly Dirent[]> {
    for (;;) {
      await this.parts.fetcher.fetch({ what: "folding", parent, key });
      const rows = this.parts.view.names.folding(parent, key, foldingMax);
      if (rows !== undefined) return rows;
    }
  }

  async xattr(id: FileId, name: string): Promise<Uint8Array | null> {
    return (await this.xattrs(id)).find((one) => one.name === name)?.value ?? null;
  }

  xattrs(id: FileId): Promise<readonly Xattr[]> {
    this.stats.reads.xattr++;
    return this.parts.pages.xattrs(id);
  }

  async scanXattrs(id: number, name: string, limit: number): Promise<readonly Xattr[]> {
    return (await this.scan(statements.scanXattrs, [id, name, limit])).map(toXattr);
  }

  directory(parent: FileId, after: Cookie | 0, limit: number): Maybe<readonly Dirent[]> {
    this.stats.reads.directory++;
    if (this.parts.view.names.occupied(parent) === false) return [];
    return this.parts.pages.directory(parent, after, limit);
  }

  extents(file: FileId, offset: number, end: number, limit: number): Maybe<readonly Extent[]> {
    this.stats.reads.extents++;
    const found = this.parts.view.extents(file, offset, end, limit);
    return typeof found === "number" ? this.fetchExtents(file, offset, end, limit) : found;
  }

  private async fetchExtents(file: FileId, offset: number, end: number, limit: number): Promise<readonly Extent[]> {
    const { view, fetcher } = this.parts;
    for (;;) {
      const found = view.extents(file, offset, end, limit);
      if (typeof found !== "number") return found;
      await fetcher.fetch({ what: "extents", file, from: found, to: Math.min(end, view.files.get(file)?.nextKnown(found) ?? end) });
    }
  }

  orphans(after: number, limit: number): Promise<readonly FileId[]> {
    return this.parts.pages.orphans(after, limit);
  }

  pack(id: PackId): Maybe<Pack | null> {
    this.stats.reads.pack++;
    const row = this.parts.view.pack(id);
    return row === undefined ? this.fetchPack(id) : row;
  }

  private async fetchPack(id: PackId): Promise<Pack | null> {
    for (;;) {
      await this.parts.fetcher.fetch({ what: "pack", id });
      const row = this.parts.view.pack(id);
      if (row !== undefined) return row;
    }
  }

  packs(after: number, limit: number): Promise<readonly Pack[]> {
    return this.parts.pages.packs(after, limit);
  }

  /** What the database has once everything that is on its way now is there. */
  private async scan(statement: string, values: readonly (string | number)[], serverMsMax?: number): Promise<readonly Row[]> {
    const { writer, scans, share } = this.parts;
    await writer.drainNow();
    return await scans.rows(statement, [share, ...values], serverMsMax);
  }

  async extentsOfPack(id: PackId, limit: number): Promise<readonly FileExtent[]> {
    return (await this.scan(statements.extentsOfPack, [id, limit])).map(toFileExtent);
  }

  async lastContentSequence(): Promise<number> {
    return (await this.scan(statements.lastContentSequence, [], scanMsMax))[0]?.[0] as number;
  }

  async scanInodes(after: number, limit: number): Promise<readonly Inode[]> {
    return (await this.scan(statements.scanInodes, [after, limit])).map((row) => toInode(row, 0) as Inode);
  }

  async scanDirents(parent: number, cookie: number, limit: number): Promise<readonly ScannedDirent[]> {
    return (await this.scan(statements.scanDirents, [parent, cookie, limit])).map(toScanned);
  }

  async scanExtents(file: number, offset: number, limit: number): Promise<readonly FileExtent[]> {
    return (await this.scan(statements.scanExtents, [file, offset, limit])).map(toFileExtent);
  }

  treeVersion(): number {
    return this.parts.applier.totals.treeVersion;
  }

  usage(): { readonly inodes: number; readonly bytes: number } {
    return this.parts.applier.totals;
  }

  apply(set: ChangeSet): Promise<ApplyResult> {
    this.parts.reservation.keep();
    return this.parts.applier.apply(set);
  }

  onApplied(listener: AppliedListener): void {
    this.parts.applier.onApplied(listener);
  }

  close(): Promise<void> {
    this.closing ??= this.shut();
    return this.closing;
  }

  private async shut(): Promise<void> {
    await this.parts.applier.end(new Error("the metadata store is closed"));
    await this.parts.release();
  }
}
