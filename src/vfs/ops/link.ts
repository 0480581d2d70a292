import { timeAfter } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, linksMax } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { changerOf, EntryChange } from "../access/permissions.ts";
import { nobody } from "../cache/node.ts";
import { exists, notPermitted, stale, tooManyLinks } from "../errors.ts";
import type { Linked } from "../file-system.ts";
import { judgeNewName } from "../names.ts";
import { changeOf, madeBy, Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { openDirectory, refuseChange } from "./make.ts";

/** LINK (RFC 1813 §3.3.15). A directory has one name; who asks for another gets PERM, as from Linux. */
export function link(share: Share, who: Credentials, id: FileId, directory: FileId, name: string): Promise<Linked | FsError> {
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
    if (entry.id !== nobody) return exists;
    if (node.inode === null) return null;
    const refused = refuseChange(node.inode, changer, EntryChange.addFile);
    if (refused !== null) return refused;
    if (inode.type === FileType.directory) return notPermitted;
    if (inode.links >= linksMax) return tooManyLinks;
    const at = share.clock.now();
    const operation = new Operation(
      [
        { is: "live", id },
        { is: "live", id: directory },
        { is: "direntAbsent", parent: directory, name },
      ],
      [
        { do: "insertDirent", parent: directory, name, child: id },
        { do: "addLinks", id, delta: 1, at: timeAfter(inode.ctime, at) },
        { do: "touchDirectory", id: directory, at, linksDelta: 0 },
      ],
      id,
    );
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { inode: operation.after ?? madeBy(share, touched, id) ?? inode, directory: changeOf(share, touched, directory) };
  });
}
