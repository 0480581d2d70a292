import type { Maybe } from "#base/brand.ts";
import { InvariantError } from "#base/assert.ts";
import type { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { stale } from "../errors.ts";
import { after } from "../maybe.ts";
import type { Share } from "../share.ts";

/** GETATTR (RFC 1813 §3.3.1): needs no permission. */
export function getattr(share: Share, id: FileId): Maybe<Inode | FsError> {
  return after(share.inodes.load(id), (inode) => inode ?? stale);
}

/** The root directory, which is always there. */
export function root(share: Share): Maybe<Inode> {
  return after(share.inodes.load(rootId), (inode) => {
    if (inode === null) throw new InvariantError(`share ${share.name} has no root directory`);
    return inode;
  });
}
