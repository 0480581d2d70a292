import { exhaustive } from "#base/assert.ts";
import { timeAfter } from "#base/time.ts";
import type { ApplyResult, Change, ChangeSet, Condition } from "#model/change-set.ts";
import type { Cookie } from "#model/ids.ts";
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
  draft.attributeVersion++;
}
