import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Change as StoreChange } from "#model/change-set.ts";
import type { Time } from "#base/time.ts";
import { changerOf } from "../access/permissions.ts";
import { noEntry, notDirectory } from "../errors.ts";
import type { Removed } from "../file-system.ts";
import { judgeRemovedName } from "../names.ts";
import { changeOf, Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { openDirectory } from "./make.ts";
import { beforeName, beforeStreams } from "./opened.ts";
import { openRemovable, removing } from "./remove.ts";
import { streamsGoing } from "./streams.ts";

/** What takes a directory away: all its links at once, and its row, which has no content to free. */
export function removeDirectoryChanges(share: Share, child: Inode, at: Time): readonly StoreChange[] {
  const unlinked: StoreChange = { do: "addLinks", id: child.id, delta: Number.NEGATIVE_INFINITY, at };
  return share.opens.of(child.id) !== null ? [unlinked] : [unlinked, { do: "freeOrphan", id: child.id, extentsMax: 1 }];
}

/** RMDIR (RFC 1813 §3.3.13). `of` as in REMOVE. */
export function rmdir(share: Share, who: Credentials, directory: FileId, name: string, of: FileId | null): Promise<Removed | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const node = await (of === null ? openDirectory(share, who, directory) : share.inodes.loadNode(directory));
    if (node === null) return noEntry;
    if (node instanceof FsError) return node;
    const refusedName = judgeRemovedName(name);
    if (refusedName !== null) return refusedName;
    const removable = await openRemovable(share, changer, node, name, of);
    if (removable === null || removable instanceof FsError) return removable;
    const { child } = removable;
    if (child.type !== FileType.directory) return notDirectory;
    const at = share.clock.now();
    const streams = streamsGoing(share, child);
    const going = streams instanceof Promise ? await streams : streams;
    const held = of === null ? (beforeName(share, child.id, null) ?? beforeStreams(share, going)) : child.id === of ? null : noEntry;
    if (held !== null) return held;
    const operation = new Operation(
      [
        { is: "direntRefersTo", parent: directory, name, child: child.id },
        { is: "directoryEmpty", id: child.id },
        ...going.conditions,
      ],
      [
        { do: "deleteDirent", parent: directory, name },
        ...removeDirectoryChanges(share, child, at),
        { do: "touchDirectory", id: directory, at, linksDelta: -1 },
        ...going.changes,
      ],
    );
    const touched = await removing(share, child.id, share.apply(changer, operation, attempt));
    if (touched === null || touched instanceof FsError) return touched;
    return { directory: changeOf(share, touched, directory) };
  });
}
