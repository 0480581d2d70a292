import { assert, exhaustive } from "#base/assert.ts";
import { timeAfter } from "#base/time.ts";
import type { ApplyResult, Change, ChangeSet, Condition } from "#model/change-set.ts";
import { foldKey } from "#model/fold-key.ts";
import type { Cookie } from "#model/ids.ts";
import { InodeFlag, xattrFlag, xattrFlags } from "#model/inode-flags.ts";
import type { Batch } from "./batch.ts";
import { freeOrphan, layExtents, moveExtent, storeContent } from "./content.ts";

type Of<Kind extends Change["do"]> = Extract<Change, { do: Kind }>;

/**
 * Applies a set within a batch or refuses it: all conditions are checked before anything changes. Throws where a change
 * presumes what its conditions did not vouch for (a bug of the caller); the batch is then void.
 */
export function evaluate(set: ChangeSet, batch: Batch): ApplyResult {
  const { conditions, changes } = set;
  for (let i = 0; i < conditions.length; i++) {
    const condition = conditions[i] as Condition;
    if (!holds(condition, batch)) return { applied: false, failed: condition };
  }
  for (let i = 0; i < changes.length; i++) change(changes[i] as Change, batch);
  return { applied: true, touched: batch.endSet() };
}

function holds(c: Condition, batch: Batch): boolean {
  switch (c.is) {
    case "direntAbsent":
      return batch.rows.dirent(c.parent, c.name) === null;
    case "direntRefersTo":
      return batch.rows.dirent(c.parent, c.name)?.child === c.child;
    case "foldAbsent":
      return foldAbsent(c, batch);
    case "streamless": {
      const inode = batch.inode(c.id);
      return inode !== null && (inode.flags & InodeFlag.hasStreams) === 0;
    }
    case "links":
      return batch.inode(c.id)?.links === c.links;
    case "live": {
      const inode = batch.inode(c.id);
      return inode !== null && inode.links > 0;
    }
    case "directoryEmpty":
      return !batch.rows.hasEntries(c.id);
    case "attributeVersion":
      return batch.inode(c.id)?.attributeVersion === c.version;
    case "changeTime":
      return batch.inode(c.id)?.ctime.equals(c.ctime) ?? false;
    case "treeVersion":
      return batch.treeVersion === c.version;
    default:
      return exhaustive(c);
  }
}

/** Names with a key that tell whether there is another than one: that one, and another. */
export const foldAbsentNames = 2;

function foldAbsent(c: Extract<Condition, { is: "foldAbsent" }>, batch: Batch): boolean {
  const found = batch.rows.direntsFolding(c.parent, foldKey(c.name), foldAbsentNames);
  for (let i = 0; i < found.length; i++) if (found[i]?.name !== c.except) return false;
  return true;
}

function change(c: Change, batch: Batch): void {
  switch (c.do) {
    case "insertInode":
      return batch.insertInode(c.inode);
    case "insertDirent":
      return batch.rows.insertDirent(c.parent, c.name, c.child, batch.draw() as Cookie);
    case "deleteDirent":
      return batch.rows.deleteDirent(c.parent, c.name);
    case "touchDirectory":
      return touchDirectory(c, batch);
    case "addLinks":
      return addLinks(c, batch);
    case "setParent":
      batch.draft(c.id).parent = c.parent;
      return;
    case "setAttributes":
      return setAttributes(c, batch);
    case "setXattr":
      return setXattr(c, batch);
    case "setAccessTime":
      // Stored lazily: the inode may be gone by now.
      if (batch.peek(c.id) !== null) batch.draft(c.id, true).atime = c.atime;
      return;
    case "storeContent":
      return storeContent(batch, c);
    case "layExtents":
      return layExtents(batch, c);
    case "freeOrphan":
      return freeOrphan(batch, c);
    case "putPack":
      return batch.putPack(c.pack);
    case "deletePack":
      return batch.deletePack(c.id);
    case "moveExtent":
      return moveExtent(batch, c);
    case "raiseTreeVersion":
      batch.treeVersion++;
      return;
    case "recountInode":
      return batch.recountInode(c.id);
    case "recountPack":
      return batch.recountPack(c.id);
    case "recountUsage":
      return batch.recountUsage();
    default:
      return exhaustive(c);
  }
}

function touchDirectory(c: Of<"touchDirectory">, batch: Batch): void {
  const draft = batch.draft(c.id);
  draft.ctime = timeAfter(draft.ctime, c.at);
  // Not one nanosecond after an mtime that somebody set into the future.
  draft.mtime = draft.ctime;
  draft.links = Math.max(0, draft.links + c.linksDelta);
}

function addLinks(c: Of<"addLinks">, batch: Batch): void {
  const draft = batch.draft(c.id);
  draft.ctime = timeAfter(draft.ctime, c.at);
  draft.links = Math.max(0, draft.links + c.delta);
}

function setAttributes(c: Of<"setAttributes">, batch: Batch): void {
  const draft = batch.draft(c.id);
  draft.ctime = timeAfter(draft.ctime, c.at);
  if (c.mode !== undefined) draft.mode = c.mode;
  if (c.uid !== undefined) draft.uid = c.uid;
  if (c.gid !== undefined) draft.gid = c.gid;
  if (c.atime !== undefined) draft.atime = c.atime;
  if (c.mtime !== undefined) draft.mtime = c.mtime;
  if (c.mtimeSequence !== undefined) draft.mtimeSequence = c.mtimeSequence;
  if (c.createVerifier !== undefined) draft.createVerifier = c.createVerifier;
  if (c.birth !== undefined) draft.birth = c.birth;
  if (c.flags !== undefined) {
    const { clear, set } = c.flags;
    assert(((clear | set) & xattrFlags) === 0, "a change set says of an inode what attributes it has without giving or taking them");
    draft.flags = (draft.flags & ~clear) | set;
  }
  draft.attributeVersion++;
}

function setXattr(c: Of<"setXattr">, batch: Batch): void {
  const { id, name, value } = c;
  const draft = batch.draft(id);
  const flag = xattrFlag(name);
  draft.ctime = timeAfter(draft.ctime, c.at);
  batch.rows.setXattr(id, name, value);
  if (value !== null) draft.flags |= flag;
  else if (flag !== InodeFlag.hasXattrs) draft.flags &= ~flag;
  draft.attributeVersion++;
}
