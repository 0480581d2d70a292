import type { Maybe } from "#base/brand.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { dropsPrivileges } from "../access/attributes.ts";
import { type Changer, changerOf, contentPermissions, Permission } from "../access/permissions.ts";
import { denied, fileTooBig, invalid, jukebox, locked, stale } from "../errors.ts";
import type { Written } from "../file-system.ts";
import { after } from "../maybe.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { durable } from "../operation.ts";
import type { Share } from "../share.ts";
import { beforeContent } from "./opened.ts";
import { dropPrivileges } from "./changing.ts";
import { refuseType } from "./read.ts";

/** WRITE (RFC 1813 §3.3.7). Synchronous when it need not be stable and content has room at once. */
export function write(
  share: Share,
  who: Credentials,
  id: FileId,
  offset: number,
  payload: readonly Uint8Array[],
  length: number,
  stable: boolean,
  by: OpenFile | null,
): Maybe<Written | FsError> {
  const inode = share.inodes.hit(id);
  if (inode === null) return writeUncached(share, who, id, offset, payload, length, stable, by);
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const refused = refuseWrite(share, changer, inode, offset, length, by);
  if (refused !== null) return refused;
  if (length === 0) return { file: { before: inode, after: inode } };
  const held = share.opens.size === 0 ? null : beforeContent(share, id, by);
  if (by !== null) by.modified = true;
  if (held !== null) return after(held, (refused) => refused ?? write(share, who, id, offset, payload, length, stable, by));
  if (dropsPrivileges(inode, changer)) return writeDropping(share, changer, id, offset, payload, length, stable, by);
  const admitted = share.content.admit(length);
  if (admitted instanceof Promise) return writeAdmitted(share, changer, id, offset, payload, length, stable, by, admitted);
  return admitted ?? accept(share, changer, inode, offset, payload, length, stable);
}

/** Hands the bytes to content; nothing is waited for between the look at the inode and this. */
function accept(
  share: Share,
  who: Changer,
  inode: Inode,
  offset: number,
  payload: readonly Uint8Array[],
  length: number,
  stable: boolean,
): Maybe<Written | FsError> {
  const written = share.writeContent(who, inode, offset, payload, length);
  if (written instanceof FsError) return written;
  share.inodes.replace(written);
  return stable ? settle(share, inode, written) : { file: { before: inode, after: written } };
}

/** Waits for room, and judges anew what changed meanwhile. */
async function writeAdmitted(
  share: Share,
  who: Changer,
  id: FileId,
  offset: number,
  payload: readonly Uint8Array[],
  length: number,
  stable: boolean,
  by: OpenFile | null,
  admission: Promise<FsError | null>,
): Promise<Written | FsError> {
  const failed = await admission;
  if (failed !== null) return failed;
  const inode = share.inodes.hit(id) ?? (await share.inodes.load(id));
  if (inode === null) return stale;
  // The share may have been made read-only meanwhile.
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const refused = refuseWrite(share, changer, inode, offset, length, by);
  if (refused !== null) return refused;
  // Opened by somebody meanwhile, who minds.
  const held = share.opens.size === 0 ? null : beforeContent(share, id, by);
  if (held !== null) return (await held) ?? jukebox;
  // Given setuid, or pushed out of the cache, in the meantime: the client tries again.
  if (dropsPrivileges(inode, who) || share.inodes.hit(id) !== inode) return jukebox;
  return accept(share, changer, inode, offset, payload, length, stable);
}

function refuseWrite(share: Share, who: Changer, inode: Inode, offset: number, length: number, by: OpenFile | null): FsError | null {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  if ((contentPermissions(inode, who) & Permission.write) === 0) return denied;
  if (!(offset >= 0 && length >= 0)) return invalid;
  if (offset + length > fileSizeMax) return fileTooBig;
  return share.locks.held !== 0 && share.locks.bars(inode.id, by, offset, length, true) ? locked : null;
}

function writeUncached(
  share: Share,
  who: Credentials,
  id: FileId,
  offset: number,
  payload: readonly Uint8Array[],
  length: number,
  stable: boolean,
  by: OpenFile | null,
): Maybe<Written | FsError> {
  return after(share.inodes.load(id), (inode) => {
    if (inode === null) return stale;
    // Deleted or pushed out of the cache since it was loaded: the next try tells which.
    if (share.inodes.hit(id) === null) return jukebox;
    return write(share, who, id, offset, payload, length, stable, by);
  });
}

/** A write by somebody else than the superuser takes setuid and setgid away first. */
async function writeDropping(
  share: Share,
  who: Changer,
  id: FileId,
  offset: number,
  payload: readonly Uint8Array[],
  length: number,
  stable: boolean,
  by: OpenFile | null,
): Promise<Written | FsError> {
  const dropped = await dropPrivileges(share, who, id);
  return dropped instanceof FsError ? dropped : write(share, who, id, offset, payload, length, stable, by);
}

function settle(share: Share, before: Inode, written: Inode): Maybe<Written | FsError> {
  return after(durable(share, before.id), (failed) => failed ?? { file: { before, after: written } });
}
