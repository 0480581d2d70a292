import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import type { Open } from "../open/open.ts";

/** Bytes of one step of a copy: what a step copies and does not share takes memory and time of others. */
const stepBytes = 16 * 2 ** 20;

/**
 * What macOS means by a SRV_COPYCHUNK without chunks: the whole file, its streams and extended attributes, in place of what the target
 * has; times and mode it sets itself. The bytes of content copied.
 */
export async function copyFile(source: Open, target: Open, who: Credentials): Promise<number | FsError> {
  const fs = source.tree.fs!;
  const inode = await fs.getattr(source.ownerId);
  if (inode instanceof FsError) return inode;
  const content = await fs.getattr(source.id);
  if (content instanceof FsError) return content;
  // Two names of one file, say: to empty the target first would leave nothing to copy.
  if (source.id === target.id) return content.size;
  const copied = await copyContent(fs, who, content, target.id, { source: source.file, target: target.file });
  if (copied !== null) return copied;
  if (source.ownerId !== source.id || target.ownerId !== target.id) return content.size;
  return (await copyStreams(fs, who, inode, target.ownerId)) ?? (await copyEas(fs, who, inode, target.ownerId)) ?? content.size;
}

async function copyContent(fs: FileSystem, who: Credentials, source: Inode, target: FileId, by: { readonly source: Open["file"]; readonly target: Open["file"] }): Promise<FsError | null> {
  const emptied = await fs.setattr(who, target, { size: 0 }, null, by.target);
  if (emptied instanceof FsError) return emptied;
  for (let offset = 0; offset < source.size; offset += stepBytes) {
    const length = Math.min(stepBytes, source.size - offset);
    const failed = await fs.copy(who, { source: source.id, sourceOffset: offset, target, targetOffset: offset, length, by, obeysLocks: true });
    if (failed !== null) return failed;
  }
  return null;
}

async function copyStreams(fs: FileSystem, who: Credentials, source: Inode, target: FileId): Promise<FsError | null> {
  if ((source.flags & InodeFlag.hasStreams) === 0) return null;
  const streams = await fs.streams(who, source.id);
  if (streams instanceof FsError) return streams;
  for (const { name, inode } of streams) {
    const made = await fs.makeStream(who, target, name);
    const stream = made instanceof FsError && made.code === "exists" ? await fs.openStream(who, target, name) : made;
    if (stream instanceof FsError) return stream;
    const failed = await copyContent(fs, who, inode, stream.inode.id, { source: null, target: null });
    if (failed !== null) return failed;
  }
  return null;
}

async function copyEas(fs: FileSystem, who: Credentials, source: Inode, target: FileId): Promise<FsError | null> {
  if ((source.flags & InodeFlag.hasEas) === 0) return null;
  const eas = await fs.xattr(who, source.id, XattrName.ea);
  if (eas === null || eas instanceof FsError) return eas;
  const set = await fs.setXattr(who, target, XattrName.ea, eas);
  return set instanceof FsError ? set : null;
}
