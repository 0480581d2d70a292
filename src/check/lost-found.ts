import type { Time } from "#base/time.ts";
import type { Change, Condition } from "#model/change-set.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode, isStream, newObject } from "#model/inode.ts";
import { InodeFlag, streamsOf } from "#model/inode-flags.ts";
import { namesOf } from "./paths.ts";
import { entriesOf } from "./reread.ts";
import { isName } from "./survey.ts";
import type { CheckTarget, Watch } from "./target.ts";

/** Where what lost its name goes, in the root. */
const lostAndFound = "lost+found";
const lostMode = 0o700;
export const directoryBytes = 4096;
const nameTries = 100;
/** Part of a lost file's old name that is kept in its new one. */
const nameKept = 150;

/** Its ctime, which every change of names and links moves, is still this. */
export function unchanged(id: number, ctime: Time): Condition {
  return { is: "changeTime", id: id as FileId, ctime };
}

export async function apply({ store }: CheckTarget, conditions: readonly Condition[], changes: readonly Change[]): Promise<boolean> {
  return (await store.apply({ conditions, changes })).applied;
}

/** The directory for what lost its name, made where there is none. */
async function lostDirectory(target: CheckTarget): Promise<FileId | null> {
  const { store, clock } = target;
  const there = await store.dirent(rootId, lostAndFound);
  if (there !== null) return (await store.inode(there.child))?.type === FileType.directory ? there.child : null;
  const inode = newInode(target, store.draw(), FileType.directory, { links: 2, parent: rootId, size: directoryBytes });
  const made = await apply(target, [{ is: "direntAbsent", parent: rootId, name: lostAndFound }, { is: "live", id: rootId }], [
    { do: "insertInode", inode },
    { do: "insertDirent", parent: rootId, name: lostAndFound, child: inode.id },
    { do: "touchDirectory", id: rootId, at: clock.now(), linksDelta: 1 },
  ]);
  return made ? inode.id : null;
}

export function newInode({ clock }: CheckTarget, id: number, type: FileType, over: { readonly links: number; readonly parent: number; readonly size: number; readonly used?: number; readonly flags?: number }): Inode {
  return newObject(clock.now(), { id: id as FileId, type, mode: lostMode, ...over });
}

/** A name in lost+found that nobody has. */
async function freeName({ store }: CheckTarget, lost: FileId, id: number, was: string): Promise<string | null> {
  const safe = was.replaceAll(/[/\0]/g, "_").slice(0, nameKept);
  const base = safe === "" || safe === "." || safe === ".." ? `#${id}` : `#${id}.${safe}`;
  for (let i = 0; i < nameTries; i++) {
    const name = i === 0 ? base : `#${id}-${i}${base.slice(`#${id}`.length)}`;
    const fitting = isName(name) ? name : `#${id}-${i}`;
    if ((await store.dirent(lost, fitting)) === null) return fitting;
  }
  return null;
}

/** What its link count has to be with these names. */
async function rightLinks(target: CheckTarget, watch: Watch, inode: Inode, names: number): Promise<number | null> {
  if (inode.type !== FileType.directory) return names;
  const inside = await entriesOf(target, watch, inode.id);
  return inside === null ? null : 2 + inside.subdirectories;
}

/** Gives a name in lost+found to what has none, or none that leads to the root: that one it loses. */
export async function adopt(target: CheckTarget, id: number, watch: Watch): Promise<boolean> {
  const { store, clock } = target;
  const lost = await lostDirectory(target);
  const inode = await store.inode(id as FileId);
  if (lost === null || inode === null || id === rootId) return false;
  const names = (await namesOf(target, watch, new Set([id]))).get(id) ?? [];
  if (isStream(inode) && names.length === 0) return adoptStream(target, inode, lost);
  const isDirectory = inode.type === FileType.directory;
  // Only a directory in a ring has a name: that of the directory below it.
  if (names.length > (isDirectory ? 1 : 0)) return false;
  const [old] = names;
  const links = await rightLinks(target, watch, inode, 1);
  const name = await freeName(target, lost, id, old?.name ?? "");
  if (links === null || name === null) return false;
  const at = clock.now();
  const conditions: Condition[] = [unchanged(id, inode.ctime), { is: "direntAbsent", parent: lost, name }, { is: "live", id: lost }];
  const changes: Change[] = [];
  if (old !== undefined) {
    conditions.push({ is: "direntRefersTo", parent: old.parent as FileId, name: old.name, child: inode.id });
    changes.push({ do: "deleteDirent", parent: old.parent as FileId, name: old.name }, { do: "touchDirectory", id: old.parent as FileId, at, linksDelta: -1 });
  }
  changes.push({ do: "insertDirent", parent: lost, name, child: inode.id }, { do: "addLinks", id: inode.id, delta: links - inode.links, at }, { do: "touchDirectory", id: lost, at, linksDelta: isDirectory ? 1 : 0 });
  if (isDirectory) changes.push({ do: "setParent", id: inode.id, parent: lost }, { do: "raiseTreeVersion" });
  return apply(target, conditions, changes);
}

/** A stream without a name gets one of its owner; where that is gone it becomes a file. */
async function adoptStream(target: CheckTarget, stream: Inode, lost: FileId): Promise<boolean> {
  const { store, clock } = target;
  const { id } = stream;
  const owner = await store.inode(stream.parent as FileId);
  const there = owner !== null && owner.links > 0 && owner.type !== FileType.symlink && !isStream(owner);
  const at = clock.now();
  const parent = there ? streamsOf(owner.id) : lost;
  const name = await freeName(target, parent, id, "");
  if (name === null) return false;
  const marked: Change = there ? { do: "setAttributes", id: owner.id, at, flags: { clear: 0, set: InodeFlag.hasStreams } } : { do: "touchDirectory", id: lost, at, linksDelta: 0 };
  const changes: Change[] = [{ do: "insertDirent", parent, name, child: id }, { do: "addLinks", id, delta: 1 - stream.links, at }, marked];
  if (!there) changes.push({ do: "setParent", id, parent: 0 });
  return apply(target, [unchanged(id, stream.ctime), { is: "direntAbsent", parent, name }, { is: "live", id: there ? owner.id : lost }], changes);
}

/** Takes a name, and with it what it refers to, to lost+found. */
export async function moveName(target: CheckTarget, parent: number, name: string, child: number): Promise<boolean> {
  const { store, clock } = target;
  const lost = await lostDirectory(target);
  if (lost === null || lost === parent) return false;
  const free = await freeName(target, lost, child, name);
  if (free === null) return false;
  const inode = await store.inode(child as FileId);
  const above = await store.inode(parent as FileId);
  const at = clock.now();
  const down = inode?.type === FileType.directory ? 1 : 0;
  const changes: Change[] = [{ do: "deleteDirent", parent: parent as FileId, name }, { do: "insertDirent", parent: lost, name: free, child: child as FileId }];
  if (above?.type === FileType.directory) changes.push({ do: "touchDirectory", id: above.id, at, linksDelta: -down });
  changes.push({ do: "touchDirectory", id: lost, at, linksDelta: down });
  if (inode !== null) changes.push({ do: "addLinks", id: inode.id, delta: 0, at });
  if (inode !== null && down === 1) changes.push({ do: "setParent", id: inode.id, parent: lost }, { do: "raiseTreeVersion" });
  if (inode !== null && isStream(inode)) changes.push({ do: "setParent", id: inode.id, parent: 0 });
  return apply(target, [{ is: "direntRefersTo", parent: parent as FileId, name, child: child as FileId }, { is: "direntAbsent", parent: lost, name: free }], changes);
}

/** A name for a file that was made with its link already counted. */
export async function adoptFresh(target: CheckTarget, id: number): Promise<boolean> {
  const lost = await lostDirectory(target);
  const name = lost === null ? null : await freeName(target, lost, id, "");
  if (lost === null || name === null) return false;
  return apply(target, [{ is: "direntAbsent", parent: lost, name }, { is: "live", id: id as FileId }], [{ do: "insertDirent", parent: lost, name, child: id as FileId }, { do: "touchDirectory", id: lost, at: target.clock.now(), linksDelta: 0 }]);
}
