import { timeAfter } from "#base/time.ts";
import type { Change as StoreChange } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, linksMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { changerOf, EntryChange } from "../access/permissions.ts";
import { nobody } from "../cache/node.ts";
import { exists, isDirectory, noEntry, notPermitted, stale, tooManyLinks } from "../errors.ts";
import type { Linked } from "../file-system.ts";
import { judgeNewName } from "../names.ts";
import { changeOf, madeBy, Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { openDirectory, refuseChange } from "./make.ts";
import { beforeName } from "./opened.ts";
import { openRemovable, removing, unlinkChanges } from "./remove.ts";
import { nothingGoes, streamsGoing } from "./streams.ts";

/**
 * LINK (RFC 1813 §3.3.15). A directory has one name; who asks for another gets PERM, as from Linux. `replaces`: a file that has the name
 * loses it in the same set, so that a link that can't be made costs nothing.
 */
export function link(share: Share, who: Credentials, id: FileId, directory: FileId, name: string, replaces: boolean): Promise<Linked | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const node = await openDirectory(share, who, directory);
    if (node instanceof FsError) return node;
    const refusedName = judgeNewName(name);
    if (refusedName !== null) return refusedName;
    const entry = await share.names.load(node, name);
    const inode = await share.inodes.load(id);
    if (inode === null) return stale;
    // It lost its last name, and goes with its last open.
    if (inode.links === 0) return noEntry;
    if (entry.id !== nobody && !replaces) return exists;
    if (node.inode === null) return null;
    const refused = refuseChange(node.inode, changer, EntryChange.addFile);
    if (refused !== null) return refused;
    if (inode.type === FileType.directory) return notPermitted;
    if (inode.links >= linksMax) return tooManyLinks;
    let target: Inode | null = null;
    if (entry.id !== nobody) {
      const removable = await openRemovable(share, changer, node, name, null);
      if (removable === null || removable instanceof FsError) return removable;
      target = removable.child;
      if (target.id === id) return exists;
      if (target.type === FileType.directory) return isDirectory;
    }
    const going = target === null ? nothingGoes : await streamsGoing(share, target);
    // Asked last: what follows is done in the turn of the answer.
    const held = target === null ? null : beforeName(share, target.id, null);
    if (held !== null) return held;
    const at = share.clock.now();
    const unlinked: readonly StoreChange[] = target === null ? [] : [{ do: "deleteDirent", parent: directory, name }, ...unlinkChanges(share, target, at)];
    const operation = new Operation(
      [
        { is: "live", id },
        { is: "live", id: directory },
        target === null ? { is: "direntAbsent", parent: directory, name } : { is: "direntRefersTo", parent: directory, name, child: target.id },
        ...going.conditions,
      ],
      [
        ...unlinked,
        { do: "insertDirent", parent: directory, name, child: id },
        { do: "addLinks", id, delta: 1, at: timeAfter(inode.ctime, at) },
        { do: "touchDirectory", id: directory, at, linksDelta: 0 },
        ...going.changes,
      ],
      id,
    );
    const applied = share.apply(changer, operation, attempt);
    const touched = await (target === null ? applied : removing(share, target.id, applied));
    if (touched === null || touched instanceof FsError) return touched;
    return { inode: operation.after ?? madeBy(share, touched, id) ?? inode, directory: changeOf(share, touched, directory) };
  });
}
