import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { Cause } from "../opens/caching.ts";
import { ownerOfStreams } from "#model/inode-flags.ts";
import type { Deletion, FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { remove, rmdir } from "./remove.ts";
import { removeStream } from "./streams.ts";

/** Ends an open (MS-FSA 2.1.5.4). The name goes with the last open of the file. */
export function release(share: Share, open: OpenFile): Maybe<FsError | null> {
  if (open.closed) return null;
  if (share.locks.held !== 0) share.locks.release(open.file.id, open);
  const recorded = share.persistent?.released(open) ?? null;
  const ended = end(share, open);
  return recorded === null ? ended : Promise.all([ended, recorded]).then(([outcome]) => outcome);
}

function end(share: Share, open: OpenFile): Maybe<FsError | null> {
  const { file } = open;
  if (open.deleteOnClose && open.place !== null && file.deletion === null) {
    file.deletion = { place: open.place, who: open.who };
    // Handles that are only kept would keep the name.
    file.breakFor(Cause.name, open);
    if (share.notify.size !== 0) share.notify.removing(file.id);
  }
  if (open.modified && open.place !== null) share.opens.directoryChanged(open.place.parent, open.parentKey);
  if (!share.opens.remove(open)) return null;
  if (file.orphaned) {
    const type = share.inodes.hit(file.id)?.type ?? FileType.regular;
    share.letGo(file.id, type, true);
    return null;
  }
  return file.deletion === null ? null : deleteNamed(share, file);
}

/** Nobody opens it between its last close and its end. Whoever renames it at that moment only has it take another name along. */
async function deleteNamed(share: Share, file: FileOpens): Promise<FsError | null> {
  share.opens.beginDeleting(file);
  try {
    for (;;) {
      const deletion = file.deletion!;
      const refused = await deleteAt(share, file.id, deletion);
      if (file.deletion === deletion || refused === null || refused.code !== "noEntry") return refused;
    }
  } finally {
    share.opens.endDeleting(file);
  }
}

async function deleteAt(share: Share, id: FileId, { place, who }: Deletion): Promise<FsError | null> {
  const inode = await share.inodes.load(id);
  if (inode === null) return null;
  const owner = ownerOfStreams(place.parent);
  if (owner !== 0) return errorOf(await removeStream(share, who, owner as FileId, place.name, id));
  const take = inode.type === FileType.directory ? rmdir : remove;
  return errorOf(await take(share, who, place.parent, place.name, id));
}

function errorOf(outcome: unknown): FsError | null {
  return outcome instanceof FsError ? outcome : null;
}
