import { createHash } from "node:crypto";
import type { Maybe } from "#base/brand.ts";
import { AccessLevel } from "#model/identity.ts";
import { FsError } from "#model/fs-error.ts";
import { nameBytesMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { FileSystem, SpaceUsage } from "#vfs/file-system.ts";
import { after } from "#vfs/maybe.ts";
import { encodeFileTime } from "#wire/filetime.ts";
import { encodeCountedName, FsAttribute, FsInfo } from "#wire/fscc.ts";
import type { LeWriter } from "#wire/le.ts";
import { clusterBytes } from "../open/facts.ts";
import { ntStatusOf } from "../status.ts";
import type { Tree } from "../tree/tree.ts";

const sectorBytes = 512;
/** FILE_DEVICE_DISK, and that it is mounted (MS-FSCC 2.5.10). */
const deviceDisk = 7;
const deviceMounted = 0x20;
/** Where sectors and partitions begin is no matter here, no head has to seek, and trimmed ranges are given back (MS-FSCC 2.5.8). */
const sectorFlags = 0xf;

/** A share as the classes of volume information see it. */
export interface VolumeQuery {
  readonly tree: Tree;
  readonly root: Inode;
  readonly usage: SpaceUsage;
}

/** A class of volume information (MS-FSCC 2.5). */
export interface VolumeClass {
  /** Less room is refused; what is longer is cut. */
  readonly fixedBytes: number;
  write(w: LeWriter, query: VolumeQuery): void;
}

/** The class of this number; undefined: there is none that can be asked for. */
export function volumeClassOf(infoClass: number): VolumeClass | undefined {
  return classes[infoClass];
}

/** What there is to know of the share, or a status. */
export function volumeOf(tree: Tree): Maybe<VolumeQuery | number> {
  const fs = tree.fs!;
  return after(fs.root(), (root) => after(fs.usage(), (usage) => (usage instanceof FsError ? ntStatusOf(usage) : { tree, root, usage })));
}

const classes: Readonly<Record<number, VolumeClass>> = {
  [FsInfo.Volume]: { fixedBytes: 24, write: writeVolume },
  [FsInfo.Size]: { fixedBytes: 24, write: writeSize },
  [FsInfo.Device]: { fixedBytes: 8, write: writeDevice },
  [FsInfo.Attribute]: { fixedBytes: 16, write: writeAttributes },
  [FsInfo.Control]: { fixedBytes: 48, write: writeControl },
  [FsInfo.FullSize]: { fixedBytes: 32, write: writeFullSize },
  [FsInfo.ObjectId]: { fixedBytes: 64, write: writeObjectId },
  [FsInfo.SectorSize]: { fixedBytes: 28, write: writeSectorSize },
};

/** The serial number is the same as long as the share is, wherever it is served. */
function writeVolume(w: LeWriter, { tree, root }: VolumeQuery): void {
  const label = tree.fs!.name.slice(1);
  w.reserve(18);
  encodeFileTime(w, root.birth);
  w.u32(identityOf(tree.fs!, root).readInt32LE(0));
  w.u32(label.length * 2);
  w.u16(0);
  w.utf16(label);
}

const identities = new WeakMap<FileSystem, Buffer>();

/** A number of the share's own, from a root handle that only its stores could make and that it does not give away. */
function identityOf(fs: FileSystem, root: Inode): Buffer {
  let identity = identities.get(fs);
  if (identity === undefined) {
    identity = createHash("sha256").update("dittofs volume\n").update(fs.handleOf(root)).digest();
    identities.set(fs, identity);
  }
  return identity;
}

/** 8 bytes that tell the share from all others; they begin with its serial number. */
export function volumeIdOf(fs: FileSystem, root: Inode): Buffer {
  return identityOf(fs, root).subarray(0, 8);
}

function writeSize(w: LeWriter, { usage }: VolumeQuery): void {
  w.u64(clusters(usage.totalBytes));
  w.u64(clusters(usage.availableBytes));
  w.u32(clusterBytes / sectorBytes);
  w.u32(sectorBytes);
}

function writeFullSize(w: LeWriter, { usage }: VolumeQuery): void {
  w.u64(clusters(usage.totalBytes));
  w.u64(clusters(usage.availableBytes));
  w.u64(clusters(usage.freeBytes));
  w.u32(clusterBytes / sectorBytes);
  w.u32(sectorBytes);
}

function clusters(bytes: number): number {
  return Math.floor(bytes / clusterBytes);
}

function writeDevice(w: LeWriter): void {
  w.u32(deviceDisk);
  w.u32(deviceMounted);
}

/** What clients count on: names keep their case and are found in any; that case could be told apart is what NTFS says too. */
const attributes =
  FsAttribute.CASE_SENSITIVE_SEARCH |
  FsAttribute.CASE_PRESERVED_NAMES |
  FsAttribute.UNICODE_ON_DISK |
  FsAttribute.PERSISTENT_ACLS |
  FsAttribute.SUPPORTS_SPARSE_FILES |
  FsAttribute.SUPPORTS_REPARSE_POINTS |
  FsAttribute.NAMED_STREAMS |
  FsAttribute.SUPPORTS_HARD_LINKS |
  FsAttribute.SUPPORTS_EXTENDED_ATTRIBUTES |
  FsAttribute.SUPPORTS_BLOCK_REFCOUNTING;

function writeAttributes(w: LeWriter, { tree }: VolumeQuery): void {
  const readOnly = tree.fs!.policy.readOnly || tree.credentials().access === AccessLevel.read;
  w.u32(attributes | (readOnly ? FsAttribute.READ_ONLY_VOLUME : 0));
  w.u32(nameBytesMax);
  // Clients ask for what NTFS can do by its name.
  encodeCountedName(w, "NTFS");
}

/** No content index, and no quotas: their limits are "none" (MS-FSCC 2.5.2). */
function writeControl(w: LeWriter): void {
  w.zeros(24);
  for (let i = 0; i < 4; i++) w.u32(-1);
  w.zeros(8);
}

/** The share's object id as a volume: 16 bytes. */
export function volumeObjectIdOf(fs: FileSystem, root: Inode): Uint8Array {
  return identityOf(fs, root).subarray(16, 32);
}

function writeObjectId(w: LeWriter, { tree, root }: VolumeQuery): void {
  w.raw(volumeObjectIdOf(tree.fs!, root));
  w.reserve(48);
  w.zeros(48);
}

function writeSectorSize(w: LeWriter): void {
  w.u32(sectorBytes);
  for (let i = 0; i < 3; i++) w.u32(clusterBytes);
  w.u32(sectorFlags);
  w.u32(0);
  w.u32(0);
}
