import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { ContentRead } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { contentPermissions, Permission } from "../access/permissions.ts";
import { denied, invalid, isDirectory, locked, stale } from "../errors.ts";
import type { ReadResult } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { beforeRead } from "./opened.ts";
import { noteRead } from "./readlink.ts";

/** Why the content of this object can't be used at all, or null. */
export function refuseType(inode: Inode): FsError | null {
  if (inode.type === FileType.regular) return null;
  return inode.type === FileType.directory ? isDirectory : invalid;
}

/** READ (RFC 1813 §3.3.6). */
export function read(share: Share, who: Credentials, id: FileId, offset: number, length: number, by: OpenFile | null): Maybe<ReadResult | FsError> {
  const held = share.opens.size === 0 ? null : beforeRead(share, id, by);
  if (held !== null) return after(held, (refused) => refused ?? read(share, who, id, offset, length, by));
  const inode = share.inodes.hit(id);
  return inode !== null ? readFrom(share, who, inode, offset, length, by) : readUncached(share, who, id, offset, length, by);
}

function readUncached(share: Share, who: Credentials, id: FileId, offset: number, length: number, by: OpenFile | null): Maybe<ReadResult | FsError> {
  return after(share.inodes.load(id), (inode) => (inode === null ? stale : readFrom(share, who, inode, offset, length, by)));
}

function readFrom(share: Share, who: Credentials, inode: Inode, offset: number, length: number, by: OpenFile | null): Maybe<ReadResult | FsError> {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  if ((contentPermissions(inode, who) & Permission.read) === 0) return denied;
  if (!(offset >= 0 && offset <= fileSizeMax && length >= 0 && length <= fileSizeMax)) return invalid;
  // A range that ends past the largest size ends past the end of any file: nothing is there to read.
  const bounded = Math.min(length, fileSizeMax - offset);
  if (share.locks.held !== 0 && share.locks.bars(inode.id, by, offset, bounded, false)) return locked;
  const data = share.content.read(inode, offset, bounded);
  if (data instanceof Promise) return readLater(share, inode, data);
  return data instanceof FsError ? data : { inode: noteRead(share, inode), data };
}

async function readLater(share: Share, inode: Inode, reading: Promise<ContentRead | FsError>): Promise<ReadResult | FsError> {
  const data = await reading;
  if (data instanceof FsError) return data;
  const current = share.inodes.hit(inode.id);
  if (current !== null) return { inode: noteRead(share, current), data };
  // Deleted while it was read, or only out of the cache.
  let loaded: Inode | null = null;
  try {
    loaded = await share.inodes.load(inode.id);
  } finally {
    if (loaded === null) data.release();
  }
  return loaded === null ? stale : { inode: noteRead(share, loaded), data };
}
