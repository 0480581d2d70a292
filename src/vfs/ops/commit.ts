import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { stale } from "../errors.ts";
import type { Written } from "../file-system.ts";
import { after } from "../maybe.ts";
import { durable, unchanged } from "../operation.ts";
import type { Share } from "../share.ts";
import { refuseType } from "./read.ts";

/**
 * COMMIT (RFC 1813 §3.3.21). It changes nothing a reader sees and tells nothing, so it takes no permission, not even one of the
 * share: a writer whose right was taken away meanwhile must still learn what became of his data.
 */
export function commit(share: Share, _who: Credentials, id: FileId): Maybe<Written | FsError> {
  return after(share.inodes.load(id), (inode) => (inode === null ? stale : commitFile(share, inode)));
}

function commitFile(share: Share, inode: Inode): Maybe<Written | FsError> {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  return after(durable(share, inode.id), (failed) => failed ?? { file: unchanged(share.inodes.hit(inode.id) ?? inode) });
}
