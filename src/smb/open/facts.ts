import { FileType, type Inode } from "#model/inode.ts";
import { FileAttribute, type FileFacts } from "#wire/fscc.ts";

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
    changeTime: inode.ctime,
    attributes: attributesOf(inode),
    allocationBytes: directory ? 0 : Math.ceil(inode.size / clusterBytes) * clusterBytes,
    endOfFile: directory ? 0 : inode.size,
    links: directory ? 1 : inode.links,
    directory,
  };
}

function attributesOf(inode: Inode): number {
  if (inode.type === FileType.directory) return FileAttribute.DIRECTORY;
  if (inode.type === FileType.symlink) return FileAttribute.REPARSE_POINT;
  return FileAttribute.ARCHIVE;
}
