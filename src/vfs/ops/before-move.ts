import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { denied } from "../errors.ts";
import { Cause } from "../opens/caching.ts";
import type { FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { conflicts } from "../opens/open-table.ts";
import { Right, Sharing } from "../opens/rights.ts";
import type { Share } from "../share.ts";
import { beforeName } from "./opened.ts";

const sharing = FsError.of("sharing");

/**
 * What opens have to say to a RENAME: those of the object, those of what loses its name to it, and, to a client that has opens itself
 * (MS-FSA 2.1.5.15.11), those of the directory it goes to and of everything beneath a directory that moves. As `beforeName` answers.
 */
export function beforeMove(share: Share, to: FileId, child: Inode, target: Inode | null, by: OpenFile | null): Maybe<FsError | null> {
  if (share.opens.size === 0) return null;
  if (by === null) return beforeName(share, child.id, null) ?? (target === null ? null : beforeName(share, target.id, null));
  const directory = share.opens.of(to);
  // A client's rename opens the directory it goes to for writing, as Windows does.
  if (directory !== null && conflicts(directory, Right.writeData, Sharing.read | Sharing.write, null)) return sharing;
  const held = beforeName(share, child.id, by) ?? (target === null ? null : beforeReplaced(share, target, by));
  return held !== null || child.type !== FileType.directory || by.movesOpen ? held : beforeDirectory(share, child.id, by);
}

/** Nothing that is open is replaced but by whoever asks for that, and no directory. */
function beforeReplaced(share: Share, target: Inode, by: OpenFile): Maybe<FsError | null> {
  if (target.type === FileType.directory) return denied;
  const file = share.opens.of(target.id);
  if (file === null) return null;
  if (file.breakFor(Cause.name, null)) return file.change().then(() => null);
  return by.replacesOpen && !conflicts(file, Right.delete, Sharing.all, null) ? null : denied;
}

/** A directory goes nowhere as long as something beneath it is open. */
function beforeDirectory(share: Share, id: FileId, by: OpenFile): Maybe<FsError | null> {
  const open = openBeneath(share, id);
  if (open instanceof Promise) return open;
  if (open.length === 0) return null;
  const waits = open.filter((file) => file.breakFor(Cause.name, by));
  return waits.length === 0 ? denied : Promise.race(waits.map((file) => file.change())).then(() => null);
}

/** The open files beneath a directory. A promise: a directory on the way up has to be read first. */
function openBeneath(share: Share, id: FileId): readonly FileOpens[] | Promise<null> {
  const known = new Map<number, boolean>([
    [id, true],
    [rootId, false],
  ]);
  const found: FileOpens[] = [];
  for (const file of share.opens.all()) {
    for (const { place } of file.opens) {
      if (place === null) continue;
      const beneath = isBeneath(share, place.parent, known);
      if (beneath instanceof Promise) return beneath;
      if (!beneath) continue;
      found.push(file);
      break;
    }
  }
  return found;
}

/** Whether a directory is the one in question or lies in it; notes what it learnt of those on the way. */
function isBeneath(share: Share, id: FileId, known: Map<number, boolean>): boolean | Promise<null> {
  const way: FileId[] = [];
  let at = id;
  while (!known.has(at)) {
    way.push(at);
    known.set(at, false);
    const inode = share.inodes.hit(at) ?? share.inodes.load(at);
    if (inode instanceof Promise) return inode.then(() => null);
    if (inode === null) break;
    at = inode.parent as FileId;
  }
  const answer = known.get(at) === true;
  for (const one of way) known.set(one, answer);
  return answer;
}
