import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { denied } from "../errors.ts";
import { Cause } from "../opens/caching.ts";
import type { FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { Right } from "../opens/rights.ts";
import type { Share } from "../share.ts";
import { beforeName } from "./opened.ts";

const sharing = FsError.of("sharing");

/**
 * What opens have to say to a RENAME: those of the object, those of what loses its name to it, and, to a client that has opens itself
 * (MS-FSA 2.1.5.15.11), those of both directories and of everything beneath a directory that moves. As `beforeName` answers.
 */
export function beforeMove(share: Share, from: FileId, to: FileId, child: Inode, target: Inode | null, by: OpenFile | null): Maybe<FsError | null> {
  if (share.opens.size === 0) return null;
  if (by === null) return beforeName(share, child.id, null) ?? (target === null ? null : beforeName(share, target.id, null));
  if (mayGo(share, from) || mayGo(share, to)) return sharing;
  const held = beforeName(share, child.id, by) ?? (target === null ? null : beforeReplaced(share, target));
  return held !== null || child.type !== FileType.directory ? held : beforeDirectory(share, child.id, by);
}

/** Whoever has a directory open to delete it bars names in it from being changed. */
function mayGo(share: Share, directory: FileId): boolean {
  const file = share.opens.of(directory);
  if (file === null) return false;
  return file.opens.some((open) => (open.access & Right.delete) !== 0);
}

/** Nothing that is open is replaced, and no directory. */
function beforeReplaced(share: Share, target: Inode): Maybe<FsError | null> {
  if (target.type === FileType.directory) return denied;
  const file = share.opens.of(target.id);
  if (file === null) return null;
  return file.breakFor(Cause.name, null) ? file.change().then(() => null) : denied;
}

/** A directory goes nowhere as long as something beneath it is open. */
async function beforeDirectory(share: Share, id: FileId, by: OpenFile): Promise<FsError | null> {
  for (;;) {
    const open = await openBeneath(share, id);
    if (open.length === 0) return null;
    const waits = open.filter((file) => file.breakFor(Cause.name, by));
    if (waits.length === 0) return denied;
    await Promise.race(waits.map((file) => file.change()));
  }
}

async function openBeneath(share: Share, id: FileId): Promise<readonly FileOpens[]> {
  const beneath = new Map<number, boolean>([
    [id, true],
    [rootId, false],
  ]);
  const found: FileOpens[] = [];
  for (const file of share.opens.all()) {
    for (const parent of new Set(file.opens.map((open) => open.place?.parent))) {
      if (parent !== undefined && (await isBeneath(share, parent, beneath))) {
        found.push(file);
        break;
      }
    }
  }
  return found;
}

/** Whether a directory is the one in question or lies in it; notes what it learnt of those on the way. */
async function isBeneath(share: Share, id: FileId, known: Map<number, boolean>): Promise<boolean> {
  const way: FileId[] = [];
  let at = id;
  while (!known.has(at)) {
    way.push(at);
    known.set(at, false);
    const inode = share.inodes.hit(at) ?? (await share.inodes.load(at));
    if (inode === null) break;
    at = inode.parent as FileId;
  }
  const answer = known.get(at) === true;
  for (const one of way) known.set(one, answer);
  return answer;
}
