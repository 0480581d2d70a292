import type { Maybe } from "#base/brand.ts";
import type { ApplyResult, ChangeSet, Extent, Pack } from "./change-set.ts";
import type { Cookie, FileId, PackId } from "./ids.ts";
import type { Dirent, Inode, Xattr } from "./inode.ts";

/** What makes a share's handles its own; made with the store, kept with it. */
export interface ShareIdentity {
  /** 8 random bytes, new with every created or emptied store. */
  readonly instance: Uint8Array;
  /** 32 random bytes: key of the file handles' MAC. */
  readonly handleKey: Uint8Array;
}

/** Told of every applied set, in commit order, before its sync: how caches stay exact. */
export type AppliedListener = (set: ChangeSet, result: ApplyResult & { applied: true }) => void;

/** An extent with the file it belongs to. */
export interface FileExtent {
  readonly file: FileId;
  readonly extent: Extent;
}

/** An entry with what is stored beside its name to find it by its key (`foldColumn`). */
export interface ScannedDirent extends Dirent {
  readonly folded: string | null;
}

/**
 * An optional ability: whole tables page by page, for whoever checks or copies a share. A page is as of one moment, two pages are not:
 * what is applied in between shows in the later ones alone. Rows come as they are stored, damaged ones too, and in the order of their
 * keys; `after` is any number, below the first key to begin.
 */
export interface ScansTables {
  /** Inodes with an id above `after`. */
  scanInodes(after: number, limit: number): Maybe<readonly Inode[]>;
  /** Entries of all directories, whether their directory exists or not, that follow (`parent`, `cookie`) in that order. */
  scanDirents(parent: number, cookie: number, limit: number): Maybe<readonly ScannedDirent[]>;
  /** Extents of all files, whether the file exists or not, that follow (`file`, `offset`) in that order. */
  scanExtents(file: number, offset: number, limit: number): Maybe<readonly FileExtent[]>;
  /** Extended attributes of all inodes, whether the inode exists or not, that follow (`id`, `name`) in that order. */
  scanXattrs(id: number, name: string, limit: number): Maybe<readonly Xattr[]>;
}

/** Most entries that `direntsFolding` gives: one that isn't among them shares its fold with so many others. */
export const foldingMax = 64;

/** The ability of a store that has it. */
export function scansOf(store: MetadataStore): ScansTables | null {
  return "scanInodes" in store ? (store as unknown as ScansTables) : null;
}

/**
 * A share's names, attributes and content map. Reads see every applied set at once, synced or not. `test/contract/metadata.ts`
 * is the meaning of each method; it runs on every implementation.
 */
export interface MetadataStore {
  readonly identity: ShareIdentity;
  /** The next number of the share's sequence: ids, cookies, change numbers. Never handed out twice, crashes included. */
  draw(): number;
  inode(id: FileId): Maybe<Inode | null>;
  dirent(parent: FileId, name: string): Maybe<Dirent | null>;
  /** Entries with this key (`foldKey`), at most `foldingMax`, in cookie order. */
  direntsFolding(parent: FileId, key: string): Maybe<readonly Dirent[]>;
  /** Up to `limit` entries with a cookie above `after`, in cookie order. */
  directory(parent: FileId, after: Cookie | 0, limit: number): Maybe<readonly Dirent[]>;
  /** Extents that overlap `offset`..`end`, in order, uncut; at most `limit`. */
  extents(file: FileId, offset: number, end: number, limit: number): Maybe<readonly Extent[]>;
  /** The value of an extended attribute; don't write to it. */
  xattr(id: FileId, name: string): Maybe<Uint8Array | null>;
  /** All extended attributes of an inode, by name. */
  xattrs(id: FileId): Maybe<readonly Xattr[]>;
  /** Ids of orphans above `after`, in order. */
  orphans(after: number, limit: number): Maybe<readonly FileId[]>;
  pack(id: PackId): Maybe<Pack | null>;
  /** Packs with an id above `after`, in order. */
  packs(after: number, limit: number): Maybe<readonly Pack[]>;
  /** The file an extent of this pack belongs to, with the extent; for repacking. At most `limit`. */
  extentsOfPack(id: PackId, limit: number): Maybe<readonly FileExtent[]>;
  /** The highest log sequence an inode speaks of: a log that begins anew begins above it. Looks at every inode. */
  lastContentSequence(): Maybe<number>;
  treeVersion(): Maybe<number>;
  /** Live inodes and the bytes their extents store. */
  usage(): Maybe<{ readonly inodes: number; readonly bytes: number }>;
  /**
   * Applies the set whole or refuses it. Resolves once an applied set is durable; a refused one resolves at once. Sets apply in
   * call order.
   */
  apply(set: ChangeSet): Promise<ApplyResult>;
  /** The one listener; set it before the first `apply`. */
  onApplied(listener: AppliedListener): void;
  /** Resolves when everything applied is durable and the store let go of its files. */
  close(): Promise<void>;
}
