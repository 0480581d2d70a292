import type { Credentials } from "#model/credentials.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { invalid, locked } from "../errors.ts";
import type { Written } from "../file-system.ts";
import type { OpenFile } from "../opens/open-file.ts";
import type { Share } from "../share.ts";
import { changeContent } from "./changing.ts";

/** Has a range of a file read as zeros and gives back what stored it; the size stays, and nothing lies past it. As durable as an unstable write. */
export async function punch(share: Share, who: Credentials, id: FileId, offset: number, length: number, by: OpenFile | null): Promise<Written | FsError> {
  if (!(offset >= 0 && length >= 0)) return invalid;
  const file = await changeContent(
    share,
    who,
    id,
    by,
    (inode) => {
      const cut = Math.min(length, inode.size - offset);
      return cut > 0 && share.locks.bars(id, by, offset, cut, true) ? locked : null;
    },
    (changer, inode) => share.punchContent(changer, inode, offset, length),
  );
  return "code" in file ? file : { file };
}
