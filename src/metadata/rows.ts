import type { Extent, Pack } from "#model/change-set.ts";
import type { Cookie, FileId, PackId } from "#model/ids.ts";
import type { Dirent, Inode, Xattr } from "#model/inode.ts";
import type { FileExtent, ScannedDirent } from "#model/metadata-store.ts";

/** Figures of a whole share that every commit writes with its rows. */
export interface Totals {
  readonly treeVersion: number;
  /** Inodes with a link. */
  readonly inodes: number;
  /** Bytes that extents of files with a link store. */
  readonly bytes: number;
}

/** Of a new share. */
export const noTotals: Totals = { treeVersion: 0, inodes: 0, bytes: 0 };

/** What the store's own reads ask for; synchronous. */
export interface RowReads {
  inode(id: FileId): Inode | null;
  dirent(parent: FileId, name: string): Dirent | null;
  /** Entries with this key, in cookie order; at most `limit`. */
  direntsFolding(parent: FileId, key: string, limit: number): readonly Dirent[];
  /** Up to `limit` entries with a cookie above `after`, in cookie order. */
  directory(parent: FileId, after: Cookie | 0, limit: number): readonly Dirent[];
  /** Extents that overlap `offset`..`end`, in order, uncut; at most `limit`. */
  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[];
  xattr(id: FileId, name: string): Uint8Array | null;
  xattrs(id: FileId): readonly Xattr[];
  orphans(after: number, limit: number): readonly FileId[];
  pack(id: PackId): Pack | null;
  packs(after: number, limit: number): readonly Pack[];
  extentsOfPack(id: PackId, limit: number): readonly FileExtent[];
  lastContentSequence(): number;
  scanInodes(after: number, limit: number): readonly Inode[];
  scanDirents(parent: number, cookie: number, limit: number): readonly ScannedDirent[];
  scanExtents(file: number, offset: number, limit: number): readonly FileExtent[];
  scanXattrs(id: number, name: string, limit: number): readonly Xattr[];
}

/** How many bytes of a pack something refers to. */
export interface PackBytes {
  readonly pack: PackId;
  readonly bytes: number;
}

/**
 * The rows of a share, as the engine changes them: dirents and extents are written through within the transaction, so that
 * range reads see them; inodes, packs and totals are written once at its end. Every write throws where the row it presumes is
 * missing or already there, and the transaction is then rolled back.
 */
export interface EngineRows {
  inode(id: FileId): Inode | null;
  dirent(parent: FileId, name: string): Dirent | null;
  /** As RowReads', in any order; `key` may be of names that the transaction wrote. */
  direntsFolding(parent: FileId, key: string, limit: number): readonly Dirent[];
  /** Whether a directory has entries. */
  hasEntries(id: FileId): boolean;
  /** As RowReads'. */
  extents(file: FileId, offset: number, end: number, limit: number): readonly Extent[];
  pack(id: PackId): Pack | null;

  begin(): void;
  commit(): void;
  /** Undoes everything since `begin`; harmless where the transaction is gone already. */
  rollback(): void;

  insertDirent(parent: FileId, name: string, child: FileId, cookie: Cookie): void;
  deleteDirent(parent: FileId, name: string): void;

  /** Puts, replaces or deletes (`value` null; harmless where there is none). */
  setXattr(id: FileId, name: string, value: Uint8Array | null): void;
  /** All of an inode. */
  deleteXattrs(id: FileId): void;

  /** Of the extents of `file` that begin in `from`..`to`: the bytes by pack. */
  packBytes(file: FileId, from: number, to: number): readonly PackBytes[];
  /** Deletes the extents of `file` that begin in `from`..`to`. */
  deleteExtents(file: FileId, from: number, to: number): void;
  insertExtent(file: FileId, extent: Extent): void;
  /** Replaces the extent of `file` that begins at the same offset. */
  replaceExtent(file: FileId, extent: Extent): void;

  insertInode(row: Inode): void;
  /** `stored`: as it is. */
  updateInode(row: Inode, stored: Inode): void;
  deleteInode(id: FileId): void;
  /** Bytes of a pack that extents refer to. */
  liveBytes(id: PackId): number;
  /** Live inodes and the bytes of regular ones, counted. */
  countUsage(): { readonly inodes: number; readonly bytes: number };
  /** Only where it is not listed. */
  insertOrphan(id: FileId): void;
  deleteOrphan(id: FileId): void;

  insertPack(pack: Pack): void;
  updatePack(pack: Pack): void;
  /** Cheaper than `updatePack` where only `live` changed. */
  updatePackLive(id: PackId, live: number): void;
  deletePack(id: PackId): void;

  /** `stored` are those of the last commit. */
  putTotals(totals: Totals, stored: Totals): void;
}

/** The rows of a store that has all of them at hand. */
export interface Rows extends RowReads, EngineRows {}
