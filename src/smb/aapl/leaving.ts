import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import { after } from "#vfs/maybe.ts";
import type { Open } from "../open/open.ts";
import { AppleStream, openedAppleStream } from "./afp-streams.ts";

/**
 * Decides what becomes of one of Apple's streams with the last close: an empty one goes, and a resource fork that has content stays, whoever
 * asked for its deletion. To be rid of it, its size is set to 0, or its file is deleted.
 */
export function leaveAppleStream(open: Open): Maybe<void> {
  const kind = openedAppleStream(open);
  if (kind === AppleStream.none) return;
  return after(open.tree.fs!.getattr(open.id), (inode) => {
    if (!(inode instanceof FsError)) decide(open, kind, inode.size);
  });
}

function decide({ file, tree }: Open, kind: AppleStream, size: number): void {
  const { file: opens } = file!;
  // Somebody leaves after us.
  if (opens.opens.length > 1) return;
  if (size === 0) {
    if (kind === AppleStream.info || tree.appleClient) file!.deleteOnClose = true;
  } else if (kind === AppleStream.resource) {
    file!.deleteOnClose = false;
    opens.deletion = null;
  }
}
