import type { Inode } from "#model/inode.ts";
import { rootId } from "#model/ids.ts";
import { volumeIdOf } from "../info/volume.ts";
import type { Tree } from "../tree/tree.ts";

/** SMB2_CREATE_QUERY_ON_DISK_ID (MS-SMB2 2.2.13.2.9). */
export const fileIdContext = "QFid";
const answerBytes = 32;

/** The answer to it: the file's id and the volume's (MS-SMB2 2.2.14.2.9). `owner`: of a stream the file it belongs to. */
export function fileIdAnswer(tree: Tree, owner: Inode): Uint8Array {
  const bytes = Buffer.alloc(answerBytes);
  bytes.writeUInt32LE(owner.id % 4294967296, 0);
  bytes.writeUInt32LE(Math.floor(owner.id / 4294967296), 4);
  const root = tree.fs!.cached(rootId);
  if (root !== null) volumeIdOf(tree.fs!, root).copy(bytes, 8);
  return new Uint8Array(bytes);
}
