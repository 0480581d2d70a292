import { Time } from "#base/time.ts";
import type { Change, ChangeSet, Extent, PackState } from "#model/change-set.ts";
import { type FileId, type PackId, fileSizeMax, nameBytesMax, pathBytesMax } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { allFlags, streamsOf, xattrBytesMax, xattrFlags, xattrNameBytesMax } from "#model/inode-flags.ts";
import { type ByteReader, MalformedBytes } from "./bytes.ts";
import { AttributeFlag, InodeBit, Kind, MoreAttributes } from "./change-sets.ts";

/** Longest key of an object, and frame checksums of one pack, that are believed. */
const keyBytesMax = 1024;
const framesBytesMax = 2 ** 24;
const verifierBytesMax = 64;
const nsecMax = 999_999_999;

/** One transaction of a metadata store. */
export interface Turn {
  readonly turn: number;
  /** The number of the share's sequence that its first draw gave. */
  readonly firstDrawn: number;
  readonly sets: readonly ChangeSet[];
}

/** Reads one transaction; throws MalformedBytes for what is none. */
export function readTurn(from: ByteReader): Turn {
  const turn = from.uint();
  const firstDrawn = from.uint();
  const sets: ChangeSet[] = [];
  for (;;) {
    const count = from.uint();
    if (count === 0) return { turn, firstDrawn, sets };
    const changes: Change[] = [];
    for (let i = 1; i < count; i++) changes.push(readChange(from));
    sets.push({ conditions: [], changes });
  }
}

function file(from: ByteReader): FileId {
  const id = from.uint();
  if (id === 0) throw new MalformedBytes("a file has no id 0");
  return id as FileId;
}

function pack(from: ByteReader): PackId {
  return from.uint() as PackId;
}

function time(from: ByteReader): Time {
  const sec = from.int();
  const nsec = from.uint();
  if (nsec > nsecMax) throw new MalformedBytes("a second has no such nanosecond");
  return new Time(sec, nsec);
}

function readChange(from: ByteReader): Change {
  const kind = from.byte();
  switch (kind) {
    case Kind.insertInode:
      return { do: "insertInode", inode: readInode(from) };
    case Kind.insertDirent:
      return { do: "insertDirent", parent: file(from), name: from.text(nameBytesMax), child: file(from) };
    case Kind.deleteDirent:
      return { do: "deleteDirent", parent: file(from), name: from.text(nameBytesMax) };
    case Kind.insertStream:
      return { do: "insertDirent", parent: streamsOf(file(from)), name: from.text(nameBytesMax), child: file(from) };
    case Kind.deleteStream:
      return { do: "deleteDirent", parent: streamsOf(file(from)), name: from.text(nameBytesMax) };
    case Kind.touchDirectory:
      return { do: "touchDirectory", id: file(from), at: time(from), linksDelta: from.int() };
    case Kind.addLinks: {
      const id = file(from);
      const delta = from.byte() === 1 ? Number.NEGATIVE_INFINITY : from.int();
      return { do: "addLinks", id, delta, at: time(from) };
    }
    case Kind.setParent:
      return { do: "setParent", id: file(from), parent: from.uint() };
    case Kind.setAttributes:
      return readAttributes(from, false);
    case Kind.setFlags:
      return readAttributes(from, true);
    case Kind.setXattr: {
      const id = file(from);
      const at = time(from);
      const name = from.text(xattrNameBytesMax);
      return { do: "setXattr", id, at, name, value: from.byte() === 0 ? null : from.blob(xattrBytesMax).slice() };
    }
    case Kind.setAccessTime:
      return { do: "setAccessTime", id: file(from), atime: time(from) };
    default:
      return readContentChange(from, kind);
  }
}

function readContentChange(from: ByteReader, kind: number): Change {
  switch (kind) {
    case Kind.storeContent:
      return { do: "storeContent", id: file(from), sequence: from.uint(), size: from.uint(), mtime: time(from), ctime: time(from), cutTo: from.int(), extents: readExtents(from) };
    case Kind.layExtents:
      return { do: "layExtents", id: file(from), sequence: from.uint(), cutTo: from.int(), extents: readExtents(from) };
    case Kind.freeOrphan:
      return { do: "freeOrphan", id: file(from), extentsMax: from.uint() };
    case Kind.putPack: {
      const id = pack(from);
      const key = from.text(keyBytesMax);
      const state = from.byte();
      if (state < 1 || state > 3) throw new MalformedBytes(`a pack has no state ${state}`);
      return { do: "putPack", pack: { id, key, state: state as PackState, size: from.uint(), live: 0, frames: from.blob(framesBytesMax).slice(), since: time(from) } };
    }
    case Kind.deletePack:
      return { do: "deletePack", id: pack(from) };
    case Kind.moveExtent:
      return { do: "moveExtent", file: file(from), from: readExtent(from), to: readExtent(from) };
    case Kind.raiseTreeVersion:
      return { do: "raiseTreeVersion" };
    case Kind.recountInode:
      return { do: "recountInode", id: file(from) };
    case Kind.recountPack:
      return { do: "recountPack", id: pack(from) };
    case Kind.recountUsage:
      return { do: "recountUsage" };
    default:
      throw new MalformedBytes(`there is no change of kind ${kind}`);
  }
}

function readInode(from: ByteReader): Inode {
  const id = file(from);
  const flags = from.byte();
  const type = from.byte();
  if (type < FileType.regular || type > FileType.fifo) throw new MalformedBytes(`a file has no type ${type}`);
  const mode = from.uint();
  const links = from.uint();
  const uid = from.uint();
  const gid = from.uint();
  const size = from.uint();
  const used = from.uint();
  const ctime = time(from);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const atime = has(InodeBit.atime) ? time(from) : ctime;
  const mtime = has(InodeBit.mtime) ? time(from) : ctime;
  const birth = has(InodeBit.birth) ? time(from) : ctime;
  const deviceMajor = has(InodeBit.device) ? from.uint() : 0;
  const deviceMinor = has(InodeBit.device) ? from.uint() : 0;
  const numbers = has(InodeBit.numbers);
  return new Inode({
    id, type: type as FileType, mode, links, uid, gid, size, used, deviceMajor, deviceMinor, atime, mtime, ctime, birth,
    change: numbers ? from.uint() : 0,
    attributeVersion: numbers ? from.uint() : 0,
    contentSequence: numbers ? from.uint() : 0,
    mtimeSequence: numbers ? from.uint() : 0,
    parent: from.uint(),
    generation: from.uint(),
    createVerifier: has(InodeBit.verifier) ? from.blob(verifierBytesMax).slice() : null,
    target: has(InodeBit.target) ? from.blob(pathBytesMax).slice() : null,
    flags: has(InodeBit.flags) ? flagBits(from) : 0,
  });
}

/** Bits of an inode's `flags`; ones there are none of are not written by this version. */
function flagBits(from: ByteReader): number {
  const flags = from.uint();
  if (flags > allFlags || (flags & ~allFlags) !== 0) throw new MalformedBytes(`an inode has no flags ${flags.toString(16)}`);
  return flags;
}

function flagChange(from: ByteReader): { readonly clear: number; readonly set: number } {
  const change = { clear: flagBits(from), set: flagBits(from) };
  if (((change.clear | change.set) & xattrFlags) !== 0) throw new MalformedBytes("attributes are given by their own changes");
  return change;
}

function readAttributes(from: ByteReader, extended: boolean): Change {
  const id = file(from);
  const flags = from.byte();
  const more = extended ? from.byte() : 0;
  const at = time(from);
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    do: "setAttributes",
    id,
    at,
    ...(has(AttributeFlag.mode) ? { mode: from.uint() } : {}),
    ...(has(AttributeFlag.uid) ? { uid: from.uint() } : {}),
    ...(has(AttributeFlag.gid) ? { gid: from.uint() } : {}),
    ...(has(AttributeFlag.atime) ? { atime: time(from) } : {}),
    ...(has(AttributeFlag.mtime) ? { mtime: time(from) } : {}),
    ...(has(AttributeFlag.mtimeSequence) ? { mtimeSequence: from.uint() } : {}),
    ...(has(AttributeFlag.verifier) ? { createVerifier: from.blob(verifierBytesMax).slice() } : {}),
    ...(has(AttributeFlag.noVerifier) ? { createVerifier: null } : {}),
    ...((more & MoreAttributes.flags) !== 0 ? { flags: flagChange(from) } : {}),
    ...((more & MoreAttributes.birth) !== 0 ? { birth: time(from) } : {}),
  };
}

function readExtents(from: ByteReader): readonly Extent[] {
  const count = from.uint();
  const extents: Extent[] = [];
  for (let i = 0; i < count; i++) extents.push(readExtent(from));
  return extents;
}

function readExtent(from: ByteReader): Extent {
  const extent = { offset: from.uint(), length: from.uint(), pack: pack(from), packOffset: from.uint() };
  if (extent.length === 0 || extent.offset + extent.length > fileSizeMax) throw new MalformedBytes("an extent must have a length and lie below 2^53");
  return extent;
}
