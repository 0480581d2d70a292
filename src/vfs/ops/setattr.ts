import { type Time, timeAfter } from "#base/time.ts";
import type { Change as StoreChange, Condition } from "#model/change-set.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import { type AttributeColumns, decideAttributes, dropsPrivileges, withoutPrivileges } from "../access/attributes.ts";
import { type Changer, changerOf, contentPermissions, Permission } from "../access/permissions.ts";
import { denied, fileTooBig, invalid, locked, notSync, stale } from "../errors.ts";
import type { AttributeRequest, Change } from "../file-system.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { durable, Operation, untilApplied } from "../operation.ts";
import type { Share } from "../share.ts";
import { beforeContent } from "./opened.ts";
import { refuseType } from "./read.ts";
import { underAttributes } from "./security.ts";

/** A SETATTR across its decisions: what it did once it must not do again. */
interface Progress {
  /** The file before it was cut or extended; set once that is done. */
  before: Inode | null;
  truncated: boolean;
}

/** SETATTR (RFC 1813 §3.3.2). Size goes through content, everything else is one change set; both are durable at the answer. */
export async function setattr(share: Share, who: Credentials, id: FileId, request: AttributeRequest, guard: Time | null, by: OpenFile | null = null): Promise<Change | FsError> {
  const changer = changerOf(share.policy, who);
  if (changer instanceof FsError) return changer;
  const progress: Progress = { before: null, truncated: false };
  const change = await untilApplied((attempt) => attemptSet(share, changer, id, request, guard, by, progress, attempt));
  if (change instanceof FsError || !progress.truncated) return change;
  return (await durable(share, id)) ?? change;
}

async function attemptSet(
  share: Share,
  who: Changer,
  id: FileId,
  request: AttributeRequest,
  guard: Time | null,
  by: OpenFile | null,
  progress: Progress,
  attempt: number,
): Promise<Change | FsError | null> {
  const row = guard === null ? null : await share.store.inode(id);
  if (share.inodes.hit(id) === null && (await share.inodes.load(id)) === null) return stale;
  // From here to the truncation nothing is waited for: the inode content is given is the current one.
  const inode = share.inodes.hit(id);
  if (inode === null) return null;
  const at = timeAfter(inode.ctime, share.clock.now());
  const refused = request.size === undefined ? null : refuseSize(inode, who, request.size);
  if (refused !== null) return refused;
  const columns = decideAttributes(inode, who, request, at);
  if (columns instanceof FsError) return columns;
  if (guard !== null && !progress.truncated && !inode.ctime.equals(guard)) return notSync;
  if (request.size !== undefined && !progress.truncated) {
    const held = beforeContent(share, id, by);
    if (held !== null) return held;
    if (by === null && share.locks.held !== 0 && barsSize(share, inode, request.size)) return locked;
    const cut = share.truncate(who, inode, request.size, at);
    if (cut instanceof FsError) return cut;
    share.inodes.replace(cut);
    progress.before = inode;
    progress.truncated = true;
  }
  if (request.size !== undefined && columns.mode === null && dropsPrivileges(inode, who)) columns.mode = withoutPrivileges(inode.mode);
  const guarded = progress.truncated ? null : (row?.ctime ?? null);
  return store(share, who, inode, columns, guarded, progress, attempt);
}

/** Whether somebody has locked what a caller without opens would cut off or lay on. */
function barsSize({ locks }: Share, { id, size }: Inode, wanted: number): boolean {
  return locks.bars(id, null, Math.min(size, wanted), Math.abs(size - wanted), true);
}

function refuseSize(inode: Inode, who: Changer, size: number): FsError | null {
  const refused = refuseType(inode);
  if (refused !== null) return refused;
  if (!(size >= 0)) return invalid;
  if (size > fileSizeMax) return fileTooBig;
  return (contentPermissions(inode, who) & Permission.write) === 0 ? denied : null;
}

/** Stores the columns; `guarded`: the stored ctime that must not have changed since the guard was compared. */
async function store(
  share: Share,
  who: Changer,
  inode: Inode,
  columns: AttributeColumns,
  guarded: Time | null,
  progress: Progress,
  attempt: number,
): Promise<Change | FsError | null> {
  const id = inode.id;
  const current = share.inodes.hit(id);
  if (current === null) return null;
  // A size ends the memory of an exclusive create as any attribute does; who asks for nothing was checked for no right to.
  const forgets = progress.truncated && current.createVerifier !== null;
  if (!forgets && !writesAnything(columns)) return { before: progress.before ?? current, after: current };
  // A file without a name is somebody's who has it open: it is there as long as its version is.
  const conditions: Condition[] = current.links > 0 ? [{ is: "live", id }] : [{ is: "attributeVersion", id, version: inode.attributeVersion }];
  // Who may change mode or owner, and what becomes of the DOS attributes, was decided from these very columns; times alone may race.
  const secured = columns.mode !== null || columns.uid !== null || columns.gid !== null;
  if (secured || columns.flags !== null) conditions.push({ is: "attributeVersion", id, version: inode.attributeVersion });
  if (guarded !== null) conditions.push({ is: "changeTime", id, ctime: guarded });
  const security = secured ? underAttributes(current, columns, timeAfter(current.ctime, share.clock.now())) : null;
  const change = changeOf(share, current, columns);
  const operation = new Operation(conditions, security === null ? [change] : [change, security], id);
  const touched = await share.apply(who, operation, attempt);
  if (touched === null || touched instanceof FsError) return touched;
  const before = progress.before ?? operation.before ?? inode;
  return { before, after: operation.after ?? share.inodes.hit(id) };
}

function writesAnything({ mode, uid, gid, atime, mtime, birth, flags }: AttributeColumns): boolean {
  return mode !== null || uid !== null || gid !== null || atime !== null || mtime !== null || birth !== null || flags !== null;
}

function changeOf(share: Share, inode: Inode, columns: AttributeColumns): StoreChange {
  const regular = inode.type === FileType.regular;
  return {
    do: "setAttributes",
    id: inode.id,
    at: timeAfter(inode.ctime, share.clock.now()),
    ...(columns.mode === null ? null : { mode: columns.mode }),
    ...(columns.uid === null ? null : { uid: columns.uid }),
    ...(columns.gid === null ? null : { gid: columns.gid }),
    ...(columns.atime === null ? null : { atime: columns.atime }),
    ...(columns.mtime === null ? null : { mtime: columns.mtime }),
    ...(columns.mtime === null || !regular ? null : { mtimeSequence: share.content.sequence() }),
    ...(inode.createVerifier === null ? null : { createVerifier: null }),
    ...(columns.birth === null ? null : { birth: columns.birth }),
    ...(columns.flags === null ? null : { flags: { clear: InodeFlag.dosMask, set: columns.flags } }),
  };
}
