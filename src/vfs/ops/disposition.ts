import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Cookie } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { notEmpty, stale } from "../errors.ts";
import { after } from "../maybe.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { beforeName } from "./opened.ts";

const cannotDelete = FsError.of("cannotDelete");

/** Has the name of an open file go with its last close, or not after all (MS-FSA 2.1.5.15.3). */
export function setDeletion(share: Share, open: OpenFile, wanted: boolean): Maybe<FsError | null> {
  const { file, place, who } = open;
  if (!wanted) {
    file.deletion = null;
    open.deleteOnClose = false;
    return null;
  }
  if (place === null) return cannotDelete;
  if (file.deletion !== null) return null;
  const held = beforeName(share, file.id, open);
  if (held !== null) return after(held, (refused) => refused ?? setDeletion(share, open, wanted));
  return after(refuseDeletion(share, open), (refused) => {
    if (refused !== null) return refused;
    if (!open.closed) file.deletion = { place: open.place ?? place, who };
    if (share.notify.size !== 0) share.notify.removing(file.id);
    return null;
  });
}

/** Why the object can't be deleted, as far as that is known before its last close. */
function refuseDeletion(share: Share, open: OpenFile): Maybe<FsError | null> {
  return after(share.inodes.load(open.file.id), (inode) => {
    if (inode === null) return stale;
    if (inode.type !== FileType.directory) return null;
    return after(share.store.directory(inode.id, 0 as Cookie, 1), (entries) => (entries.length === 0 ? null : notEmpty));
  });
}
