import type { Maybe } from "#base/brand.ts";
import { InvariantError } from "#base/assert.ts";
import type { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { stale } from "../errors.ts";
import type { Share } from "../share.ts";

/** GETATTR (RFC 1813 §3.3.1): needs no permission. */
export function getattr(share: Share, id: FileId): Maybe<Inode | FsError> {
  const inode = share.inodes.load(id);
  return inode instanceof Promise ? inode.then(orStale) : orStale(inode);
}

/** The root directory, which is always there. */
export function root(share: Share): Maybe<Inode> {
  const inode = share.inodes.load(rootId);
  return inode instanceof Promise ? inode.then((loaded) => orBug(share, loaded)) : orBug(share, inode);
}

function orStale(inode: Inode | null): Inode | FsError {
  return inode ?? stale;
}

function orBug(share: Share, inode: Inode | null): Inode {
  if (inode === null) throw new InvariantError(`share ${share.name} has no root directory`);
  return inode;
}
