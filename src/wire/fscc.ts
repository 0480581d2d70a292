import type { Time } from "#base/time.ts";
import { encodeFileTime } from "./filetime.ts";
import type { LeWriter } from "./le.ts";

/** File attributes (MS-FSCC 2.6). */
export const FileAttribute = {
  READONLY: 0x1,
  HIDDEN: 0x2,
  SYSTEM: 0x4,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
  NORMAL: 0x80,
  TEMPORARY: 0x100,
  SPARSE_FILE: 0x200,
  REPARSE_POINT: 0x400,
  COMPRESSED: 0x800,
  OFFLINE: 0x1000,
  NOT_CONTENT_INDEXED: 0x2000,
} as const;

/** Classes of file information (MS-FSCC 2.4), those of directory listings among them. */
export const FileInfo = {
  Directory: 1,
  FullDirectory: 2,
  BothDirectory: 3,
  Basic: 4,
  Standard: 5,
  Internal: 6,
  Ea: 7,
  Access: 8,
  Name: 9,
  Rename: 10,
  Link: 11,
  Names: 12,
  Disposition: 13,
  Position: 14,
  FullEa: 15,
  Mode: 16,
  Alignment: 17,
  All: 18,
  Allocation: 19,
  EndOfFile: 20,
  AlternateName: 21,
  Stream: 22,
  Pipe: 23,
  Compression: 28,
  NetworkOpen: 34,
  AttributeTag: 35,
  IdBothDirectory: 37,
  IdFullDirectory: 38,
  ValidDataLength: 39,
  HardLink: 46,
  NormalizedName: 48,
  Id: 59,
  IdExtdDirectory: 60,
  IdExtdBothDirectory: 63,
  DispositionEx: 64,
  RenameEx: 65,
  Stat: 68,
  LinkEx: 72,
} as const;

/** Classes of file system information (MS-FSCC 2.5). */
export const FsInfo = { Volume: 1, Label: 2, Size: 3, Device: 4, Attribute: 5, Control: 6, FullSize: 7, ObjectId: 8, SectorSize: 11 } as const;

export const FsAttribute = {
  CASE_SENSITIVE_SEARCH: 0x1,
  CASE_PRESERVED_NAMES: 0x2,
  UNICODE_ON_DISK: 0x4,
  PERSISTENT_ACLS: 0x8,
  VOLUME_QUOTAS: 0x20,
  SUPPORTS_SPARSE_FILES: 0x40,
  SUPPORTS_REPARSE_POINTS: 0x80,
  NAMED_STREAMS: 0x40000,
  READ_ONLY_VOLUME: 0x80000,
  SUPPORTS_HARD_LINKS: 0x400000,
  SUPPORTS_EXTENDED_ATTRIBUTES: 0x800000,
  SUPPORTS_BLOCK_REFCOUNTING: 0x8000000,
} as const;

/** What the information classes say of a file. */
export interface FileFacts {
  readonly id: number;
  readonly creationTime: Time;
  readonly accessTime: Time;
  readonly writeTime: Time;
  readonly changeTime: Time;
  readonly attributes: number;
  readonly allocationBytes: number;
  readonly endOfFile: number;
  readonly links: number;
  readonly directory: boolean;
  /** Of a reparse point. */
  readonly reparseTag: number;
}

/** Times and attributes (MS-FSCC 2.4.7). */
export function encodeBasic(w: LeWriter, file: FileFacts): void {
  w.reserve(40);
  encodeTimes(w, file);
  w.u32(file.attributes);
  w.u32(0);
}

export function encodeTimes(w: LeWriter, file: FileFacts): void {
  encodeFileTime(w, file.creationTime);
  encodeFileTime(w, file.accessTime);
  encodeFileTime(w, file.writeTime);
  encodeFileTime(w, file.changeTime);
}

export function encodeStandard(w: LeWriter, file: FileFacts, deletePending: boolean): void {
  w.reserve(24);
  w.u64(file.allocationBytes);
  w.u64(file.endOfFile);
  // A file whose deletion is pending has a link less (MS-FSA 2.1.5.11.27).
  w.u32(deletePending && file.links > 0 ? file.links - 1 : file.links);
  w.u8(deletePending ? 1 : 0);
  w.u8(file.directory ? 1 : 0);
  w.u16(0);
}

export function encodeNetworkOpen(w: LeWriter, file: FileFacts): void {
  w.reserve(56);
  encodeTimes(w, file);
  w.u64(file.allocationBytes);
  w.u64(file.endOfFile);
  w.u32(file.attributes);
  w.u32(0);
}

/** A name with its length in front (FileNameInformation and its kind). */
export function encodeCountedName(w: LeWriter, name: string): void {
  w.reserve(4);
  w.u32(name.length * 2);
  w.utf16(name);
}
