import { type Time, timeAfter } from "#base/time.ts";
import type { Change } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import { flagsOf } from "./confirm-attributes.ts";
import type { Mend } from "./damage.ts";
import { adopt, apply, moveName, unchanged } from "./lost-found.ts";
import { rebuild } from "./rebuild.ts";
import { relocate } from "./relocate.ts";
import { type CheckTarget, goOn, turn, type Watch } from "./target.ts";

/** Numbers skipped at most: a sequence that is further behind is no repair's business. */
const skippedMax = 20_000_000;
const skippedPerTurn = 10_000;

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
      return how.what === "inode" ? recountInode(target, how.id as FileId) : apply(target, [], [{ do: "recountPack", id: how.id as PackId }]);
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

/** Attributes of a file that is not there would go with a recount: they are left to whoever makes the file again. */
async function recountInode(target: CheckTarget, id: FileId): Promise<boolean> {
  const { store } = target;
  if ((await store.inode(id)) === null && (await store.xattrs(id)).length > 0) return false;
  return apply(target, [], [{ do: "recountInode", id }]);
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
