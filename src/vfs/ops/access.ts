import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { accessBits } from "../access/permissions.ts";
import { stale } from "../errors.ts";
import { Access } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";

export interface Granted {
  readonly inode: Inode;
  readonly granted: number;
}

const changing = Access.modify | Access.extend | Access.delete;

/** ACCESS (RFC 1813 §3.3.4), from the permission bits every operation decides by. */
export function access(share: Share, who: Credentials, id: FileId, wanted: number): Maybe<Granted | FsError> {
  const inode = share.inodes.hit(id);
  return inode !== null ? grant(share, who, inode, wanted) : accessUncached(share, who, id, wanted);
}

function accessUncached(share: Share, who: Credentials, id: FileId, wanted: number): Maybe<Granted | FsError> {
  return after(share.inodes.load(id), (inode) => (inode === null ? stale : grant(share, who, inode, wanted)));
}

function grant(share: Share, who: Credentials, inode: Inode, wanted: number): Granted {
  let granted = accessBits(inode, who) & wanted;
  // Writing to a device, FIFO or socket happens on the client's machine and changes nothing here.
  if (share.policy.readOnly && inode.type <= FileType.directory) granted &= ~changing;
  return { inode, granted };
}
