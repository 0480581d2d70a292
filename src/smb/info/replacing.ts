import { Right } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { u32 } from "#wire/le.ts";
import { attributesOf } from "../open/facts.ts";
import type { Resolved } from "../open/path.ts";
import { maximalAccess } from "../security/granted.ts";

/** What becomes of a file that has the name another gets: flags of FileRenameInformationEx and FileLinkInformationEx (MS-FSCC 2.4.43, 2.4.28). */
export const ReplaceFlag = { REPLACE_IF_EXISTS: 0x1, POSIX_SEMANTICS: 0x2, IGNORE_READONLY_ATTRIBUTE: 0x40 } as const;
const flagsKnown = ReplaceFlag.REPLACE_IF_EXISTS | ReplaceFlag.POSIX_SEMANTICS | ReplaceFlag.IGNORE_READONLY_ATTRIBUTE;

/** The flags FileRenameInformation and FileLinkInformation begin with: whether a file in the way goes. */
export function replaceFlag(input: Uint8Array): number {
  return input[0] === 0 ? 0 : ReplaceFlag.REPLACE_IF_EXISTS;
}

/** The flags the newer classes begin with; null where one of them is not known. */
export function replaceFlags(input: Uint8Array): number | null {
  const flags = u32(input, 0);
  return (flags & ~flagsKnown) === 0 ? flags : null;
}

/** Whether a file keeps its name as it is read-only: it goes only for whoever says that he means it, and might make it writable (MS-FSA 2.1.5.15.11). */
export function keepsName(fs: FileSystem, who: Credentials, { parent, inode }: Resolved, flags: number): boolean {
  if (inode === null || (attributesOf(inode) & FileAttribute.READONLY) === 0) return false;
  return (flags & ReplaceFlag.IGNORE_READONLY_ATTRIBUTE) === 0 || (maximalAccess(fs, who, parent, inode) & Right.writeAttributes) === 0;
}
