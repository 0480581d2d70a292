import type { Maybe } from "#base/brand.ts";
import { Right } from "#model/acl.ts";
import { FsError } from "#model/fs-error.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { streamsOf } from "#model/inode-flags.ts";
import { type LeaseHolder, OpenFile, type OpenRequest, Sharing } from "#vfs/opens/index.ts";
import type { Change, FileSystem, OpenedStream } from "#vfs/file-system.ts";
import { after } from "#vfs/maybe.ts";
import type { Credentials } from "#model/credentials.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { CreateAction, CreateOption, type CreateRequest, Disposition } from "#wire/smb2/create.ts";
import { isHollow } from "../aapl/index.ts";
import { refuseOverwrite } from "../info/making.ts";
import type { Asked } from "../lease/index.ts";
import { grantAccess, momentaryRights } from "../security/granted.ts";
import { ntStatusOf } from "../status.ts";
import type { Resolved } from "./path.ts";
import { raced, Waiting } from "./waiting.ts";

const shareAll = Sharing.read | Sharing.write | Sharing.delete;

/** A stream that was opened; `keeper` keeps its owner's name as long. */
export interface OpenedStreamFile {
  readonly owner: Inode;
  readonly stream: Inode;
  readonly streamName: string;
  readonly file: OpenFile;
  readonly keeper: OpenFile;
  readonly action: CreateAction;
}

/** Who opens a stream, how, and what of. */
export interface StreamRequest {
  readonly fs: FileSystem;
  readonly who: Credentials;
  readonly request: CreateRequest;
  readonly asked: Asked;
  /** A Mac asks. */
  readonly apple: boolean;
  readonly retried: boolean;
  readonly name: string;
  readonly found: Resolved;
  readonly owner: Inode;
  /** The owner was made for it. */
  readonly ownerMade: boolean;
}

/**
 * Opens a named stream of a file or directory that is there (MS-FSA 2.1.5.1): rights are its owner's, share modes and caching its own.
 */
export async function openStream(asks: StreamRequest): Promise<OpenedStreamFile | Waiting | number> {
  const { fs, who, request, owner, name } = asks;
  if ((request.options & CreateOption.DIRECTORY_FILE) !== 0) return NtStatus.NOT_A_DIRECTORY;
  const there = await fs.openStream(who, owner.id, name);
  // The owner went since its name was looked up.
  if (there instanceof FsError && there.code === "stale") return raced;
  if (there instanceof FsError && there.code !== "noEntry") return ntStatusOf(there);
  const stored = there instanceof FsError ? null : there;
  // It is opened as if it were made.
  const existing = stored !== null && isHollow(stored.name, stored.inode, asks.apple) ? null : stored;
  const { disposition } = request;
  const makes = disposition !== Disposition.OPEN && disposition !== Disposition.OVERWRITE;
  if (existing === null && !makes) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (existing !== null && disposition === Disposition.CREATE) return NtStatus.OBJECT_NAME_COLLISION;
  const momentary = existing === null ? (asks.ownerMade ? 0 : Right.writeData) : momentaryRights(disposition);
  if (existing !== null && momentary !== 0) {
    const refused = refuseOverwrite(owner, request.attributes);
    if (refused !== NtStatus.SUCCESS) return refused;
  }
  const given = grantAccess(fs, who, parentOf(asks), owner, request.desiredAccess, momentary, asks.ownerMade);
  if ("refused" in given) return given.refused;
  const stream = stored ?? (await fs.makeStream({ ...who, opened: given.access | momentary }, owner.id, name));
  if (stream instanceof FsError) return stream.code === "stale" || (stream.code === "exists" && disposition !== Disposition.CREATE) ? raced : ntStatusOf(stream);
  return admit(asks, stream, given.access, momentary, existing === null);
}

function parentOf({ found, owner }: StreamRequest): Inode | null {
  return found.name === "" ? null : owner.id === found.parent.id ? null : found.parent;
}

/** Takes its place among the opens of the stream, and one that is in nobody's way among those of the owner. */
async function admit(asks: StreamRequest, stream: OpenedStream, access: number, momentary: number, made: boolean): Promise<OpenedStreamFile | Waiting | number> {
  const { fs, who, request, asked, owner, retried } = asks;
  const deleteOnClose = (request.options & CreateOption.DELETE_ON_CLOSE) !== 0;
  if (deleteOnClose && (access & Right.delete) === 0) return NtStatus.ACCESS_DENIED;
  const place = asks.found.name === "" ? null : { parent: asks.found.parent.id, name: asks.found.name };
  const quiet = { who, momentary: 0, sharing: shareAll, overwrites: false, deleteOnClose: false, caching: null, parentKey: null, retried };
  const keeper = fs.opens.admit(owner.id, { ...quiet, access: Right.readAttributes, place, directory: owner.type === FileType.directory }, noHolder);
  if (!(keeper instanceof OpenFile)) return keeper instanceof FsError ? ntStatusOf(keeper) : new Waiting(keeper);
  const replaces = !made && momentary !== 0;
  const wanted: OpenRequest = {
    who,
    access,
    momentary: replaces ? momentary : 0,
    sharing: request.shareAccess,
    place: { parent: streamsOf(owner.id), name: stream.name },
    directory: false,
    overwrites: replaces,
    deleteOnClose,
    caching: asked.caching,
    parentKey: null,
    retried,
  };
  const file = fs.opens.admit(stream.inode.id, wanted, asked.holder);
  if (!(file instanceof OpenFile)) {
    await giveBack(fs, keeper);
    return file instanceof FsError ? ntStatusOf(file) : new Waiting(file);
  }
  // One of them went while the stream was looked for: from here on neither does without its opens.
  if (isGone(fs, owner) || isGone(fs, stream.inode)) {
    await giveBackBoth(fs, file, keeper);
    return raced;
  }
  const opened = { owner: fs.cached(owner.id) ?? owner, streamName: stream.name, file, keeper };
  if (!replaces) return { ...opened, stream: stream.inode, action: made ? CreateAction.CREATED : CreateAction.OPENED };
  let cut: Change | FsError;
  try {
    cut = await fs.setattr({ ...who, opened: Right.writeData }, stream.inode.id, { size: 0 }, null, file);
  } catch (error) {
    await giveBackBoth(fs, file, keeper);
    throw error;
  }
  if (!(cut instanceof FsError)) {
    return { ...opened, stream: cut.after ?? stream.inode, action: request.disposition === Disposition.SUPERSEDE ? CreateAction.SUPERSEDED : CreateAction.OVERWRITTEN };
  }
  await giveBackBoth(fs, file, keeper);
  return ntStatusOf(cut);
}

/** Lets go of what was taken for a CREATE that comes to nothing: it doesn't have the file go. */
export async function giveBack(fs: FileSystem, file: OpenFile): Promise<void> {
  file.deleteOnClose = false;
  await fs.release(file);
}

/** The same of a stream and its keeper; a name that others had go with their last close may be in want of the store. */
async function giveBackBoth(fs: FileSystem, file: OpenFile, keeper: OpenFile): Promise<void> {
  try {
    await giveBack(fs, file);
  } finally {
    await giveBack(fs, keeper);
  }
}

function isGone(fs: FileSystem, { id }: Inode): boolean {
  const inode = fs.cached(id);
  return inode === null || inode.links === 0;
}

/** Nothing is granted that could be broken. */
const noHolder: LeaseHolder = { broken: () => true };

/** Whether a stream of `owner` is open that lets nobody delete it: then nobody opens the owner for that either (MS-FSA 2.1.5.1.2.2). */
export function streamsForbidDeletion(fs: FileSystem, who: Credentials, owner: Inode): Maybe<boolean> {
  return after(fs.streams(who, owner.id), (streams) => {
    if (streams instanceof FsError) return false;
    return streams.some(({ inode }) => fs.opens.of(inode.id)?.opens.some(({ sharing }) => (sharing & Sharing.delete) === 0) === true);
  });
}
