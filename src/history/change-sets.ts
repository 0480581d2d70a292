import { exhaustive } from "#base/assert.ts";
import type { Time } from "#base/time.ts";
import type { Change, ChangeSet, Extent } from "#model/change-set.ts";
import type { TurnEncoder } from "#model/history.ts";
import type { Inode } from "#model/inode.ts";
import { ByteWriter } from "./bytes.ts";

/** Kinds of changes as they are written (docs/formats/history.md); never renumber them. */
export const Kind = {
  insertInode: 1,
  insertDirent: 2,
  deleteDirent: 3,
  touchDirectory: 4,
  addLinks: 5,
  setParent: 6,
  setAttributes: 7,
  setAccessTime: 8,
  storeContent: 9,
  layExtents: 10,
  freeOrphan: 11,
  putPack: 12,
  deletePack: 13,
  moveExtent: 14,
  raiseTreeVersion: 15,
  recountInode: 16,
  recountPack: 17,
  recountUsage: 18,
  setXattr: 19,
  /** insertDirent and deleteDirent of a stream's name: its owner takes the place of the directory. */
  insertStream: 20,
  deleteStream: 21,
  /** setAttributes with flags or birth. */
  setFlags: 22,
} as const;

/** What of an inode's columns is not what most have; then they follow. */
export const InodeBit = { atime: 1, mtime: 2, birth: 4, device: 8, numbers: 16, verifier: 32, target: 64, flags: 128 } as const;
/** Which attributes a `setAttributes` sets. */
export const AttributeFlag = { mode: 1, uid: 2, gid: 4, atime: 8, mtime: 16, mtimeSequence: 32, verifier: 64, noVerifier: 128 } as const;
/** And of `setFlags`, the same and these, in a byte behind. */
export const MoreAttributes = { flags: 1, birth: 2 } as const;

/**
 * Writes transactions down: number, the first number it drew of the share's sequence, and the changes of each applied set. Conditions are
 * left out: they held. Cookies and change numbers are left out: a replay that begins at the same number draws the same.
 */
export class TurnWriter implements TurnEncoder {
  private readonly out = new ByteWriter();
  private sets = 0;
  private turn = 0;
  private firstDrawn = 0;

  begin(turn: number, firstDrawn: number): void {
    this.turn = turn;
    this.firstDrawn = firstDrawn;
    this.sets = 0;
    this.out.clear();
  }

  add(set: ChangeSet): void {
    const { out } = this;
    if (this.sets === 0) {
      out.uint(this.turn);
      out.uint(this.firstDrawn);
    }
    this.sets++;
    const { changes } = set;
    // 0 ends the sets of a transaction.
    out.uint(changes.length + 1);
    for (let i = 0; i < changes.length; i++) writeChange(out, changes[i] as Change);
  }

  end(): Uint8Array | null {
    if (this.sets === 0) return null;
    this.out.byte(0);
    return this.out.take();
  }
}

function kindOf(c: Change): number {
  switch (c.do) {
    case "insertDirent":
      return c.parent < 0 ? Kind.insertStream : Kind.insertDirent;
    case "deleteDirent":
      return c.parent < 0 ? Kind.deleteStream : Kind.deleteDirent;
    case "setAttributes":
      return c.flags !== undefined || c.birth !== undefined ? Kind.setFlags : Kind.setAttributes;
    default:
      return Kind[c.do];
  }
}

function writeChange(out: ByteWriter, c: Change): void {
  out.byte(kindOf(c));
  switch (c.do) {
    case "insertInode":
      return writeInode(out, c.inode);
    case "insertDirent":
      out.uint(Math.abs(c.parent));
      out.text(c.name);
      out.uint(c.child);
      return;
    case "deleteDirent":
      out.uint(Math.abs(c.parent));
      out.text(c.name);
      return;
    case "touchDirectory":
      out.uint(c.id);
      out.time(c.at);
      out.int(c.linksDelta);
      return;
    case "addLinks":
      out.uint(c.id);
      // A removed directory's count is set to 0 by minus infinity.
      out.byte(c.delta === Number.NEGATIVE_INFINITY ? 1 : 0);
      if (c.delta !== Number.NEGATIVE_INFINITY) out.int(c.delta);
      out.time(c.at);
      return;
    case "setParent":
      out.uint(c.id);
      out.uint(c.parent);
      return;
    case "setAttributes":
      return writeAttributes(out, c);
    case "setAccessTime":
      out.uint(c.id);
      out.time(c.atime);
      return;
    case "setXattr":
      out.uint(c.id);
      out.time(c.at);
      out.text(c.name);
      out.byte(c.value === null ? 0 : 1);
      if (c.value !== null) out.blob(c.value);
      return;
    default:
      return writeContentChange(out, c);
  }
}

type NameChange = "insertInode" | "insertDirent" | "deleteDirent" | "touchDirectory" | "addLinks" | "setParent" | "setAttributes" | "setAccessTime" | "setXattr";

function writeContentChange(out: ByteWriter, c: Exclude<Change, { do: NameChange }>): void {
  switch (c.do) {
    case "storeContent":
      out.uint(c.id);
      out.uint(c.sequence);
      out.uint(c.size);
      out.time(c.mtime);
      out.time(c.ctime);
      out.int(c.cutTo);
      return writeExtents(out, c.extents);
    case "layExtents":
      out.uint(c.id);
      out.uint(c.sequence);
      out.int(c.cutTo);
      return writeExtents(out, c.extents);
    case "freeOrphan":
      out.uint(c.id);
      out.uint(c.extentsMax);
      return;
    case "putPack":
      out.uint(c.pack.id);
      out.text(c.pack.key);
      out.byte(c.pack.state);
      out.uint(c.pack.size);
      out.blob(c.pack.frames);
      out.time(c.pack.since);
      return;
    case "deletePack":
      out.uint(c.id);
      return;
    case "moveExtent":
      out.uint(c.file);
      writeExtent(out, c.from);
      writeExtent(out, c.to);
      return;
    case "recountInode":
    case "recountPack":
      out.uint(c.id);
      return;
    case "raiseTreeVersion":
    case "recountUsage":
      return;
    default:
      return exhaustive(c);
  }
}

function writeInode(out: ByteWriter, i: Inode): void {
  const { atime, mtime, ctime, birth } = i;
  const special = i.change !== 0 || i.attributeVersion !== 0 || i.contentSequence !== 0 || i.mtimeSequence !== 0;
  const flags =
    (atime.equals(ctime) ? 0 : InodeBit.atime) |
    (mtime.equals(ctime) ? 0 : InodeBit.mtime) |
    (birth.equals(ctime) ? 0 : InodeBit.birth) |
    (i.deviceMajor === 0 && i.deviceMinor === 0 ? 0 : InodeBit.device) |
    (special ? InodeBit.numbers : 0) |
    (i.createVerifier === null ? 0 : InodeBit.verifier) |
    (i.target === null ? 0 : InodeBit.target) |
    (i.flags === 0 ? 0 : InodeBit.flags);
  out.uint(i.id);
  out.byte(flags);
  out.byte(i.type);
  out.uint(i.mode);
  out.uint(i.links);
  out.uint(i.uid);
  out.uint(i.gid);
  out.uint(i.size);
  out.uint(i.used);
  out.time(ctime);
  if ((flags & InodeBit.atime) !== 0) out.time(atime);
  if ((flags & InodeBit.mtime) !== 0) out.time(mtime);
  if ((flags & InodeBit.birth) !== 0) out.time(birth);
  if ((flags & InodeBit.device) !== 0) {
    out.uint(i.deviceMajor);
    out.uint(i.deviceMinor);
  }
  if (special) {
    out.uint(i.change);
    out.uint(i.attributeVersion);
    out.uint(i.contentSequence);
    out.uint(i.mtimeSequence);
  }
  out.uint(i.parent);
  out.uint(i.generation);
  if (i.createVerifier !== null) out.blob(i.createVerifier);
  if (i.target !== null) out.blob(i.target);
  if (i.flags !== 0) out.uint(i.flags);
}

function flagOf(value: unknown, flag: number): number {
  return value === undefined ? 0 : flag;
}

function writeAttributes(out: ByteWriter, c: Extract<Change, { do: "setAttributes" }>): void {
  const verifier = c.createVerifier === undefined ? 0 : c.createVerifier === null ? AttributeFlag.noVerifier : AttributeFlag.verifier;
  out.uint(c.id);
  out.byte(
    flagOf(c.mode, AttributeFlag.mode) |
      flagOf(c.uid, AttributeFlag.uid) |
      flagOf(c.gid, AttributeFlag.gid) |
      flagOf(c.atime, AttributeFlag.atime) |
      flagOf(c.mtime, AttributeFlag.mtime) |
      flagOf(c.mtimeSequence, AttributeFlag.mtimeSequence) |
      verifier,
  );
  const more = flagOf(c.flags, MoreAttributes.flags) | flagOf(c.birth, MoreAttributes.birth);
  if (more !== 0) out.byte(more);
  out.time(c.at);
  if (c.mode !== undefined) out.uint(c.mode);
  if (c.uid !== undefined) out.uint(c.uid);
  if (c.gid !== undefined) out.uint(c.gid);
  if (c.atime !== undefined) out.time(c.atime as Time);
  if (c.mtime !== undefined) out.time(c.mtime as Time);
  if (c.mtimeSequence !== undefined) out.uint(c.mtimeSequence);
  if (verifier === AttributeFlag.verifier) out.blob(c.createVerifier as Uint8Array);
  if (c.flags !== undefined) {
    out.uint(c.flags.clear);
    out.uint(c.flags.set);
  }
  if (c.birth !== undefined) out.time(c.birth);
}

function writeExtents(out: ByteWriter, extents: readonly Extent[]): void {
  out.uint(extents.length);
  for (let i = 0; i < extents.length; i++) writeExtent(out, extents[i] as Extent);
}

function writeExtent(out: ByteWriter, e: Extent): void {
  out.uint(e.offset);
  out.uint(e.length);
  out.uint(e.pack);
  out.uint(e.packOffset);
}
