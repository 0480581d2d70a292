import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType } from "#model/inode.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { encodeStopped, type SymlinkTarget } from "#wire/smb2/reparse.ts";
import { shownName } from "./names.ts";
import { resolve } from "./path.ts";

/** A stored target as SMB has it: parts separated by backslashes, characters that names can't have as those that stand for them. */
export function shownTarget(target: Uint8Array): SymlinkTarget {
  const text = Buffer.from(target.buffer, target.byteOffset, target.byteLength).toString("utf8");
  const parts = text.split("/").map((part) => (part === "" || part === "." || part === ".." ? part : shownName(part)));
  return { target: parts.join("\\"), relative: !text.startsWith("/") };
}

/**
 * What a client is told whose path, as it gave it and as parts, meets a symbolic link (MS-SMB2 2.2.2.2.1): where the link leads and how much
 * of the path is behind it. Null: there is none any more.
 */
export async function stoppedOn(fs: FileSystem, who: Credentials, path: string, parts: readonly string[]): Promise<Uint8Array | null> {
  const given = path.split("\\").filter((part) => part !== "");
  for (let i = 0; i < parts.length; i++) {
    const found = await resolve(fs, who, parts.slice(0, i + 1));
    if (typeof found === "number" || found.inode === null) return null;
    if (found.inode.type !== FileType.symlink) continue;
    const link = await fs.readlink(who, found.inode.id);
    if (link instanceof FsError) return null;
    const behind = given.length === parts.length ? given.slice(i + 1) : parts.slice(i + 1).map(shownName);
    return encodeStopped(shownTarget(link.target), behind.reduce((sum, part) => sum + 2 * (part.length + 1), 0));
  }
  return null;
}
