import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { Cookie, FileId } from "#model/ids.ts";
import type { ByteRange, ContentRead } from "#model/file-content.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileType, Inode } from "#model/inode.ts";
import type { AbsentShares } from "./absent-shares.ts";
import type { SharePolicy } from "./access/policy.ts";
import type { AttributedFiles, MakeOptions } from "./attributed.ts";
import type { LockTable } from "./locks/index.ts";
import type { Notifier } from "./notify/index.ts";
import type { OpenFile } from "./opens/open-file.ts";
import type { OpenTable } from "./opens/open-table.ts";
import type { PersistentOpens } from "./opens/persistent-opens.ts";

export type { FoldedUp, MakeOptions, OpenedStream } from "./attributed.ts";

/** An object before and after an operation (weak cache consistency, RFC 1813 §2.6); null where it is not known or was not there. */
export interface Change {
  readonly before: Inode | null;
  readonly after: Inode | null;
}

/** What a SETATTR or a create asks for; absent: leave it (or take the default). */
export interface AttributeRequest {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** A time, or "now" for the server's. */
  readonly atime?: Time | "now";
  readonly mtime?: Time | "now";
  /** DOS attributes: the low 16 bits of `Inode.flags`, all at once. They count as set from then on. */
  readonly flags?: number;
  /** The same, worked out from the object as it is when they are set. Only of a SETATTR. */
  readonly flagsFrom?: (now: Inode) => number;
  readonly birth?: Time;
}

/** ACCESS bits as RFC 1813 §3.3.4 numbers them; protocols with other numbers translate. */
export const Access = { read: 0x01, lookup: 0x02, modify: 0x04, extend: 0x08, delete: 0x10, execute: 0x20 } as const;

export type CreateHow =
  | { readonly mode: "unchecked"; readonly attributes: AttributeRequest }
  | { readonly mode: "guarded"; readonly attributes: AttributeRequest }
  | { readonly mode: "exclusive"; readonly verifier: Uint8Array };

export type NodeKind =
  | { readonly type: typeof FileType.fifo | typeof FileType.socket }
  | { readonly type: typeof FileType.block | typeof FileType.character; readonly major: number; readonly minor: number };

/** A directory was given a new entry. */
export interface Created {
  readonly inode: Inode;
  readonly directory: Change;
}
export interface Removed {
  readonly directory: Change;
}
export interface Renamed {
  readonly from: Change;
  readonly to: Change;
}
export interface Linked {
  readonly inode: Inode;
  readonly directory: Change;
}
export interface LookedUp {
  readonly inode: Inode;
  readonly directory: Inode;
}
/** WRITE and COMMIT: the file before and after. */
export interface Written {
  readonly file: Change;
}
/** Parts of a file that hold bytes, in order. */
export interface AllocatedRanges {
  readonly inode: Inode;
  readonly ranges: readonly ByteRange[];
}

/** A range of one file that is to come to be in another, or in itself. */
export interface CopyRange {
  readonly source: FileId;
  readonly sourceOffset: number;
  readonly target: FileId;
  readonly targetOffset: number;
  readonly length: number;
  /** By whose opens it is done. */
  readonly by: { readonly source: OpenFile | null; readonly target: OpenFile | null };
  /** Whether others' byte-range locks bar it. */
  readonly obeysLocks: boolean;
}

export interface ReadResult {
  readonly inode: Inode;
  readonly data: ContentRead;
}

/**
 * An entry of a listing. `inode` is null when it vanished while the page was read, and for a caller who may read the directory but
 * not look names up in it.
 */
export interface ListedEntry {
  readonly name: string;
  readonly cookie: Cookie | 1 | 2;
  readonly id: FileId;
  readonly inode: Inode | null;
}
export interface Listing {
  readonly directory: Inode;
  /** 8 bytes; a listing goes on only under the verifier it began with. */
  readonly verifier: Uint8Array;
  readonly entries: readonly ListedEntry[];
  /** The directory has no entries past these. */
  readonly end: boolean;
  /** Where the next call goes on: behind the last entry given or passed over. */
  readonly cookie: number;
}

export interface SpaceUsage {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Free for this caller: without the server's reserve. */
  readonly availableBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}

/**
 * One share's files, as every protocol sees them: each method is one operation with its permission checks. Expected failures
 * are returned. A method that changes something resolves when the change is durable. Names arrive as UTF-8 strings without
 * NUL; "", ".", "..", names with "/" and over 255 bytes are judged here.
 *
 * `by` is the open an operation goes through: null (or left out) by a protocol without opens, whose every operation then has to
 * agree with the opens of others.
 */
export interface FileSystem extends AttributedFiles {
  readonly name: string;
  /** Who may do what. What was worked out from a policy is good while this is the same object. */
  readonly policy: SharePolicy;
  /** Replaces the policy whole: from the next operation on it holds. */
  setPolicy(policy: SharePolicy): void;
  /** A request goes on after this turn of the event loop: until it leaves, the share's stores stay open. */
  enter(): void;
  leave(): void;
  /** A change of names that was done may wait for another machine before it is answered: for as long as that is away. */
  readonly mayBeLate: boolean;
  /** Byte-range locks of its files. */
  readonly locks: LockTable;
  /** Opens that outlive the server; null: none does. */
  readonly persistent: PersistentOpens | null;
  /** Who watches its directories. */
  readonly notify: Notifier;
  /** The current root directory. */
  root(): Maybe<Inode>;
  /** The handle of an object (44 bytes, cached: don't write to it). */
  handleOf(inode: Inode): Uint8Array;
  /** 8 bytes, changed by every restart. */
  readonly writeVerifier: Uint8Array;
  /** The object as it is now if that is known without waiting, for post-operation attributes after a failure. */
  cached(id: FileId): Inode | null;

  getattr(id: FileId): Maybe<Inode | FsError>;
  /** With `guard`, only if ctime is still that (notSync otherwise). */
  setattr(who: Credentials, id: FileId, request: AttributeRequest, guard: Time | null, by?: OpenFile | null): Promise<Change | FsError>;
  lookup(who: Credentials, directory: FileId, name: string): Maybe<LookedUp | FsError>;
  /** The bits of `wanted` (Access) that the caller has. */
  access(who: Credentials, id: FileId, wanted: number): Maybe<{ readonly inode: Inode; readonly granted: number } | FsError>;
  readlink(who: Credentials, id: FileId): Maybe<{ readonly inode: Inode; readonly target: Uint8Array } | FsError>;
  /** `by`: the open it is done through, which neither bars itself nor breaks what it caches; none: somebody who can have none. */
  read(who: Credentials, id: FileId, offset: number, length: number, by?: OpenFile | null): Maybe<ReadResult | FsError>;
  /** `stable`: answer only when durable (DATA_SYNC and FILE_SYNC alike: size, times and data go together). */
  write(
    who: Credentials,
    id: FileId,
    offset: number,
    payload: readonly Uint8Array[],
    length: number,
    stable: boolean,
    by?: OpenFile | null,
  ): Maybe<Written | FsError>;
  /** Which parts of a range hold bytes, the first `limit` of them. */
  allocated(who: Credentials, id: FileId, offset: number, length: number, limit: number): Maybe<AllocatedRanges | FsError>;
  /** Has a range read as zeros and store nothing; what lies past the end of the file is left out. Durable after `commit`. */
  punch(who: Credentials, id: FileId, offset: number, length: number, by?: OpenFile | null): Promise<Written | FsError>;
  /** Puts a symbolic link in the place of an empty file that has one name and is open by this alone. */
  becomeLink(who: Credentials, open: OpenFile, target: Uint8Array): Promise<Inode | FsError>;
  /** Has the target share what the source stores there; null when it is done. Invalid where the source has no such range. Durable after `commit`. */
  clone(who: Credentials, range: CopyRange): Promise<FsError | null>;
  /** The same, copying what is not worth to be shared; ranges of one file may overlap. */
  copy(who: Credentials, range: CopyRange): Promise<FsError | null>;
  /** Makes everything accepted of the file durable (RFC 1813 §3.3.21; a range is no reason to sync less). */
  commit(who: Credentials, id: FileId): Maybe<Written | FsError>;
  create(who: Credentials, directory: FileId, name: string, how: CreateHow, options?: MakeOptions): Promise<Created | FsError>;
  mkdir(who: Credentials, directory: FileId, name: string, request: AttributeRequest, options?: MakeOptions): Promise<Created | FsError>;
  symlink(who: Credentials, directory: FileId, name: string, target: Uint8Array, request: AttributeRequest, options?: MakeOptions): Promise<Created | FsError>;
  mknod(who: Credentials, directory: FileId, name: string, kind: NodeKind, request: AttributeRequest): Promise<Created | FsError>;
  remove(who: Credentials, directory: FileId, name: string): Promise<Removed | FsError>;
  rmdir(who: Credentials, directory: FileId, name: string): Promise<Removed | FsError>;
  /** `replaces` false: `exists` where another object has the new name, however late it came to it. */
  rename(who: Credentials, from: FileId, fromName: string, to: FileId, toName: string, by?: OpenFile | null, replaces?: boolean): Promise<Renamed | FsError>;
  /** `replaces`: a file that has the name loses it. */
  link(who: Credentials, id: FileId, directory: FileId, name: string, replaces?: boolean): Promise<Linked | FsError>;
  /**
   * Entries after `cookie` (0: from the start), "." as cookie 1 and ".." as 2 among them, until `accept` says that the next one
   * no longer fits (false); null passes one over. A call that passed over many ends early. `verifier` is checked where cookie is
   * not 0.
   */
  readdir(
    who: Credentials,
    directory: FileId,
    cookie: number,
    verifier: Uint8Array,
    withInodes: boolean,
    accept: (name: string) => boolean | null,
  ): Maybe<Listing | FsError>;
  /** The names from the root down to a directory; null where it is gone. */
  pathOf(directory: FileId): Maybe<readonly string[] | null>;
  usage(): Maybe<SpaceUsage>;

  /** Who has what open. A file is opened by `opens.admit`. */
  readonly opens: OpenTable;
  /** Ends an open. The last one of a file takes the name with it where somebody asked for that, and whatever of it was kept for its opens. */
  release(open: OpenFile): Maybe<FsError | null>;
  /** Has others give up what they cache of the content, as before a change of it: for what changes it in another way than by WRITE and SETATTR, or locks it. */
  contend(open: OpenFile): Maybe<FsError | null>;
  /** Has the name an open was made by go with the last open of the file, or not after all. */
  setDeletion(open: OpenFile, wanted: boolean): Maybe<FsError | null>;
}

/** A handle that resolved: which share, which file. */
export interface Located {
  readonly fs: FileSystem;
  readonly id: FileId;
}

/** Every share the server has, by name and by handle. */
export interface Shares {
  byName(name: string): FileSystem | undefined;
  list(): readonly FileSystem[];
  /** Those that are wanted and not served, of which neither of both knows. */
  readonly absent: AbsentShares;
  /**
   * What `length` bytes of `bytes` at `offset` are the handle of; badHandle for anything no share of ours made, stale where that
   * share was removed, jukebox where it is to be served again, io where another server has it. Whether the file still exists the operation says (stale).
   */
  locate(bytes: Uint8Array, offset: number, length: number): Located | FsError;
}
