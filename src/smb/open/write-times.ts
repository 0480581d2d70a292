import { Right } from "#model/acl.ts";
import type { Inode } from "#model/inode.ts";
import type { Clock } from "#base/clock.ts";
import type { OpenFile } from "#vfs/opens/index.ts";
import type { FileFacts } from "#wire/fscc.ts";
import { notesOf, noting } from "./file-notes.ts";
import type { Open } from "./open.ts";

/** How long after the first write of a row a file's write time stays as it was for SMB clients, as with Windows and Samba. */
export const delayMs = 2000;

/** A write through `open` is about to be done. */
export function writing(open: Open, inode: Inode | null, nowMs: number): void {
  const { file } = open;
  if (file === null || inode === null) return;
  const notes = noting(file.file);
  const known = notes.delayed;
  if (open.frozenWriteTime !== null) {
    open.writtenFrozen = true;
    if (known === null) notes.delayed = { shown: open.frozenWriteTime, untilMs: Number.POSITIVE_INFINITY };
    return;
  }
  if (known === null) notes.delayed = { shown: inode.mtime, untilMs: nowMs + delayMs };
  else if (known.untilMs <= nowMs) {
    // The first writes are told of; of what follows only the close will tell.
    known.shown = inode.mtime;
    known.untilMs = Number.POSITIVE_INFINITY;
  }
}

/** What was written is told of from now on. */
export function writesTold(open: Open): void {
  const notes = open.file === null ? null : notesOf(open.file.file);
  if (notes !== null) notes.delayed = null;
}

/** What is known of a file, with the write time that is told. */
export function toldFacts(open: Open, facts: FileFacts, clock: Clock): FileFacts {
  const notes = open.file === null ? null : notesOf(open.file.file);
  const known = notes === null ? null : notes.delayed;
  return known === null || known.untilMs <= clock.monotonicMs() ? facts : { ...facts, writeTime: known.shown };
}

/** Before an open is closed: the write time of late writes is that of the close, and one that was set is set again. Null: there is nothing to wait for. */
export function settleWriteTime(open: Open): Promise<void> | null {
  const { file } = open;
  if (file === null) return null;
  const notes = notesOf(file.file);
  const known = notes === null ? null : notes.delayed;
  if (known === null) return null;
  notes!.delayed = null;
  return known.untilMs === Number.POSITIVE_INFINITY ? setWriteTime(open, file) : null;
}

async function setWriteTime(open: Open, file: OpenFile): Promise<void> {
  const { frozenWriteTime } = open;
  const mtime = open.writtenFrozen && frozenWriteTime !== null ? frozenWriteTime : "now";
  await open.tree.fs!.setattr({ ...open.credentials(), opened: Right.writeAttributes }, open.ownerId, { mtime }, null, file);
}
