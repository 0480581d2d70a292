import type { Change, ChangeSet, Touched } from "#model/change-set.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, ownerOfStreams, XattrName } from "#model/inode-flags.ts";
import { Action, Concern } from "./concern.ts";
import type { Report } from "./notifier.ts";
import { type Places, streamMark } from "./places.ts";

type Inserted = Extract<Change, { do: "insertDirent" }>;
type Deleted = Extract<Change, { do: "deleteDirent" }>;
type Attributes = Extract<Change, { do: "setAttributes" }>;
type Xattr = Extract<Change, { do: "setXattr" }>;

/** What watches call the extended attributes we use. */
const xattrConcerns: Readonly<Record<string, number>> = {
  [XattrName.security]: Concern.security,
  [XattrName.ea]: Concern.extendedAttributes,
  [XattrName.reparse]: Concern.attributes,
};

/** What an applied set did to names and attributes. */
export function reportsOf(set: ChangeSet, touched: readonly Touched[], places: Places): readonly Report[] {
  const reports: Report[] = [];
  const deleted: Deleted[] = [];
  let inserted: Inserted | null = null;
  for (let i = 0; i < set.changes.length; i++) {
    const change = set.changes[i] as Change;
    if (change.do === "deleteDirent") deleted.push(change);
    else if (change.do === "insertDirent") inserted = change;
    else if (change.do === "setAttributes") attributesSet(change, places, reports);
    else if (change.do === "setXattr") xattrSet(change, places, reports);
  }
  if (inserted === null) {
    for (const one of deleted) removed(one, set, touched, places, reports);
  } else nameInserted(inserted, deleted, set, touched, places, reports);
  return reports;
}

function nameInserted(inserted: Inserted, deleted: readonly Deleted[], set: ChangeSet, touched: readonly Touched[], places: Places, reports: Report[]): void {
  const child = rowOf(touched, inserted.child)?.after ?? null;
  const [from, ...replaced] = deleted;
  if (from === undefined) {
    push(reports, placed(inserted, child, places, Action.added, 0));
    return;
  }
  for (const one of replaced) removed(one, set, touched, places, reports);
  // Of a file that got a new name, those who mind its attributes alone hear as well.
  const otherwise = child === null || child.type === FileType.directory ? 0 : Concern.attributes | Concern.creation;
  const within = from.parent === inserted.parent;
  push(reports, placed(from, child, places, within ? Action.oldName : Action.removed, 0));
  push(reports, placed(inserted, child, places, within ? Action.newName : Action.added, otherwise));
}

/** An entry went; those of an object that went too (its streams) are no news. */
function removed(entry: Deleted, set: ChangeSet, touched: readonly Touched[], places: Places, reports: Report[]): void {
  const owner = rowOf(touched, entry.parent);
  if (owner !== undefined && (owner.after === null || owner.after.links === 0)) return;
  const at = set.changes.indexOf(entry);
  for (let i = at + 1; i < set.changes.length; i++) {
    const change = set.changes[i] as Change;
    if (change.do !== "addLinks" || change.delta >= 0) continue;
    push(reports, placed(entry, rowOf(touched, change.id)?.before ?? null, places, Action.removed, 0));
    return;
  }
}

/** The report of an entry of `child`, of which a stream need not have been touched. */
function placed(entry: Inserted | Deleted, child: Inode | null, places: Places, action: Action, otherwise: number): Report | null {
  const ownerId = ownerOfStreams(entry.parent);
  if (ownerId === 0) {
    if (child === null) return null;
    const concerns = child.type === FileType.directory ? Concern.directoryName : Concern.fileName;
    return { directory: entry.parent, name: entry.name, action, concerns, otherwise };
  }
  // A stream is told of where its owner is.
  const owner = places.of(ownerId as FileId);
  if (owner === null) return null;
  const name = `${owner.name}${streamMark}${entry.name}`;
  const streams = action === Action.added || action === Action.newName ? Action.streamAdded : Action.streamRemoved;
  return { directory: owner.directory, name, action: streams, concerns: Concern.streamName, otherwise: 0 };
}

function attributesSet(change: Attributes, places: Places, reports: Report[]): void {
  let concerns = 0;
  if (change.mode !== undefined) concerns |= Concern.security | Concern.attributes;
  if (change.uid !== undefined || change.gid !== undefined) concerns |= Concern.security;
  if (change.atime !== undefined) concerns |= Concern.lastAccess;
  if (change.mtime !== undefined) concerns |= Concern.lastWrite;
  if (change.birth !== undefined) concerns |= Concern.creation;
  if (change.flags !== undefined && ((change.flags.clear | change.flags.set) & InodeFlag.dosMask) !== 0) concerns |= Concern.attributes;
  modified(change.id, concerns, places, reports);
}

function xattrSet(change: Xattr, places: Places, reports: Report[]): void {
  modified(change.id, xattrConcerns[change.name] ?? 0, places, reports);
}

function modified(id: FileId, concerns: number, places: Places, reports: Report[]): void {
  const place = concerns === 0 ? null : places.of(id);
  if (place !== null) reports.push({ directory: place.directory, name: place.name, action: Action.modified, concerns, otherwise: 0 });
}

function push(reports: Report[], report: Report | null): void {
  if (report !== null) reports.push(report);
}

function rowOf(touched: readonly Touched[], id: number): Touched | undefined {
  let found: Touched | undefined;
  // A set may touch a row more than once: before the first, after the last.
  for (let i = 0; i < touched.length; i++) {
    const one = touched[i] as Touched;
    if (one.id !== id) continue;
    found = found === undefined ? one : { id: one.id, before: found.before, after: one.after };
  }
  return found;
}
