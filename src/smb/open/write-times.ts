import { Right } from "#model/acl.ts";
import type { Inode } from "#model/inode.ts";
import type { Time } from "#base/time.ts";
import type { FileOpens, OpenFile } from "#vfs/opens/index.ts";
import type { FileFacts } from "#wire/fscc.ts";
import type { Open } from "./open.ts";

/** How long after the first write of a row a file's write time stays as it was for SMB clients, as with Windows and Samba. */
export const delayMs = 2000;

/** What SMB clients are told of the write time of a file that is being written; what is stored is always the last write's. */
interface Delayed {
  /** Told instead of the stored one. */
  shown: Time;
  /** When that ends (monotonic); never: only a flush, a change of times or size, or the last close ends it. */
  untilMs: number;
}

/**
 * Files with writes that their write time does not tell of yet (MS-FSA 2.1.4.17). An open that set the time itself moves it no more
 * (MS-FSA 2.1.5.15.2). By the file's opens: gone with the last of them.
 */
const delayed = new WeakMap<FileOpens, Delayed>();

/** A write through `open` is about to be done. */
export function writing(open: Open, inode: Inode | null, nowMs: number): void {
  const { file } = open;
  if (file === null || inode === null) return;
  const known = delayed.get(file.file);
  if (open.frozenWriteTime !== null) {
    open.writtenFrozen = true;
    if (known === undefined) delayed.set(file.file, { shown: open.frozenWriteTime, untilMs: Number.POSITIVE_INFINITY });
    return;
  }
  if (known === undefined) delayed.set(file.file, { shown: inode.mtime, untilMs: nowMs + delayMs });
  else if (known.untilMs <= nowMs) {
    // The first writes are told of; of what follows only the close will tell.
    known.shown = inode.mtime;
    known.untilMs = Number.POSITIVE_INFINITY;
  }
}

/** What was written is told of from now on. */
export function writesTold(open: Open): void {
  if (open.file !== null) delayed.delete(open.file.file);
}

/** What is known of a file, with the write time that is told. */
export function toldFacts(open: Open, facts: FileFacts, nowMs: number): FileFacts {
  const known = open.file === null ? undefined : delayed.get(open.file.file);
  return known === undefined || known.untilMs <= nowMs ? facts : { ...facts, writeTime: known.shown };
}

/** Before an open is closed: the write time of late writes is that of the close, and one that was set is set again. Null: there is nothing to wait for. */
export function settleWriteTime(open: Open): Promise<void> | null {
  const { file } = open;
  if (file === null) return null;
  const known = delayed.get(file.file);
  if (known === undefined) return null;
  delayed.delete(file.file);
  return known.untilMs === Number.POSITIVE_INFINITY ? setWriteTime(open, file) : null;
}

async function setWriteTime(open: Open, file: OpenFile): Promise<void> {
  const { frozenWriteTime } = open;
  const mtime = open.writtenFrozen && frozenWriteTime !== null ? frozenWriteTime : "now";
  await open.tree.fs!.setattr({ ...open.credentials(), opened: Right.writeAttributes }, open.ownerId, { mtime }, null, file);
}
