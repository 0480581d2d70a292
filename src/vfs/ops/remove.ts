import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Change as StoreChange, Condition } from "#model/change-set.ts";
import { timeAfter, type Time } from "#base/time.ts";
import { type Changer, changerOf, EntryChange, mayRemove } from "../access/permissions.ts";
import { type Node, nobody } from "../cache/node.ts";
import { isDirectory, noEntry, notDirectory, notPermitted } from "../errors.ts";
import type { Removed } from "../file-system.ts";
import { judgeRemovedName } from "../names.ts";
import { changeOf, Operation, untilApplied } from "../operation.ts";
import { extentsFreedMax } from "../orphans.ts";
import type { Share } from "../share.ts";
import { loadEntry } from "./lookup.ts";
import { openDirectory, refuseChange } from "./make.ts";
import { beforeName, beforeStreams } from "./opened.ts";
import { streamsGoing } from "./streams.ts";

/** An entry that may be removed. */
export interface Removable {
  readonly directory: Inode;
  readonly child: Inode;
}

/**
 * The entry `name`, if `who` may remove it; null: decide anew. `judged`: the object whose removal was judged already, when it was opened
 * for deletion; null: none was.
 */
export async function openRemovable(share: Share, who: Changer, node: Node, name: string, judged: FileId | null): Promise<Removable | FsError | null> {
  const entry = await share.names.load(node, name);
  if (entry.id === nobody) return noEntry;
  const child = await loadEntry(share, entry);
  const directory = node.inode;
  if (child === null || directory === null) return null;
  if (child.id === judged || mayRemove(directory, child, who)) return { directory, child };
  return refuseChange(directory, who, EntryChange.remove) ?? notPermitted;
}

/** What takes one link from a file, and frees it at once with the last where it isn't long. */
export function unlinkChanges(share: Share, child: Inode, at: Time): readonly StoreChange[] {
  const unlinked: StoreChange = { do: "addLinks", id: child.id, delta: -1, at: timeAfter(child.ctime, at) };
  // Who has it open goes on reading it.
  if (share.opens.of(child.id) !== null) return [unlinked];
  return [unlinked, { do: "freeOrphan", id: child.id, extentsMax: extentsFreedMax }];
}

/** A set that takes a name away, while nobody opens the object. */
export async function removing<T>(share: Share, id: FileId, applied: Promise<T>): Promise<T> {
  share.opens.beginRemoving(id);
  try {
    return await applied;
  } finally {
    share.opens.endRemoving(id);
  }
}

/** What takes a directory away: all its links at once, and its row, which has no content to free. */
export function removeDirectoryChanges(share: Share, child: Inode, at: Time): readonly StoreChange[] {
  const unlinked: StoreChange = { do: "addLinks", id: child.id, delta: Number.NEGATIVE_INFINITY, at };
  return share.opens.of(child.id) !== null ? [unlinked] : [unlinked, { do: "freeOrphan", id: child.id, extentsMax: 1 }];
}

/** What the removal of an object is besides that of its name. */
interface Removal {
  readonly of: (child: Inode) => FsError | null;
  readonly conditions: (child: Inode) => readonly Condition[];
  readonly changes: (share: Share, child: Inode, at: Time) => readonly StoreChange[];
  /** The links its directory gains. */
  readonly linksDelta: number;
}

const ofFile: Removal = {
  of: ({ type }) => (type === FileType.directory ? isDirectory : null),
  conditions: () => [],
  changes: unlinkChanges,
  linksDelta: 0,
};

const ofDirectory: Removal = {
  of: ({ type }) => (type === FileType.directory ? null : notDirectory),
  conditions: ({ id }) => [{ is: "directoryEmpty", id }],
  changes: removeDirectoryChanges,
  linksDelta: -1,
};

/**
 * REMOVE (RFC 1813 §3.3.12): everything but directories. `of`: only a name of this object, whose last open asked for it; null: a
 * caller without opens, who has to agree with those of others.
 */
export function remove(share: Share, who: Credentials, directory: FileId, name: string, of: FileId | null): Promise<Removed | FsError> {
  return removeEntry(share, who, directory, name, of, ofFile);
}

/** RMDIR (RFC 1813 §3.3.13). `of` as in REMOVE. */
export function rmdir(share: Share, who: Credentials, directory: FileId, name: string, of: FileId | null): Promise<Removed | FsError> {
  return removeEntry(share, who, directory, name, of, ofDirectory);
}

function removeEntry(share: Share, who: Credentials, directory: FileId, name: string, of: FileId | null, removal: Removal): Promise<Removed | FsError> {
  return untilApplied(async (attempt) => {
    const changer = changerOf(share.policy, who);
    if (changer instanceof FsError) return changer;
    const opened = of === null ? openDirectory(share, who, directory) : share.inodes.loadNode(directory);
    const node = opened instanceof Promise ? await opened : opened;
    if (node === null) return noEntry;
    if (node instanceof FsError) return node;
    const refusedName = judgeRemovedName(name);
    if (refusedName !== null) return refusedName;
    const removable = await openRemovable(share, changer, node, name, of);
    if (removable === null || removable instanceof FsError) return removable;
    const { child } = removable;
    const refused = removal.of(child);
    if (refused !== null) return refused;
    const at = share.clock.now();
    const streams = streamsGoing(share, child);
    const going = streams instanceof Promise ? await streams : streams;
    const held = of === null ? (beforeName(share, child.id, null) ?? beforeStreams(share, going)) : child.id === of ? null : noEntry;
    if (held !== null) return held;
    const operation = new Operation(
      [{ is: "direntRefersTo", parent: directory, name, child: child.id }, ...removal.conditions(child), ...going.conditions],
      [
        { do: "deleteDirent", parent: directory, name },
        ...removal.changes(share, child, at),
        { do: "touchDirectory", id: directory, at, linksDelta: removal.linksDelta },
        ...going.changes,
      ],
    );
    const touched = await removing(share, child.id, share.apply(changer, operation, attempt));
    if (touched === null || touched instanceof FsError) return touched;
    return { directory: changeOf(share, touched, directory) };
  });
}
