import { type Ea, eaListBytes } from "#wire/ea.ts";
import { encodeBasic, encodeCountedName, encodeNetworkOpen, encodeStandard, FileAttribute, type FileFacts, FileInfo } from "#wire/fscc.ts";
import type { LeWriter } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask } from "#wire/smb2/create.ts";
import type { Open } from "../open/open.ts";

/** A stream as FileStreamInformation lists it; `name` "" is the file's own content. */
export interface StreamFacts {
  readonly name: string;
  readonly size: number;
  readonly allocationBytes: number;
}

/** What is known of an open file when a class of information about it is written. */
export interface FileQuery {
  readonly open: Open;
  readonly facts: FileFacts;
  readonly deletePending: boolean;
  /** 8 bytes. */
  readonly volumeId: Uint8Array;
  /** Read for the classes that `wantsEas` names. */
  readonly eas: readonly Ea[];
  /** Read for FileStreamInformation. */
  readonly streams: readonly StreamFacts[];
}

/** One class of information (MS-FSCC 2.4). */
export interface InfoClass {
  /** Bytes of its fixed part: less room is refused with INFO_LENGTH_MISMATCH, and what is longer is cut. */
  readonly fixedBytes: number;
  /** The right a file has to be opened with (MS-SMB2 3.3.5.20.1); 0: none. */
  readonly needs: number;
  write(w: LeWriter, query: FileQuery): number;
}

const u32Bytes = 4;

function ok(write: (w: LeWriter, query: FileQuery) => void): (w: LeWriter, query: FileQuery) => number {
  return (w, query) => {
    write(w, query);
    return NtStatus.SUCCESS;
  };
}

function of(fixedBytes: number, needs: number, write: (w: LeWriter, query: FileQuery) => void): InfoClass {
  return { fixedBytes, needs, write: ok(write) };
}

const classes: Readonly<Record<number, InfoClass>> = {
  [FileInfo.Basic]: of(40, AccessMask.READ_ATTRIBUTES, (w, { facts }) => encodeBasic(w, facts)),
  [FileInfo.Standard]: of(24, 0, (w, { facts, deletePending }) => encodeStandard(w, facts, deletePending)),
  [FileInfo.Internal]: of(8, 0, (w, { facts }) => w.u64(facts.id)),
  [FileInfo.Ea]: of(u32Bytes, 0, (w, { eas }) => w.u32(eaListBytes(eas))),
  [FileInfo.Access]: of(u32Bytes, 0, (w, { open }) => w.u32(open.access)),
  [FileInfo.Position]: of(8, 0, (w, { open }) => w.u64(open.position)),
  [FileInfo.Mode]: of(u32Bytes, 0, (w, { open }) => w.u32(open.mode)),
  [FileInfo.Alignment]: of(u32Bytes, 0, (w) => w.u32(0)),
  // The name behind it is as long as it is; a part of it is still an answer.
  [FileInfo.All]: of(104, AccessMask.READ_ATTRIBUTES, writeAll),
  [FileInfo.Name]: of(u32Bytes, 0, (w, { open }) => encodeCountedName(w, `\\${open.path}`)),
  [FileInfo.NormalizedName]: of(u32Bytes, 0, (w, { open }) => encodeCountedName(w, open.path)),
  [FileInfo.AlternateName]: { fixedBytes: 8, needs: 0, write: writeAlternateName },
  [FileInfo.Stream]: of(32, 0, (w, { streams }) => writeStreams(w, streams)),
  [FileInfo.Compression]: of(16, 0, writeCompression),
  [FileInfo.NetworkOpen]: of(56, AccessMask.READ_ATTRIBUTES, (w, { facts }) => encodeNetworkOpen(w, facts)),
  [FileInfo.AttributeTag]: of(8, AccessMask.READ_ATTRIBUTES, writeAttributeTag),
  [FileInfo.Id]: of(24, 0, writeId),
  [FileInfo.Stat]: of(72, AccessMask.READ_ATTRIBUTES, writeStat),
};

export function classOf(infoClass: number): InfoClass | undefined {
  return classes[infoClass];
}

/** Classes that tell the file's name. */
export function wantsName(infoClass: number): boolean {
  return infoClass === FileInfo.Name || infoClass === FileInfo.NormalizedName || infoClass === FileInfo.All || infoClass === FileInfo.AlternateName;
}

/** Classes that tell of EAs. */
export function wantsEas(infoClass: number): boolean {
  return infoClass === FileInfo.Ea || infoClass === FileInfo.All || infoClass === FileInfo.FullEa;
}

/** FileAllInformation (MS-FSCC 2.4.2). */
function writeAll(w: LeWriter, query: FileQuery): void {
  const { open, facts } = query;
  encodeBasic(w, facts);
  encodeStandard(w, facts, query.deletePending);
  w.u64(facts.id);
  w.u32(eaListBytes(query.eas));
  w.u32(open.access);
  w.u64(open.position);
  w.u32(open.mode);
  w.u32(0);
  encodeCountedName(w, `\\${open.path}`);
}

/** A name for old programs (MS-FSCC 2.4.5): its own where it is one of theirs, else one made of it. It is told, and leads nowhere. */
function writeAlternateName(w: LeWriter, { open }: FileQuery): number {
  const name = open.path.slice(open.path.lastIndexOf("\\") + 1).replace(/:.*$/s, "");
  if (name === "") return NtStatus.OBJECT_NAME_NOT_FOUND;
  encodeCountedName(w, isShort.test(name) ? name : shortened(name));
  return NtStatus.SUCCESS;
}

const isShort = /^[!#$%&'()\-0-9@A-Z^_`{}~]{1,8}(?:\.[!#$%&'()\-0-9@A-Z^_`{}~]{1,3})?$/i;
const hashDigits = 5;

/** The first letter, digits of a hash of all of it, and what of the extension has room. */
function shortened(name: string): string {
  const plain = (text: string): string => text.toUpperCase().replace(/[^0-9A-Z]/g, "");
  const dot = name.lastIndexOf(".");
  const extension = dot < 0 ? "" : plain(name.slice(dot + 1)).slice(0, 3);
  const hash = Bun.hash.crc32(name).toString(36).toUpperCase().padStart(hashDigits, "0").slice(-hashDigits);
  return `${plain(name).slice(0, 1)}${hash}~1${extension === "" ? "" : `.${extension}`}`;
}

/** FileStreamInformation (MS-FSCC 2.4.44): every entry but the last leads to the next, aligned to 8 bytes. */
function writeStreams(w: LeWriter, streams: readonly StreamFacts[]): void {
  const from = w.at;
  let last = -1;
  for (const stream of streams) {
    w.align(8, from);
    if (last >= 0) w.setU32(last, w.at - last);
    last = w.at;
    const name = `:${stream.name}:$DATA`;
    w.reserve(24);
    w.u32(0);
    w.u32(name.length * 2);
    w.u64(stream.size);
    w.u64(stream.allocationBytes);
    w.utf16(name);
  }
}

/** Nothing is compressed that a client would have to know of (MS-FSCC 2.4.9). */
function writeCompression(w: LeWriter, { facts }: FileQuery): void {
  w.u64(facts.endOfFile);
  w.zeros(8);
}

function writeAttributeTag(w: LeWriter, { facts }: FileQuery): void {
  w.u32(facts.attributes);
  w.u32((facts.attributes & FileAttribute.REPARSE_POINT) === 0 ? 0 : facts.reparseTag);
}

/** FileIdInformation (MS-FSCC 2.4.26): the file's number, and what its volume is known by. */
function writeId(w: LeWriter, { facts, volumeId }: FileQuery): void {
  w.raw(volumeId);
  w.reserve(16);
  w.u64(facts.id);
  w.zeros(8);
}

/** FileStatInformation (MS-FSCC 2.4.43). */
function writeStat(w: LeWriter, { open, facts }: FileQuery): void {
  w.u64(facts.id);
  encodeNetworkOpen(w, facts);
  // It ends with four bytes of nothing, where this class has the tag.
  w.at -= u32Bytes;
  w.u32((facts.attributes & FileAttribute.REPARSE_POINT) === 0 ? 0 : facts.reparseTag);
  w.u32(facts.links);
  w.u32(open.access);
}
