import { timeAfter } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { dropsPrivileges, withoutPrivileges } from "../access/attributes.ts";
import { type Changer, changerOf, contentPermissions, Permission } from "../access/permissions.ts";
import { denied, stale } from "../errors.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { beforeContent } from "./opened.ts";
import { refuseType } from "./read.ts";

/** Why `who` may not change the content of this object, or null. */
export function refuseChange(inode: Inode, who: Changer): FsError | null {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  return (contentPermissions(inode, who) & Permission.write) === 0 ? denied : null;
}

/** Takes setuid and setgid from a file whose content `who` is about to change. */
export function dropPrivileges(share: Share, who: Changer, id: FileId): Promise<true | FsError> {
  return untilApplied<true>(async (attempt) => {
    const inode = await share.inodes.load(id);
    if (inode === null) return stale;
    if (!dropsPrivileges(inode, who)) return true;
    const operation = new Operation(
      [
        { is: "live", id },
        { is: "attributeVersion", id, version: inode.attributeVersion },
      ],
      [{ do: "setAttributes", id, at: timeAfter(inode.ctime, share.clock.now()), mode: withoutPrivileges(inode.mode) }],
    );
    const applied = await share.apply(who, operation, attempt);
    if (applied === null || applied instanceof FsError) return applied;
    return true;
  });
}

/** How often a file that changes under an operation is looked at again. */
const triesMax = 8;

/**
 * Has `change` change a file's content, with its current inode: whether the caller may, and whether nobody minds, was found out in the
 * same turn. What has to be waited for first (others' caches, setuid that goes) is, and everything is looked at anew.
 */
export async function changeContent(
  share: Share,
  who: Credentials,
  id: FileId,
  by: OpenFile | null,
  refuse: (inode: Inode) => FsError | null,
  change: (changer: Changer, inode: Inode) => Inode | FsError,
): Promise<{ readonly before: Inode; readonly after: Inode } | FsError> {
  for (let tries = 0; tries < triesMax; tries++) {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    if (share.inodes.hit(id) === null && (await share.inodes.load(id)) === null) return stale;
    const inode = share.inodes.hit(id);
    if (inode === null) continue;
    const refused = refuseChange(inode, changer) ?? refuse(inode);
    if (refused !== null) return refused;
    const held = share.opens.size === 0 ? null : beforeContent(share, id, by);
    if (held !== null) {
      const refusal = await held;
      if (refusal !== null) return refusal;
      continue;
    }
    if (dropsPrivileges(inode, changer)) {
      const dropped = await dropPrivileges(share, changer, id);
      if (dropped instanceof FsError) return dropped;
      continue;
    }
    const changed = change(changer, inode);
    if (changed instanceof FsError) return changed;
    share.inodes.replace(changed);
    return { before: inode, after: changed };
  }
  return FsError.of("jukebox");
}
