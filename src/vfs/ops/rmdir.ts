import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Change as StoreChange } from "#model/change-set.ts";
import type { Time } from "#base/time.ts";
import { changerOf } from "../access/permissions.ts";
import { notDirectory } from "../errors.ts";
import type { Removed } from "../file-system.ts";
import { judgeRemovedName } from "../names.ts";
import { changeOf, Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { openDirectory } from "./make.ts";
import { openRemovable } from "./remove.ts";
import { streamsGoing } from "./streams.ts";

/** What takes a directory away: all its links at once, and its row, which has no content to free. */
export function removeDirectoryChanges(child: Inode, at: Time): readonly StoreChange[] {
  return [
    { do: "addLinks", id: child.id, delta: Number.NEGATIVE_INFINITY, at },
    { do: "freeOrphan", id: child.id, extentsMax: 1 },
  ];
}

/** RMDIR (RFC 1813 §3.3.13). */
export function rmdir(share: Share, who: Credentials, directory: FileId, name: string): Promise<Removed | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const node = await openDirectory(share, who, directory);
    if (node instanceof FsError) return node;
    const refusedName = judgeRemovedName(name);
    if (refusedName !== null) return refusedName;
    const removable = await openRemovable(share, changer, node, name);
    if (removable === null || removable instanceof FsError) return removable;
    const { child } = removable;
    if (child.type !== FileType.directory) return notDirectory;
    const at = share.clock.now();
    const streams = streamsGoing(share, child, at);
    const going = streams instanceof Promise ? await streams : streams;
    const operation = new Operation(
      [
        { is: "direntRefersTo", parent: directory, name, child: child.id },
        { is: "directoryEmpty", id: child.id },
        ...going.conditions,
      ],
      [
        ...going.changes,
        { do: "deleteDirent", parent: directory, name },
        ...removeDirectoryChanges(child, at),
        { do: "touchDirectory", id: directory, at, linksDelta: -1 },
      ],
    );
    const touched = await share.apply(changer, operation, attempt);
    if (touched === null || touched instanceof FsError) return touched;
    return { directory: changeOf(share, touched, directory) };
  });
}
