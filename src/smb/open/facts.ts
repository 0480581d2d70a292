import type { Time } from "#base/time.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import { FileAttribute, type FileFacts } from "#wire/fscc.ts";

/** IO_REPARSE_TAG_SYMLINK (MS-FSCC 2.1.2.1). */
const symlinkTag = 0xa000000c;
/** Allocation is told in units of this. */
export const clusterBytes = 4096;

/** An inode as SMB describes files. */
export function factsOf(inode: Inode): FileFacts {
  const directory = inode.type === FileType.directory;
  return {
    id: inode.id,
    creationTime: inode.birth,
    accessTime: inode.atime,
    writeTime: inode.mtime,
    changeTime: changeTimeOf(inode),
    attributes: attributesOf(inode),
    allocationBytes: directory ? 0 : allocationOf(inode),
    endOfFile: directory ? 0 : inode.size,
    links: directory ? 1 : inode.links,
    directory,
    reparseTag: inode.type === FileType.symlink ? symlinkTag : 0,
  };
}

/** When the object last changed, or what a client had told in place of that. */
function changeTimeOf({ ctime, changeTime }: Inode): Time {
  return changeTime !== undefined && changeTime.ctime.equals(ctime) ? changeTime.told : ctime;
}

/** Bytes a file takes, in whole clusters: of a sparse one what is stored, of others all up to their end. */
export function allocationOf(inode: Inode): number {
  const bytes = (inode.flags & FileAttribute.SPARSE_FILE) === 0 ? inode.size : inode.used;
  return Math.ceil(bytes / clusterBytes) * clusterBytes;
}

/** File attributes as they are shown: those that were set, or what a file is without having been given any. */
export function attributesOf(inode: Inode): number {
  const { flags, type } = inode;
  let attributes = flags & InodeFlag.dosMask;
  if (type === FileType.directory) attributes |= FileAttribute.DIRECTORY;
  else if ((flags & InodeFlag.dosSet) === 0) attributes |= FileAttribute.ARCHIVE;
  if (type === FileType.symlink || (flags & InodeFlag.reparse) !== 0) attributes |= FileAttribute.REPARSE_POINT;
  return attributes === 0 ? FileAttribute.NORMAL : attributes;
}

/** What a stream is described by: its own size, everything else its owner's; it is no directory, whatever that is. */
export function streamFacts(owner: Inode, stream: Inode): FileFacts {
  const facts = factsOf(owner);
  const attributes = facts.attributes & ~FileAttribute.DIRECTORY;
  return {
    ...facts,
    attributes: attributes === 0 ? FileAttribute.NORMAL : attributes,
    allocationBytes: allocationOf(stream),
    endOfFile: stream.size,
    directory: false,
  };
}
