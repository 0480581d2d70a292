import { FsError } from "#model/fs-error.ts";
import { u32, utf16 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { Open } from "../open/open.ts";
import { partsOf, resolve } from "../open/path.ts";
import { ntStatusOf } from "../status.ts";
import { keepsName, ReplaceFlag } from "./replacing.ts";

/** FILE_LINK_INFORMATION_TYPE_2 (MS-FSCC 2.4.27.2): whether a name in the way goes, and the new name from the share's root. */
const nameLengthAt = 16;
const nameAt = 20;

/** FileLinkInformation and FileLinkInformationEx (MS-FSA 2.1.5.15.7): another name for a file. `flags` are `ReplaceFlag`s; null: unknown ones. */
export async function setLink(open: Open, input: Uint8Array, flags: number | null): Promise<number> {
  if (flags === null) return NtStatus.INVALID_PARAMETER;
  const replaces = (flags & ReplaceFlag.REPLACE_IF_EXISTS) !== 0;
  const length = u32(input, nameLengthAt);
  if (length % 2 !== 0 || length > input.length - nameAt) return NtStatus.INVALID_PARAMETER;
  if (open.directory) return NtStatus.FILE_IS_A_DIRECTORY;
  if (open.ownerId !== open.id) return NtStatus.INVALID_PARAMETER;
  if (open.deletePending) return NtStatus.ACCESS_DENIED;
  const parts = partsOf(utf16(input, nameAt, length).replace(/^\\/, ""));
  if (typeof parts === "number") return parts;
  if (parts.length === 0) return NtStatus.OBJECT_NAME_INVALID;
  const fs = open.tree.fs!;
  const who = open.tree.credentials();
  const to = await resolve(fs, who, parts);
  if (typeof to === "number") return to;
  if (to.inode !== null) {
    if (to.inode.id === open.id) return NtStatus.SUCCESS;
    if (!replaces) return NtStatus.OBJECT_NAME_COLLISION;
    if (keepsName(fs, who, to, flags)) return NtStatus.ACCESS_DENIED;
  }
  const linked = await fs.link(who, open.id, to.parent.id, to.inode === null ? parts.at(-1)! : to.name, replaces);
  return linked instanceof FsError ? ntStatusOf(linked) : NtStatus.SUCCESS;
}
