import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import type { FileSystem } from "#vfs/file-system.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { decodeReparse, decodeSymlink, encodeStopped, ReparseTag, type SymlinkTarget } from "#wire/smb2/reparse.ts";
import { shownName, storedName } from "./names.ts";
import { resolve } from "./path.ts";

/** A stored target as SMB has it: parts separated by backslashes, characters that names can't have as those that stand for them. */
export function shownTarget(target: Uint8Array): SymlinkTarget {
  const text = Buffer.from(target.buffer, target.byteOffset, target.byteLength).toString("utf8");
  const parts = text.split("/").map((part) => (part === "" || part === "." || part === ".." ? part : shownName(part)));
  return { target: parts.join("\\"), relative: !text.startsWith("/") };
}

/** What is stored for a relative target of a client's. */
export function storedTarget(target: string): Uint8Array {
  return Buffer.from(target.split("\\").map(storedName).join("/"), "utf8");
}

/** Whether a path stops there, but for a client that asks for the reparse point itself. */
export function stops(inode: Inode): boolean {
  return inode.type === FileType.symlink || (inode.flags & InodeFlag.reparse) !== 0;
}

/**
 * What a client is told whose path, as it gave it and as parts, meets a symbolic link (MS-SMB2 2.2.2.2.1): where the link leads and how much
 * of the path is behind it. A status: there is none any more, or a reparse point of another kind, which nobody here knows.
 */
export async function stoppedOn(fs: FileSystem, who: Credentials, path: string, parts: readonly string[]): Promise<Uint8Array | NtStatus> {
  const given = path.split("\\").filter((part) => part !== "");
  for (let i = 0; i < parts.length; i++) {
    const found = await resolve(fs, who, parts.slice(0, i + 1));
    if (typeof found === "number" || found.inode === null) return NtStatus.OBJECT_NAME_NOT_FOUND;
    if (!stops(found.inode)) continue;
    const link = await linkOf(fs, who, found.inode);
    if (typeof link === "number") return link;
    const behind = given.length === parts.length ? given.slice(i + 1) : parts.slice(i + 1).map(shownName);
    return encodeStopped(link, behind.reduce((sum, part) => sum + 2 * (part.length + 1), 0));
  }
  return NtStatus.OBJECT_NAME_NOT_FOUND;
}

async function linkOf(fs: FileSystem, who: Credentials, inode: Inode): Promise<SymlinkTarget | NtStatus> {
  if (inode.type === FileType.symlink) {
    const link = await fs.readlink(who, inode.id);
    return link instanceof FsError ? NtStatus.OBJECT_NAME_NOT_FOUND : shownTarget(link.target);
  }
  const kept = await fs.xattr(who, inode.id, XattrName.reparse);
  const point = kept === null || kept instanceof FsError ? null : decodeReparse(kept);
  if (point === null || point.tag !== ReparseTag.SYMLINK) return NtStatus.IO_REPARSE_TAG_NOT_HANDLED;
  return decodeSymlink(point) ?? NtStatus.IO_REPARSE_TAG_NOT_HANDLED;
}
