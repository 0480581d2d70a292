import type { Time } from "#base/time.ts";
import type { FileId, PackId } from "./ids.ts";
import type { Inode } from "./inode.ts";

/** A run of a file's bytes that lies in a pack. Extents of a file never overlap; what none covers reads as zeros. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  readonly pack: PackId;
  readonly packOffset: number;
}

/** Life of a pack's object: `pending` bars collection of an object being put; `doomed` was empty once and waits out its grace. */
export const PackState = { pending: 1, live: 2, doomed: 3 } as const;
export type PackState = (typeof PackState)[keyof typeof PackState];

export interface Pack {
  readonly id: PackId;
  /** Key of its object in the block store. */
  readonly key: string;
  readonly state: PackState;
  /** Payload bytes of the object. */
  readonly size: number;
  /** Bytes that extents refer to, counted as often as they are referred to; the store keeps it by deltas. */
  readonly live: number;
  /** CRC-32 of each 64 KiB frame, big-endian, in order; empty while pending. */
  readonly frames: Uint8Array;
  /** When it was put or doomed. */
  readonly since: Time;
}

/** What must hold for a change set to be applied; checked for the whole set before its first row is written. */
export type Condition =
  | { readonly is: "direntAbsent"; readonly parent: FileId; readonly name: string }
  | { readonly is: "direntRefersTo"; readonly parent: FileId; readonly name: string; readonly child: FileId }
  /** No entry of the directory has the fold of `name`, but the one that is `except`. */
  | { readonly is: "foldAbsent"; readonly parent: FileId; readonly name: string; readonly except: string | null }
  /** The inode exists and has a link. */
  | { readonly is: "live"; readonly id: FileId }
  | { readonly is: "directoryEmpty"; readonly id: FileId }
  | { readonly is: "attributeVersion"; readonly id: FileId; readonly version: number }
  /** The inode exists and never had a stream (`InodeFlag.hasStreams`). */
  | { readonly is: "streamless"; readonly id: FileId }
  /** The inode's link count is this. */
  | { readonly is: "links"; readonly id: FileId; readonly links: number }
  /** ctime is still this: a guarded SETATTR (RFC 1813 §3.3.2). */
  | { readonly is: "changeTime"; readonly id: FileId; readonly ctime: Time }
  /** The share's tree version; every move of a directory to another parent carries this and a `raiseTreeVersion`. */
  | { readonly is: "treeVersion"; readonly version: number };

/**
 * What a change set does, column by column. Times named `at` become max(at, previous + 1 ns) in the row; every touched inode
 * draws a new `change` number; `links` reaching 0 makes the inode an orphan.
 */
export type Change =
  | { readonly do: "insertInode"; readonly inode: Inode }
  | { readonly do: "insertDirent"; readonly parent: FileId; readonly name: string; readonly child: FileId }
  | { readonly do: "deleteDirent"; readonly parent: FileId; readonly name: string }
  /** A directory's entries changed: ctime, mtime with it, and its link count by subdirectories that came or went. */
  | { readonly do: "touchDirectory"; readonly id: FileId; readonly at: Time; readonly linksDelta: number }
  /** ctime and link count. A directory that is removed has its links set to 0 by `delta: -Infinity`. */
  | { readonly do: "addLinks"; readonly id: FileId; readonly delta: number; readonly at: Time }
  /** A directory moved to another parent; 0: what was a stream is a file from now on. */
  | { readonly do: "setParent"; readonly id: FileId; readonly parent: number }
  | {
      readonly do: "setAttributes";
      readonly id: FileId;
      /** New ctime. */
      readonly at: Time;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
      readonly atime?: Time;
      /** Explicit mtime, kept as given, with the log's sequence number at that moment. */
      readonly mtime?: Time;
      readonly mtimeSequence?: number;
      readonly createVerifier?: Uint8Array | null;
      /** Flags that go, and those that come; none of `xattrFlags`, which follow from the attributes. */
      readonly flags?: { readonly clear: number; readonly set: number };
      readonly birth?: Time;
    }
  /**
   * Gives an inode the extended attribute of that name, or takes it away where `value` is null. ctime and attribute version rise, and
   * `flags` says that it is there.
   */
  | { readonly do: "setXattr"; readonly id: FileId; readonly name: string; readonly value: Uint8Array | null; readonly at: Time }
  /** atime alone, lazily: no ctime, no `change`, no attribute version. */
  | { readonly do: "setAccessTime"; readonly id: FileId; readonly atime: Time }
  /**
   * The content of a file up to a log sequence number, size and data together: cut stored extents at `cutTo` (-1: don't),
   * then lay the new extents over what is there. mtime is taken only where no explicit one is newer (mtimeSequence < sequence);
   * ctime is taken where it is later. An extent of pack 0 is a hole: what lay there goes, and nothing is stored. `used` and the packs' `live` follow from the rows. A no-op where contentSequence is not below `sequence`.
   */
  | {
      readonly do: "storeContent";
      readonly id: FileId;
      readonly sequence: number;
      readonly size: number;
      readonly mtime: Time;
      readonly ctime: Time;
      readonly cutTo: number;
      readonly extents: readonly Extent[];
    }
  /**
   * A part of a `storeContent` that is too long for one set: its cut and some of its extents alone. The `storeContent` of the same
   * sequence that follows makes them count; until then whoever applies the parts knows that content better than the rows do, and
   * keeps what it needs to do all of it again. A no-op where contentSequence is not below `sequence`.
   */
  | { readonly do: "layExtents"; readonly id: FileId; readonly sequence: number; readonly cutTo: number; readonly extents: readonly Extent[] }
  /**
   * Frees an orphan: at most `extentsMax` of its extents, and the inode with its attributes with the last of them. Does nothing to an inode that
   * has links or is gone.
   */
  | { readonly do: "freeOrphan"; readonly id: FileId; readonly extentsMax: number }
  | { readonly do: "putPack"; readonly pack: Pack }
  | { readonly do: "deletePack"; readonly id: PackId }
  /** The same bytes now lie elsewhere: an extent of `file` that still points at `from` is pointed at `to` (repacking). */
  | { readonly do: "moveExtent"; readonly file: FileId; readonly from: Extent; readonly to: Extent }
  | { readonly do: "raiseTreeVersion" }
  /**
   * What is kept by deltas is counted anew from the rows: of an inode `used`, and whether it is listed among the orphans (also where
   * there is no such inode, whose extended attributes then go); of a pack `live`; of the share its usage. Right whatever is applied at the time; only damage makes a difference.
   */
  | { readonly do: "recountInode"; readonly id: FileId }
  | { readonly do: "recountPack"; readonly id: PackId }
  | { readonly do: "recountUsage" };

/** What one file operation wants: applied whole, or refused with the condition that failed. */
export interface ChangeSet {
  readonly conditions: readonly Condition[];
  readonly changes: readonly Change[];
}

/** An inode before and after a set; null where it did not or does not exist. */
export interface Touched {
  readonly id: FileId;
  readonly before: Inode | null;
  readonly after: Inode | null;
}

export type ApplyResult =
  | { readonly applied: true; readonly touched: readonly Touched[] }
  | { readonly applied: false; readonly failed: Condition }
  /** The store has no room for the set; nothing of it was written. */
  | { readonly applied: false; readonly failed: "noSpace" };
