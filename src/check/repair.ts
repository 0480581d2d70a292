import { type Time, timeAfter } from "#base/time.ts";
import type { Change, Condition, Extent } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType, type Inode, isStream, newObject } from "#model/inode.ts";
import { InodeFlag, ownerOfStreams, streamsOf, XattrName } from "#model/inode-flags.ts";
import { flagsOf } from "./confirm-attributes.ts";
import type { Mend } from "./damage.ts";
import { namesOf } from "./paths.ts";
import { relocate } from "./relocate.ts";
import { entriesOf, extentsOf } from "./reread.ts";
import { extentEnd } from "./scan.ts";
import { isName } from "./survey.ts";
import { type CheckTarget, goOn, turn, type Watch } from "./target.ts";

/** Where what lost its name goes, in the root. */
export const lostAndFound = "lost+found";
const lostMode = 0o700;
const directoryBytes = 4096;
/** Numbers skipped at most: a sequence that is further behind is no repair's business. */
const skippedMax = 20_000_000;
const skippedPerTurn = 10_000;
const nameTries = 100;
/** Part of a lost file's old name that is kept in its new one. */
const nameKept = 150;

/**
 * Puts one damage right. Every change rests on conditions, or is right whatever else happens, so that clients may go on meanwhile. False:
 * something changed, or what is needed is not there; the next look says which.
 */
export async function mend(target: CheckTarget, how: Mend, watch: Watch): Promise<boolean> {
  goOn(watch);
  switch (how.by) {
    case "links":
      return apply(target, [unchanged(how.id, how.ctime as Time)], [{ do: "addLinks", id: how.id as FileId, delta: how.delta, at: target.clock.now() }]);
    case "parent":
      return reparent(target, how.id, how.parent);
    case "mode":
      return repairMode(target, how.id);
    case "flags":
      return repairFlags(target, how.id);
    case "cookie": {
      const of = { parent: how.parent as FileId, name: how.name, child: how.child as FileId };
      return apply(target, [{ is: "direntRefersTo", ...of }], [{ do: "deleteDirent", parent: of.parent, name: of.name }, { do: "insertDirent", ...of }]);
    }
    case "adopt":
      return adopt(target, how.id, watch);
    case "move":
      return moveName(target, how.parent, how.name, how.child);
    case "rebuild":
      return rebuild(target, how.id, watch);
    case "recount":
      return apply(target, [], [how.what === "inode" ? { do: "recountInode", id: how.id as FileId } : { do: "recountPack", id: how.id as PackId }]);
    case "recountUsage":
      return apply(target, [], [{ do: "recountUsage" }]);
    case "skipAhead":
      return skipAhead(target, how.to);
    case "packRow":
      return repairPackRow(target, how.id as PackId);
    case "relocate":
      return relocate(target, how.id as PackId, watch);
  }
}

/** Its ctime, which every change of names and links moves, is still this. */
function unchanged(id: number, ctime: Time): Condition {
  return { is: "changeTime", id: id as FileId, ctime };
}

async function apply({ store }: CheckTarget, conditions: readonly Condition[], changes: readonly Change[]): Promise<boolean> {
  return (await store.apply({ conditions, changes })).applied;
}

async function reparent(target: CheckTarget, id: number, parent: number): Promise<boolean> {
  const inode = await target.store.inode(id as FileId);
  if (inode === null) return false;
  const version = await target.store.treeVersion();
  return apply(target, [unchanged(id, inode.ctime), { is: "treeVersion", version }], [{ do: "setParent", id: inode.id, parent }, { do: "addLinks", id: inode.id, delta: 0, at: target.clock.now() }, { do: "raiseTreeVersion" }]);
}

async function repairMode(target: CheckTarget, id: number): Promise<boolean> {
  const inode = await target.store.inode(id as FileId);
  if (inode === null) return false;
  return apply(target, [{ is: "attributeVersion", id: inode.id, version: inode.attributeVersion }], [{ do: "setAttributes", id: inode.id, at: timeAfter(inode.ctime, target.clock.now()), mode: inode.mode & 0o7777 }]);
}

/** Every attribute is set once more and those that are only spoken of are taken away: what the inode says follows from that. */
async function repairFlags(target: CheckTarget, id: number): Promise<boolean> {
  const now = await flagsOf(target, id);
  if (now === null) return false;
  const at = target.clock.now();
  const changes: Change[] = [];
  const values = new Map<string, Uint8Array | null>(Object.values(XattrName).map((name) => [name, null]));
  for (const { name, value } of await target.store.xattrs(id as FileId)) values.set(name, value);
  for (const [name, value] of values) changes.push({ do: "setXattr", id: id as FileId, name, value, at });
  const streams = now.wanted & InodeFlag.hasStreams;
  if (streams !== 0) changes.push({ do: "setAttributes", id: id as FileId, at, flags: { clear: 0, set: streams } });
  return apply(target, [{ is: "attributeVersion", id: id as FileId, version: now.version }], changes);
}

/** Draws until no number in use is given again. */
async function skipAhead({ store, clock }: CheckTarget, to: number): Promise<boolean> {
  for (let i = 0; i < skippedMax; i++) {
    if (store.draw() > to) return true;
    if (i % skippedPerTurn === 0) await turn(clock);
  }
  return false;
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

function newInode({ clock }: CheckTarget, id: number, type: FileType, over: { readonly links: number; readonly parent: number; readonly size: number; readonly used?: number }): Inode {
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
async function adopt(target: CheckTarget, id: number, watch: Watch): Promise<boolean> {
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
async function moveName(target: CheckTarget, parent: number, name: string, child: number): Promise<boolean> {
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

/**
 * Makes an inode again of what is left of it: a directory of its entries, a file of its content, which then belong to root alone. Where only
 * a name is left, an empty file takes it to lost+found, so that nobody takes it for the one that was there.
 */
async function rebuild(target: CheckTarget, id: number, watch: Watch): Promise<boolean> {
  const { store } = target;
  if ((await store.inode(id as FileId)) !== null) return false;
  const inside = await entriesOf(target, watch, id);
  const content = await extentsOf(target, watch, id);
  const names = (await namesOf(target, watch, new Set([id]))).get(id) ?? [];
  if (inside === null || content === null) return false;
  if (inside.entries > 0 || id === rootId) {
    const parent = id === rootId ? rootId : (names[0]?.parent ?? 0);
    const links = 2 + inside.subdirectories;
    if (!(await insert(target, newInode(target, id, FileType.directory, { links, parent, size: directoryBytes })))) return false;
    const [name] = names;
    // The directory above counted it once, and still does.
    return name !== undefined || id === rootId ? true : adopt(target, id, watch);
  }
  const { extents } = content;
  const size = extents.reduce((end: number, extent: Extent) => Math.max(end, extentEnd(extent)), 0);
  const used = extents.reduce((sum, extent) => sum + extent.length, 0);
  if (!(await insert(target, newInode(target, id, FileType.regular, { links: Math.max(1, names.length), parent: ownerOfStreams(names[0]?.parent ?? 0), size, used })))) return false;
  const [name] = names;
  if (name === undefined) return adoptFresh(target, id);
  return extents.length > 0 || moveName(target, name.parent, name.name, id);
}

async function insert(target: CheckTarget, inode: Inode): Promise<boolean> {
  try {
    return await apply(target, [], [{ do: "insertInode", inode }]);
  } catch {
    // There is one after all.
    return false;
  }
}

/** A name for a file that was made with its link already counted. */
async function adoptFresh(target: CheckTarget, id: number): Promise<boolean> {
  const lost = await lostDirectory(target);
  const name = lost === null ? null : await freeName(target, lost, id, "");
  if (lost === null || name === null) return false;
  return apply(target, [{ is: "direntAbsent", parent: lost, name }, { is: "live", id: id as FileId }], [{ do: "insertDirent", parent: lost, name, child: id as FileId }, { do: "touchDirectory", id: lost, at: target.clock.now(), linksDelta: 0 }]);
}

/** A pack's row from the footer of its object, which says what it is; what is live is counted. */
async function repairPackRow(target: CheckTarget, id: PackId): Promise<boolean> {
  const { content, clock } = target;
  if (content.isOpen(id)) return false;
  const found = await content.fromObject(id);
  if (found === null) return false;
  const pack = { id, ...found, state: PackState.live, live: 0, since: clock.now() };
  const done = await apply(target, [], [{ do: "putPack", pack }, { do: "recountPack", id }]);
  content.forgetPack(id);
  return done;
}
