import type { Maybe } from "#base/brand.ts";
import type { Time } from "#base/time.ts";
import type { FsError } from "./fs-error.ts";
import type { FileId, PackId } from "./ids.ts";
import type { Inode } from "./inode.ts";

/** Bytes read: slices that stay unchanged until `release`, which the reader calls exactly once. */
export interface ContentRead {
  readonly slices: readonly Uint8Array[];
  readonly length: number;
  readonly endOfFile: boolean;
  release(): void;
}

/** A run of bytes that a stored pack holds; pack 0: a hole, zeros that nothing stores. */
export interface ContentRun {
  readonly length: number;
  readonly pack: PackId;
  readonly packOffset: number;
}

/** Stored bytes of a file, which stay as they are until `release`, whatever becomes of the file. To be released exactly once. */
export interface ContentReferences {
  /** Bytes of the file, holes included. */
  readonly length: number;
  readonly runs: readonly ContentRun[];
  release(): void;
}

/** Bytes `start`..`end` of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The content of a share's files. `inode` arguments are current (as `overlay` gives them). Writes and truncates are accepted at
 * once, seen by every reader from then on, and durable after `durable`; size and data never part.
 */
export interface FileContent {
  /** 8 bytes that change whenever accepted but not yet durable writes may have been lost (RFC 1813 §3.3.7). */
  readonly writeVerifier: Uint8Array;
  /** A stored row with the size, times and change number of what is accepted but not stored yet. */
  overlay(row: Inode): Inode;
  /** Bytes `offset`..`offset + length`, cut at the file's size. */
  read(inode: Inode, offset: number, length: number): Maybe<ContentRead | FsError>;
  /**
   * Whether `length` more bytes may be written now. Waits while the share has too much unstored data (jukebox when that takes too
   * long); noSpace when there is no room. A wait may have changed the inode: look at it again before `write`.
   */
  admit(length: number): Maybe<FsError | null>;
  /** Writes `payload` (slices of `length` bytes in all, admitted) at `offset`. Gives the inode as it now is. */
  write(inode: Inode, offset: number, payload: readonly Uint8Array[], length: number, at: Time): Inode | FsError;
  /** Sets the size, cutting or extending with a hole. */
  truncate(inode: Inode, size: number, at: Time): Inode | FsError;
  /** Has the range read as zeros and store nothing; the size stays. What lies past the end of the file is left out. */
  punch(inode: Inode, offset: number, length: number, at: Time): Inode | FsError;
  /**
   * What `offset`..`offset + length` (within the file's size) holds, as references to stored bytes; of a range in many pieces only its
   * beginning (`length` says how much, at least a byte). What is not stored is stored first (jukebox when that takes too long).
   */
  references(inode: Inode, offset: number, length: number): Maybe<ContentReferences | FsError>;
  /** Has the file hold at `offset` what `from` refers to, sharing the stored bytes; grows it as a write does. */
  clone(inode: Inode, offset: number, from: ContentReferences, at: Time): Inode | FsError;
  /**
   * Where bytes of `offset`..`end` (cut at the file's size) are stored or written, in order and apart from one another: the first `limit` ranges.
   */
  allocated(inode: Inode, offset: number, end: number, limit: number): Maybe<readonly ByteRange[]>;
  /** Resolves when everything accepted of the file so far is as durable as the share's tier asks. */
  durable(id: FileId): Maybe<FsError | null>;
  /** The sequence number an explicit mtime belongs to: that of the last accepted write of the share. */
  sequence(): number;
  /** The file has no link left, and that is durable: unstored content is dropped, and the log forgets it. */
  forget(id: FileId): void;
  /** Bytes for content where there is a bound: all, free, and free for clients (without the server's reserve). */
  space(): Maybe<{ readonly free: number; readonly total: number; readonly available: number } | null>;
}
