import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import type { AppleFacts } from "#wire/fscc-directory.ts";
import { maximalAccess } from "../security/granted.ts";
import type { Tree } from "../tree/tree.ts";
import { AppleStream, appleStream, finderInfoAt, finderInfoBytes, isHollow } from "./afp-streams.ts";

/** Finder counts seconds from 2000-01-01. */
const finderEpochSec = 946_684_800;
/** Bytes of Finder's information in a listing. */
const listedBytes = 16;

/** Type bits of a mode, by the type of an object. */
const typeBits: Readonly<Record<FileType, number>> = {
  [FileType.regular]: 0o100000,
  [FileType.directory]: 0o040000,
  [FileType.block]: 0o060000,
  [FileType.character]: 0o020000,
  [FileType.symlink]: 0o120000,
  [FileType.socket]: 0o140000,
  [FileType.fifo]: 0o010000,
};

/** Mode as Unix has it, with the type of the object. */
export function modeBits(inode: Inode): number {
  return typeBits[inode.type] | inode.mode;
}

/** Whether what Finder shows of an object lies in streams. */
export function needsStreams(inode: Inode): boolean {
  return (inode.flags & InodeFlag.hasStreams) !== 0;
}

/** What a listing for macOS tells of an entry of `directory`, streams left out. */
export function appleFacts(tree: Tree, directory: Inode, inode: Inode): AppleFacts {
  return {
    maximalAccess: maximalAccess(tree.fs!, tree.credentials(), directory, inode),
    resourceForkBytes: 0,
    finderInfo: listed(null, inode),
    mode: modeBits(inode),
  };
}

/** The same with what its streams say; one that goes meanwhile counts as none. */
export async function appleFactsWithStreams(tree: Tree, directory: Inode, inode: Inode): Promise<AppleFacts> {
  const plain = appleFacts(tree, directory, inode);
  const fs = tree.fs!;
  const who = tree.credentials();
  const streams = await fs.streams(who, inode.id);
  if (streams instanceof FsError) return plain;
  const resource = streams.find(({ name }) => appleStream(name) === AppleStream.resource);
  const info = streams.find(({ name, inode }) => appleStream(name) === AppleStream.info && !isHollow(name, inode, true));
  const finder = info === undefined ? null : await readFinderInfo(tree, info.inode);
  return { ...plain, resourceForkBytes: resource?.inode.size ?? 0, finderInfo: listed(finder, inode) };
}

async function readFinderInfo(tree: Tree, stream: Inode): Promise<Buffer | null> {
  const read = await tree.fs!.read(tree.credentials(), stream.id, finderInfoAt, finderInfoBytes);
  if (read instanceof FsError) return null;
  const bytes = Buffer.concat(read.data.slices.map((slice) => Buffer.from(slice)));
  read.data.release();
  return bytes.length === finderInfoBytes ? bytes : null;
}

/** Type 4, creator 4 (of files), flags 2, further flags 2, when it was added 4, as Finder wants them in a listing. */
function listed(finder: Buffer | null, inode: Inode): Uint8Array {
  const bytes = new Uint8Array(listedBytes);
  const added = inode.birth.sec - finderEpochSec;
  new DataView(bytes.buffer).setInt32(12, Math.max(-0x80000000, Math.min(0x7fffffff, added)));
  if (finder === null) return bytes;
  if (inode.type === FileType.regular) bytes.set(finder.subarray(0, 8), 0);
  bytes.set(finder.subarray(8, 10), 8);
  bytes.set(finder.subarray(24, 26), 10);
  return bytes;
}
