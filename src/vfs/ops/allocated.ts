import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { ByteRange } from "#model/file-content.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { contentPermissions, Permission } from "../access/permissions.ts";
import { denied, invalid, stale } from "../errors.ts";
import type { AllocatedRanges } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";
import { refuseType } from "./read.ts";

/** Which parts of `offset`..`offset + length` hold bytes: the first `limit` ranges, cut at the file's end. What lies between them reads as zeros. */
export function allocated(share: Share, who: Credentials, id: FileId, offset: number, length: number, limit: number): Maybe<AllocatedRanges | FsError> {
  const inode = share.inodes.hit(id) ?? share.inodes.load(id);
  return after(inode, (found) => (found === null ? stale : of(share, who, found, offset, length, limit)));
}

function of(share: Share, who: Credentials, inode: Inode, offset: number, length: number, limit: number): Maybe<AllocatedRanges | FsError> {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  if ((contentPermissions(inode, who) & Permission.read) === 0) return denied;
  if (!(offset >= 0 && length >= 0 && limit > 0)) return invalid;
  const end = Math.min(offset + length, inode.size);
  if (offset >= end) return { inode, ranges: [] };
  return after(share.content.allocated(inode, offset, end, limit), (ranges: readonly ByteRange[]) => ({ inode, ranges }));
}
