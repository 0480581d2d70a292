import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType } from "#model/inode.ts";
import type { Deletion, FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { remove } from "./remove.ts";
import { rmdir } from "./rmdir.ts";

/** Ends an open (MS-FSA 2.1.5.4). The name goes with the last open of the file. */
export function release(share: Share, open: OpenFile): Maybe<FsError | null> {
  if (open.closed) return null;
  const { file } = open;
  if (share.locks.held !== 0) share.locks.release(file.id, open);
  if (open.deleteOnClose && open.place !== null) file.deletion ??= { place: open.place, who: open.who };
  if (!share.opens.remove(open)) return null;
  if (file.orphaned) {
    const type = share.inodes.hit(file.id)?.type ?? FileType.regular;
    share.letGo(file.id, type, true);
    return null;
  }
  return file.deletion === null ? null : deleteNamed(share, file, file.deletion);
}

async function deleteNamed(share: Share, file: FileOpens, { place, who }: Deletion): Promise<FsError | null> {
  // Nobody opens it between its last close and its end.
  share.opens.beginRemoving(file.id);
  try {
    const inode = await share.inodes.load(file.id);
    if (inode === null) return null;
    const take = inode.type === FileType.directory ? rmdir : remove;
    const outcome = await take(share, who, place.parent, place.name, file.id);
    return outcome instanceof FsError ? outcome : null;
  } finally {
    share.opens.endRemoving(file.id);
  }
}
