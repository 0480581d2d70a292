import { type Time, timeAfter } from "#base/time.ts";
import { Right } from "#model/acl.ts";
import type { Change as StoreChange, Condition } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { type Changer, changerOf, type EntryChange, Permission, permissions } from "../access/permissions.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { type Node, nobody } from "../cache/node.ts";
import { denied, exists, invalid, isDirectory, noEntry, notDirectory, stale } from "../errors.ts";
import type { Renamed } from "../file-system.ts";
import { judgeRenamedName } from "../names.ts";
import { changeOf, Operation, unchanged, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { beforeMove } from "./before-move.ts";
import { beforeStreams } from "./opened.ts";
import { addingOf, openDirectory, refuseChange } from "./make.ts";
import { openRemovable, removeDirectoryChanges, removing, unlinkChanges } from "./remove.ts";
import { Kind, parentLinks, type Replacement, renameTable } from "./rename-table.ts";
import { nothingGoes, streamsGoing } from "./streams.ts";

/** Deepest directory the loop check climbs from. */
const depthMax = 100_000;

/** One RENAME as far as it was looked into. */
interface Move {
  readonly from: Inode;
  readonly fromName: string;
  readonly to: Inode;
  readonly toName: string;
  readonly child: Inode;
  /** What the new name referred to. */
  readonly target: Inode | null;
  readonly replacement: Replacement;
  /** The tree version under which a directory may go to another parent; null where it doesn't. */
  readonly treeVersion: number | null;
}

/** What is asked: which name becomes which, through which open, and whether it may replace what has the new one. */
interface Asked {
  readonly from: FileId;
  readonly fromName: string;
  readonly to: FileId;
  readonly toName: string;
  readonly by: OpenFile | null;
  readonly replaces: boolean;
}

/** RENAME (RFC 1813 §3.3.14). */
export function rename(share: Share, who: Credentials, asked: Asked): Promise<Renamed | FsError> {
  const { to, by } = asked;
  const child = by === null ? null : share.inodes.hit(by.file.id);
  // Those who only keep handles learn of it in the turn it was asked for.
  const held = child === null ? null : beforeMove(share, to, child, null, by);
  if (held instanceof Promise) return held.then((refused) => refused ?? move(share, who, asked));
  return held === null ? move(share, who, asked) : Promise.resolve(held);
}

function move(share: Share, who: Credentials, asked: Asked): Promise<Renamed | FsError> {
  return untilApplied((attempt) => {
    const work = (): Promise<Renamed | FsError | null> => attemptRename(share, who, asked, attempt);
    // Each move of a directory makes all others decide anew: those that lost queue up, so that every round one gets through.
    return attempt === 0 || asked.from === asked.to ? work() : share.directoryMoves.run(work);
  });
}

async function attemptRename(share: Share, who: Credentials, asked: Asked, attempt: number): Promise<Renamed | FsError | null> {
  const { from, fromName, to, toName, by, replaces } = asked;
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const opened = openDirectory(share, who, from);
  const source = opened instanceof Promise ? await opened : opened;
  if (source instanceof FsError) return source;
  const other = openDirectory(share, who, to);
  const destination = other instanceof Promise ? await other : other;
  if (destination instanceof FsError) return destination;
  const refusedName = judgeRenamedName(fromName) ?? judgeRenamedName(toName);
  if (refusedName !== null) return refusedName;
  const move = await decide(share, changer, asked, source, destination);
  if (move === null || move instanceof FsError) return move;
  // Two names of one object, or one name: POSIX has it succeed and do nothing.
  if (move.target?.id === move.child.id) return { from: unchanged(move.from), to: unchanged(move.to) };
  // It may have come since the caller looked.
  if (move.target !== null && !replaces) return exists;
  const at = share.clock.now();
  const going = move.target === null ? nothingGoes : await streamsGoing(share, move.target);
  // Asked last: what follows is done in the turn of the answer.
  const held = beforeMove(share, to, move.child, move.target, by) ?? (by === null || by.replacesOpen ? beforeStreams(share, going) : null);
  if (held !== null) return held;
  const operation = new Operation([...conditionsOf(move), ...going.conditions], [...changesOf(share, move, at), ...going.changes]);
  operation.moved = { id: move.child.id, from: { parent: from, name: fromName }, to: { parent: to, name: toName } };
  const applied = share.apply(changer, operation, attempt);
  const touched = await (move.target === null ? applied : removing(share, move.target.id, applied));
  if (touched === null || touched instanceof FsError) return touched;
  return { from: changeOf(share, touched, from), to: changeOf(share, touched, to) };
}

/** Who opened the object for deletion was judged then, and may rename it. */
function judgedBy(by: OpenFile | null): FileId | null {
  return by !== null && (by.access & Right.delete) !== 0 ? by.file.id : null;
}

async function decide(share: Share, who: Changer, { fromName, toName, by }: Asked, source: Node, destination: Node): Promise<Move | FsError | null> {
  // Read before the climb: a move that changes the way up meanwhile makes the condition fail.
  const treeVersion = source === destination ? null : await share.store.treeVersion();
  const removable = await openRemovable(share, who, source, fromName, judgedBy(by));
  if (removable === null || removable instanceof FsError) return removable;
  const child = removable.child;
  // Something else has the name by now, and keeps it.
  if (by !== null && child.id !== by.file.id) return noEntry;
  const replaced = await openTarget(share, who, destination, toName, addingOf(child.type));
  if (replaced === null || replaced instanceof FsError) return replaced;
  const target = replaced.target;
  const from = source.inode;
  const to = destination.inode;
  if (from === null || to === null) return null;
  const climbs = treeVersion !== null && child.type === FileType.directory;
  const move: Move = {
    from,
    fromName,
    to,
    toName,
    child,
    target,
    replacement: renameTable[child.type === FileType.directory ? "directory" : "file"][kindOf(target)],
    treeVersion: climbs ? treeVersion : null,
  };
  if (target?.id === child.id) return move;
  if (move.replacement === "isDirectory") return isDirectory;
  if (move.replacement === "notDirectory") return notDirectory;
  return climbs ? ((await refuseMove(share, who, child, to)) ?? move) : move;
}

function kindOf(target: Inode | null): Kind {
  if (target === null) return Kind.nothing;
  return target.type === FileType.directory ? Kind.directory : Kind.file;
}

/** What the new name refers to now, if `who` may replace it. */
async function openTarget(share: Share, who: Changer, node: Node, name: string, adding: EntryChange): Promise<{ readonly target: Inode | null } | FsError | null> {
  const entry = await share.names.load(node, name);
  if (entry.id !== nobody) {
    const removable = await openRemovable(share, who, node, name, null);
    return removable === null || removable instanceof FsError ? removable : { target: removable.child };
  }
  if (node.inode === null) return null;
  return refuseChange(node.inode, who, adding) ?? { target: null };
}

/** Why a directory can't go to another parent: its ".." would change without the right to write it, or it would hold itself. */
async function refuseMove(share: Share, who: Changer, child: Inode, to: Inode): Promise<FsError | null> {
  if ((permissions(child, who) & Permission.write) === 0) return denied;
  let at = to;
  for (let depth = 0; depth < depthMax; depth++) {
    if (at.id === child.id) return invalid;
    if (at.id === rootId) return null;
    const parent = at.parent as FileId;
    const above = share.inodes.hit(parent) ?? (await share.inodes.load(parent));
    if (above === null) return stale;
    at = above;
  }
  return invalid;
}

function conditionsOf(move: Move): readonly Condition[] {
  const { from, fromName, to, toName, child, target } = move;
  const conditions: Condition[] = [
    { is: "direntRefersTo", parent: from.id, name: fromName, child: child.id },
    { is: "live", id: to.id },
  ];
  if (target === null) conditions.push({ is: "direntAbsent", parent: to.id, name: toName });
  else conditions.push({ is: "direntRefersTo", parent: to.id, name: toName, child: target.id });
  if (target !== null && move.replacement === "removeEmptyDirectory") conditions.push({ is: "directoryEmpty", id: target.id });
  if (move.treeVersion !== null) conditions.push({ is: "treeVersion", version: move.treeVersion });
  return conditions;
}

function changesOf(share: Share, move: Move, at: Time): readonly StoreChange[] {
  const { from, fromName, to, toName, child, target } = move;
  const links = parentLinks(child.type === FileType.directory ? "directory" : "file", move.replacement);
  const changes: StoreChange[] = [{ do: "deleteDirent", parent: from.id, name: fromName }];
  if (target !== null) {
    changes.push({ do: "deleteDirent", parent: to.id, name: toName });
    changes.push(...(move.replacement === "removeEmptyDirectory" ? removeDirectoryChanges(share, target, at) : unlinkChanges(share, target, at)));
  }
  changes.push({ do: "insertDirent", parent: to.id, name: toName, child: child.id });
  changes.push({ do: "addLinks", id: child.id, delta: 0, at: timeAfter(child.ctime, at) });
  if (from.id === to.id) {
    changes.push({ do: "touchDirectory", id: from.id, at, linksDelta: links.from + links.to });
  } else {
    changes.push({ do: "touchDirectory", id: from.id, at, linksDelta: links.from });
    changes.push({ do: "touchDirectory", id: to.id, at, linksDelta: links.to });
  }
  if (move.treeVersion !== null) {
    changes.push({ do: "setParent", id: child.id, parent: to.id });
    changes.push({ do: "raiseTreeVersion" });
  }
  return changes;
}
