import { encodeTimes, FileAttribute, type FileFacts, FileInfo } from "./fscc.ts";
import type { LeWriter } from "./le.ts";

/*
 * Entries of directory listings (MS-FSCC 2.4.8, 2.4.10, 2.4.14, 2.4.17–2.4.20, 2.4.22, 2.4.34). All but the shortest begin alike:
 *
 *   0  4 to the next entry, 0 in the last   4  4 file index   8 32 times   40 8 end of file   48 8 allocation
 *  56  4 attributes                        60  4 bytes of the name         64 4 bytes of EAs, or the reparse tag
 *
 * and go on by class: a reparse tag (extended classes), a 16-byte id (the same), an 8.3 name, an 8-byte id, the name.
 */

/** What stands in front of an entry's name, by class. */
const fixedBytes: readonly number[] = bytesByClass();

function bytesByClass(): readonly number[] {
  const bytes = new Array<number>(FileInfo.IdExtdBothDirectory + 1).fill(0);
  bytes[FileInfo.Directory] = 64;
  bytes[FileInfo.FullDirectory] = 68;
  bytes[FileInfo.BothDirectory] = 94;
  bytes[FileInfo.Names] = 12;
  bytes[FileInfo.IdBothDirectory] = 104;
  bytes[FileInfo.IdFullDirectory] = 80;
  bytes[FileInfo.IdExtdDirectory] = 88;
  bytes[FileInfo.IdExtdBothDirectory] = 114;
  return bytes;
}

/** An 8.3 name with its length, of which there is none, and what aligns it. */
const shortNameBytes = 26;

/** Bytes of an entry in front of its name; 0: no class of listings. */
export function entryFixedBytes(infoClass: number): number {
  return fixedBytes[infoClass] ?? 0;
}

/** What macOS asked to be told in the places of EA size and 8.3 name (MS-SMB2 knows nothing of it; see smb/aapl). */
export interface AppleFacts {
  readonly maximalAccess: number;
  readonly resourceForkBytes: number;
  /** 16 bytes. */
  readonly finderInfo: Uint8Array;
  readonly mode: number;
}

/** An entry; the first field is left 0. Checks for room. */
export function encodeEntry(w: LeWriter, infoClass: number, name: string, index: number, file: FileFacts, eaBytes: number, apple: AppleFacts | null): void {
  const fixed = fixedBytes[infoClass]!;
  w.reserve(fixed + name.length * 2);
  w.u32(0);
  w.u32(index);
  if (infoClass === FileInfo.Names) {
    w.u32(name.length * 2);
    w.utf16(name);
    return;
  }
  encodeTimes(w, file);
  w.u64(file.endOfFile);
  w.u64(file.allocationBytes);
  w.u32(file.attributes);
  w.u32(name.length * 2);
  if (infoClass !== FileInfo.Directory) encodeRest(w, infoClass, file, eaBytes, apple);
  w.utf16(name);
}

function encodeRest(w: LeWriter, infoClass: number, file: FileFacts, eaBytes: number, apple: AppleFacts | null): void {
  // A reparse point has no EAs: its tag stands there (MS-FSCC 2.4.17).
  const tag = (file.attributes & FileAttribute.REPARSE_POINT) === 0 ? eaBytes : file.reparseTag;
  switch (infoClass) {
    case FileInfo.IdExtdDirectory:
    case FileInfo.IdExtdBothDirectory:
      w.u32(eaBytes);
      w.u32(file.reparseTag | 0);
      w.u64(file.id);
      w.zeros(8);
      if (infoClass === FileInfo.IdExtdBothDirectory) w.zeros(shortNameBytes);
      return;
    case FileInfo.IdBothDirectory:
      if (apple !== null) {
        encodeApple(w, apple);
      } else {
        w.u32(tag | 0);
        w.zeros(shortNameBytes + 2);
      }
      w.u64(file.id);
      return;
    case FileInfo.IdFullDirectory:
      w.u32(tag | 0);
      w.u32(0);
      w.u64(file.id);
      return;
    case FileInfo.BothDirectory:
      w.u32(tag | 0);
      w.zeros(shortNameBytes);
      return;
    default:
      w.u32(tag | 0);
  }
}

/** Of the resource fork's length and Finder's information, in the place of an 8.3 name. */
const appleBytes = 24;

function encodeApple(w: LeWriter, apple: AppleFacts): void {
  w.u32(apple.maximalAccess | 0);
  w.u16(appleBytes);
  w.u64(apple.resourceForkBytes);
  w.raw(apple.finderInfo);
  w.u16(apple.mode);
}
