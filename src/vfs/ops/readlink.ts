import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { refuseReader } from "../access/permissions.ts";
import { invalid, stale } from "../errors.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";

export interface Link {
  readonly inode: Inode;
  readonly target: Uint8Array;
}

/** READLINK (RFC 1813 §3.3.5). The mode of a symbolic link means nothing: whoever may read in the share may read it. */
export function readlink(share: Share, who: Credentials, id: FileId): Maybe<Link | FsError> {
  const refused = refuseReader(who);
  if (refused !== null) return refused;
  return after(share.inodes.load(id), (inode) => {
    if (inode === null) return stale;
    if (inode.type !== FileType.symlink || inode.target === null) return invalid;
    return { inode: noteRead(share, inode), target: inode.target };
  });
}

/** The inode with the access time of a read now. */
export function noteRead(share: Share, inode: Inode): Inode {
  if (share.policy.readOnly) return inode;
  const read = share.accessTimes.read(inode);
  // What had to be waited for may be older than what is cached by now.
  if (read !== inode && share.inodes.hit(inode.id) === inode) share.inodes.replace(read);
  return read;
}
