import { assert } from "#base/assert.ts";
import type { Brand } from "#base/brand.ts";

/** A file's identity within its share: an integer in 1..2^53-1 from the share's sequence, never reused. */
export type FileId = Brand<number, "FileId">;
/** A pack's identity within its share, from the same sequence. */
export type PackId = Brand<number, "PackId">;
/** A directory entry's position for paging: above 2, unique in its share, never reused, in no promised order. */
export type Cookie = Brand<number, "Cookie">;

/** Every share's root directory. */
export const rootId: FileId = 1 as FileId;
/** The share's sequence starts here; lower numbers are fixed ids. */
export const firstDrawn = 16;

export function fileId(value: number): FileId {
  assert(Number.isSafeInteger(value) && value > 0, `a file id must be an integer in 1..2^53-1, not ${value}`);
  return value as FileId;
}

/** Longest name of a directory entry, in UTF-8 bytes. */
export const nameBytesMax = 255;
/** Longest symbolic link target and path component list, in bytes. */
export const pathBytesMax = 4096;
/** Largest file size and offset: 2^53 - 1, the last integer JavaScript holds exactly. */
export const fileSizeMax = Number.MAX_SAFE_INTEGER;
/** Most hard links of one file. */
export const linksMax = 32_000;
