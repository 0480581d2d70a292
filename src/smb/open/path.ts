import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { ntStatusOf } from "../status.ts";

/** Deepest path. */
const partsMax = 256;
const nameUnitsMax = 255;

/** Where a path leads: the object, or the directory and name where it would be. */
export interface Resolved {
  readonly parent: Inode;
  /** As it is stored, where it is; "" for the root. */
  readonly name: string;
  readonly inode: Inode | null;
}

/** The parts of a path; a status for one that no share can have (MS-FSCC 2.1.5). */
export function partsOf(path: string): readonly string[] | number {
  if (path.startsWith("\\")) return NtStatus.INVALID_PARAMETER;
  if (path === "") return [];
  const parts = path.split("\\");
  if (parts.at(-1) === "") parts.pop();
  if (parts.length > partsMax) return NtStatus.OBJECT_NAME_INVALID;
  for (const part of parts) {
    if (part === "" || part === "." || part === ".." || part.length > nameUnitsMax) return NtStatus.OBJECT_NAME_INVALID;
    // eslint-disable-next-line no-control-regex
    if (/[\x00-\x1f"*/:<>?|]/.test(part) || !part.isWellFormed()) return NtStatus.OBJECT_NAME_INVALID;
  }
  return parts;
}

/** Walks `parts` from the root. */
export async function resolve(fs: FileSystem, who: Credentials, parts: readonly string[]): Promise<Resolved | number> {
  let parent = await fs.root();
  if (parts.length === 0) return { parent, name: "", inode: parent };
  for (let i = 0; ; i++) {
    const name = parts[i]!;
    const found = await lookup(fs, who, parent, name);
    if (typeof found === "number") return found;
    const last = i === parts.length - 1;
    if (last) return { parent, name: found?.name ?? name, inode: found?.inode ?? null };
    if (found === null || found.inode.type !== FileType.directory) return NtStatus.OBJECT_PATH_NOT_FOUND;
    parent = found.inode;
  }
}

async function lookup(fs: FileSystem, who: Credentials, directory: Inode, name: string): Promise<{ name: string; inode: Inode } | null | number> {
  const exact = await fs.lookup(who, directory.id, name);
  if (!(exact instanceof FsError)) return { name, inode: exact.inode };
  if (exact.code !== "noEntry") return exact.code === "notDirectory" ? NtStatus.OBJECT_PATH_NOT_FOUND : ntStatusOf(exact);
  const folded = name.toLowerCase();
  let cookie = 0;
  let verifier: Uint8Array = new Uint8Array(8);
  for (;;) {
    let left = 1024;
    const page = await fs.readdir(who, directory.id, cookie, verifier, true, () => left-- > 0);
    if (page instanceof FsError) return page.code === "access" ? null : ntStatusOf(page);
    for (const entry of page.entries) {
      cookie = entry.cookie;
      if (entry.inode !== null && entry.cookie > 2 && entry.name.toLowerCase() === folded) return { name: entry.name, inode: entry.inode };
    }
    if (page.end || page.entries.length === 0) return null;
    verifier = page.verifier;
  }
}
