import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import type { Open } from "../open/open.ts";
import { AppleStream, openedAppleStream } from "./afp-streams.ts";

/**
 * Decides what becomes of one of Apple's streams with the last close: an empty one goes, and a resource fork that has content stays, whoever
 * asked for its deletion. To be rid of it, its size is set to 0, or its file is deleted.
 */
export function leaveAppleStream(open: Open): Maybe<void> {
  const kind = openedAppleStream(open);
  if (kind === AppleStream.none) return;
  const inode = open.tree.fs!.getattr(open.id);
  return inode instanceof Promise ? decideLate(open, kind, inode) : decide(open, kind, inode);
}

async function decideLate(open: Open, kind: AppleStream, read: Promise<Inode | FsError>): Promise<void> {
  try {
    decide(open, kind, await read);
  } catch (error) {
    // One that may have content stays.
    if (open.file!.file.opens.length === 1) keep(open);
    throw error;
  }
}

function decide(open: Open, kind: AppleStream, inode: Inode | FsError): void {
  const { file, tree } = open;
  // Somebody leaves after us.
  if (inode instanceof FsError || file!.file.opens.length > 1) return;
  if (inode.size === 0) {
    if (kind === AppleStream.info || tree.appleClient) file!.deleteOnClose = true;
  } else if (kind === AppleStream.resource) keep(open);
}

function keep({ file }: Open): void {
  file!.deleteOnClose = false;
  file!.file.deletion = null;
}
