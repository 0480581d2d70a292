import type { Change, ChangeSet, Condition } from "#model/change-set.ts";
import { foldKey } from "#model/fold-key.ts";
import { foldAbsentNames } from "../engine.ts";
import type { Need } from "./need.ts";
import type { View } from "./view.ts";

/** The rows a set is going to ask for that the view does not know; what depends on rows comes to light in its evaluation. */
export function needsOf(set: ChangeSet, view: View): Need[] {
  const needs: Need[] = [];
  for (let i = 0; i < set.conditions.length; i++) ofCondition(set.conditions[i] as Condition, view, needs);
  for (let i = 0; i < set.changes.length; i++) ofChange(set.changes[i] as Change, view, needs);
  return needs;
}

function ofCondition(c: Condition, view: View, needs: Need[]): void {
  switch (c.is) {
    case "direntAbsent":
    case "direntRefersTo":
      if (view.names.dirent(c.parent, c.name) === undefined) needs.push({ what: "name", parent: c.parent, name: c.name });
      return;
    case "foldAbsent":
      if (view.names.folding(c.parent, foldKey(c.name), foldAbsentNames) === undefined) needs.push({ what: "folding", parent: c.parent, key: foldKey(c.name) });
      return;
    case "live":
    case "streamless":
    case "links":
    case "attributeVersion":
    case "changeTime":
      if (view.inode(c.id) === undefined) needs.push({ what: "inode", id: c.id });
      return;
    case "directoryEmpty":
      if (view.names.occupied(c.id) === undefined) needs.push({ what: "entries", id: c.id });
      return;
    case "treeVersion":
      return;
  }
}

function ofChange(c: Change, view: View, needs: Need[]): void {
  switch (c.do) {
    case "insertDirent":
    case "deleteDirent":
      if (view.names.dirent(c.parent, c.name) === undefined) needs.push({ what: "name", parent: c.parent, name: c.name });
      return;
    case "touchDirectory":
    case "addLinks":
    case "setParent":
    case "setAttributes":
    case "setXattr":
    case "setAccessTime":
    case "freeOrphan":
      if (view.inode(c.id) === undefined) needs.push({ what: "inode", id: c.id });
      return;
    case "storeContent":
    case "layExtents":
      if (view.inode(c.id) === undefined) needs.push({ what: "inode", id: c.id });
      for (const { pack } of c.extents) if (pack !== 0 && view.pack(pack) === undefined) needs.push({ what: "pack", id: pack });
      return;
    case "putPack":
      if (view.pack(c.pack.id) === undefined) needs.push({ what: "pack", id: c.pack.id });
      return;
    case "deletePack":
      if (view.pack(c.id) === undefined) needs.push({ what: "pack", id: c.id });
      return;
    case "moveExtent":
      for (const { pack } of [c.from, c.to]) if (view.pack(pack) === undefined) needs.push({ what: "pack", id: pack });
      return;
    case "insertInode":
      if (!view.knows(c.inode.id)) needs.push({ what: "inode", id: c.inode.id });
      return;
    case "recountInode":
      if (view.inode(c.id) === undefined) needs.push({ what: "inode", id: c.id });
      return;
    case "recountPack":
      if (view.pack(c.id) === undefined) needs.push({ what: "pack", id: c.id });
      return;
    case "raiseTreeVersion":
    case "recountUsage":
      return;
  }
}
