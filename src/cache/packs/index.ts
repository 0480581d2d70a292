/**
 * Packs: files that hold payload of many files end to end, then a footer of frame checksums. An open pack is being filled in the
 * block store's staging directory; sealed, the store adopts it as the object it is.
 *
 * Invariants
 * - Payload is written once, gathered from the slices it came in, and is readable from the file when `append` returns.
 * - `durable` resolves only after a sync that began when the bytes were in the kernel, the file's name included. A sync that
 *   failed is never tried again: `fatal` is told, and who waits waits for ever.
 * - A pack is sealed once; what `seal` gave is on stable storage, whole.
 */
import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import type { FileOps } from "../log/file-ops.ts";
import type { PackSpares } from "./spares.ts";

export { frameBytes, payloadCrc, verifyFrames } from "./frames.ts";
export { readFooter } from "./footer.ts";
export { PackSpares, spareName } from "./spares.ts";
export { createPack, listOpenPacks, reopenPack } from "./open-pack.ts";

export interface SealedPack {
  /** Payload bytes. */
  readonly size: number;
  /** Bytes of the file, footer included. */
  readonly objectBytes: number;
  /** CRC-32 of each frame, big-endian, in order. */
  readonly frames: Uint8Array;
}

/** Where a payload is in its pack, and its CRC-32. */
export interface Appended {
  readonly offset: number;
  readonly crc: number;
}

/** A pack that is being filled. */
export interface OpenPack {
  readonly id: PackId;
  readonly path: string;
  /** Payload bytes appended. */
  readonly size: number;
  /** Appends slices of `length` bytes in all; gives their offset, or noSpace (io for a broken disk): then nothing was appended. */
  append(payload: readonly Uint8Array[], length: number): number | FsError;
  /**
   * As `append`, by the thread pool: the bytes belong to the pack when this resolves. One at a time, with no other kind of append
   * meanwhile; the slices must stay as they are until then.
   */
  appendAside(payload: readonly Uint8Array[], length: number): Promise<number | FsError>;
  /** Appends what the kernel takes at once; null where it does not: then nothing was appended. */
  appendNow(payload: readonly Uint8Array[], length: number): Appended | null;
  /**
   * Appends without waiting for the kernel, and is never refused: no room is waited for. `written` is called when the kernel
   * has the bytes; until then they are read from the slices, which must stay as they are.
   */
  appendLater(payload: readonly Uint8Array[], length: number, written: () => void): Appended;
  /** Everything appended so far is with the kernel: it survives the process. */
  written(): Maybe<void>;
  /** Bytes that were appended; sealed, moved or not, until `close`. */
  readSync(offset: number, target: Uint8Array): void;
  /** Bytes 0..size are on stable storage. */
  durable(size: number): Maybe<void>;
  /** Appends the footer and syncs; once sealed, gives the same again. Rejects after a failed sync. */
  seal(): Promise<SealedPack>;
  /** Lets go of a sealed pack's file, once nobody reads from it. */
  close(): Promise<void>;
  /** Closes and deletes the file, or leaves it to the spares. */
  abandon(): Promise<void>;
}

export interface PackOptions {
  readonly clock: Clock;
  /** A sync failed: nothing may be acknowledged from here on. */
  readonly fatal: (error: Error) => void;
  /** Where files of packs that are given up go, and new packs' come from; absent: they are deleted. */
  readonly spares?: PackSpares;
  /** The file operations, for tests. */
  readonly files?: FileOps;
}

/** What the keys of all packs of a share begin with. */
export function packKeyPrefix(instance: Uint8Array): string {
  return `${Buffer.from(instance.buffer, instance.byteOffset, instance.byteLength).toString("hex")}/`;
}

/** Whether a key is that of a pack: a share has other objects, too, under its instance. */
export function isPackKey(key: string): boolean {
  return /^[0-9a-f]{16}\/[0-9a-f]{2}\/[0-9a-f]{14}(-[0-9a-f]{1,14})?$/.test(key);
}

/** The key of a pack whose own another object has; `draw`: a number nobody else is given. */
export function otherPackKey(instance: Uint8Array, id: PackId, draw: number): string {
  return `${packKey(instance, id)}-${draw.toString(16)}`;
}

/** Whether a key is the pack's own or one in its place. */
export function isKeyOfPack(key: string, instance: Uint8Array, id: PackId): boolean {
  const own = packKey(instance, id);
  return isPackKey(key) && (key === own || key.startsWith(`${own}-`));
}

/** The key of a pack's object: the share's instance, then one of 256 directories, then the pack. */
export function packKey(instance: Uint8Array, id: PackId): string {
  const spread = Math.imul(id | 0, 0x9e3779b1) >>> 24;
  return `${packKeyPrefix(instance)}${spread.toString(16).padStart(2, "0")}/${id.toString(16).padStart(14, "0")}`;
}
