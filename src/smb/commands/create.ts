import { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { Access, type FileSystem } from "#vfs/file-system.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { AccessMask, CreateAction, type CreateContext, CreateOption, type CreateRequest, decodeCreate, Disposition, dispositionMax, encodeCreate } from "#wire/smb2/create.ts";
import type { Call } from "../call.ts";
import { factsOf } from "../open/facts.ts";
import { Open } from "../open/open.ts";
import { partsOf, type Resolved, resolve } from "../open/path.ts";
import { pipes } from "../pipe/index.ts";
import { Pipe } from "../pipe/pipe.ts";
import { ntStatusOf } from "../status.ts";
import { fullAccess } from "./tree-connect.ts";

const fileMode = 0o644;
const directoryMode = 0o755;
const readRights = AccessMask.READ_DATA | AccessMask.READ_EA | AccessMask.READ_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;
const writeRights = AccessMask.WRITE_DATA | AccessMask.APPEND_DATA | AccessMask.WRITE_EA | AccessMask.WRITE_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;
const executeRights = AccessMask.EXECUTE | AccessMask.READ_ATTRIBUTES | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE;

/** CREATE (MS-SMB2 3.3.5.9). */
export async function create(call: Call): Promise<number> {
  const request = decodeCreate(call.bytes, call.base, call.end);
  const status = request === null ? NtStatus.INVALID_PARAMETER : await open(call, request);
  call.relatedStatus = status;
  if (status !== NtStatus.SUCCESS) call.related = null;
  return status;
}

async function open(call: Call, request: CreateRequest): Promise<number> {
  const { fs } = call.tree!;
  if (fs === null) return openPipe(call, request);
  if (request.disposition > dispositionMax) return NtStatus.INVALID_PARAMETER;
  if (call.connection.opens.full) return NtStatus.INSUFFICIENT_RESOURCES;
  const parts = partsOf(request.name);
  if (typeof parts === "number") return parts;
  const who = call.tree!.credentials();
  const found = await resolve(fs, who, parts);
  if (typeof found === "number") return found;
  const opened = await openOrMake(fs, who, found, request);
  if (typeof opened === "number") return opened;
  const { inode, action } = opened;
  const directory = inode.type === FileType.directory;
  const access = await granted(fs, who, inode, request.desiredAccess, action === CreateAction.CREATED);
  if (typeof access === "object") return access.refused;
  const place = parts.length === 0 ? null : { parent: found.parent.id, name: found.name };
  const { opens } = call.connection;
  const one = new Open(opens.next(), call.tree!, inode.id, directory, access, place, parts.join("\\"));
  one.deleteOnClose = (request.options & CreateOption.DELETE_ON_CLOSE) !== 0;
  if (one.deleteOnClose && (access & AccessMask.DELETE) === 0) return NtStatus.ACCESS_DENIED;
  opens.add(one);
  call.related = one;
  encodeCreate(call.w, call.answerAt, 0, action, factsOf(inode), one.fileId, contextsFor(request));
  return NtStatus.SUCCESS;
}

/** A pipe of IPC$ (MS-SMB2 3.3.5.9, "if the share is a named pipe share"). */
function openPipe(call: Call, request: CreateRequest): number {
  const served = pipes.get(request.name.toLowerCase().replace(/^\\/, ""));
  if (served === undefined) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const { opens } = call.connection;
  if (opens.full) return NtStatus.INSUFFICIENT_RESOURCES;
  const one = new Open(opens.next(), call.tree!, 0 as FileId, false, fullAccess, null, request.name);
  one.pipe = new Pipe(request.name, served(call.connection.server));
  opens.add(one);
  call.related = one;
  const zero = Time.zero;
  const facts = { creationTime: zero, accessTime: zero, writeTime: zero, changeTime: zero, allocationBytes: 4096, endOfFile: 0, attributes: FileAttribute.NORMAL };
  encodeCreate(call.w, call.answerAt, 0, CreateAction.OPENED, facts, one.fileId, []);
  return NtStatus.SUCCESS;
}

interface Opened {
  readonly inode: Inode;
  readonly action: number;
}

/** What the disposition makes of what there is (MS-SMB2 2.2.13, MS-FSA 2.1.5.1). */
async function openOrMake(fs: FileSystem, who: Credentials, found: Resolved, request: CreateRequest): Promise<Opened | number> {
  const { disposition, options } = request;
  const wantsDirectory = (options & CreateOption.DIRECTORY_FILE) !== 0;
  const { inode } = found;
  if (inode === null) {
    if (disposition === Disposition.OPEN || disposition === Disposition.OVERWRITE) return NtStatus.OBJECT_NAME_NOT_FOUND;
    return make(fs, who, found, wantsDirectory);
  }
  if (disposition === Disposition.CREATE) return NtStatus.OBJECT_NAME_COLLISION;
  const directory = inode.type === FileType.directory;
  if (wantsDirectory && !directory) return NtStatus.NOT_A_DIRECTORY;
  if (directory && (options & CreateOption.NON_DIRECTORY_FILE) !== 0) return NtStatus.FILE_IS_A_DIRECTORY;
  if (disposition === Disposition.OPEN || disposition === Disposition.OPEN_IF) return { inode, action: CreateAction.OPENED };
  if (directory) return NtStatus.INVALID_PARAMETER;
  const cut = await fs.setattr(who, inode.id, { size: 0 }, null);
  if (cut instanceof FsError) return ntStatusOf(cut);
  return { inode: cut.after ?? inode, action: disposition === Disposition.SUPERSEDE ? CreateAction.SUPERSEDED : CreateAction.OVERWRITTEN };
}

async function make(fs: FileSystem, who: Credentials, { parent, name }: Resolved, directory: boolean): Promise<Opened | number> {
  const made = directory
    ? await fs.mkdir(who, parent.id, name, { mode: directoryMode })
    : await fs.create(who, parent.id, name, { mode: "guarded", attributes: { mode: fileMode } });
  return made instanceof FsError ? ntStatusOf(made) : { inode: made.inode, action: CreateAction.CREATED };
}

/** The rights asked for, generic ones resolved, if mode bits and grants allow them all; MAXIMUM_ALLOWED gives what they allow. */
async function granted(fs: FileSystem, who: Credentials, inode: Inode, desired: number, made: boolean): Promise<number | { refused: number }> {
  let wanted = desired & fullAccess;
  if ((desired & AccessMask.GENERIC_READ) !== 0) wanted |= readRights;
  if ((desired & AccessMask.GENERIC_WRITE) !== 0) wanted |= writeRights;
  if ((desired & AccessMask.GENERIC_EXECUTE) !== 0) wanted |= executeRights;
  if ((desired & AccessMask.GENERIC_ALL) !== 0) wanted |= fullAccess;
  if (made) return (desired & AccessMask.MAXIMUM_ALLOWED) === 0 ? wanted : fullAccess;
  const all = Access.read | Access.lookup | Access.modify | Access.extend | Access.delete | Access.execute;
  const answer = await fs.access(who, inode.id, all);
  if (answer instanceof FsError) return { refused: ntStatusOf(answer) };
  const may = rightsOf(answer.granted, who.superuser || who.access === "admin" || who.uid === inode.uid);
  if ((desired & AccessMask.MAXIMUM_ALLOWED) !== 0) wanted |= may;
  return (wanted & ~may) === 0 ? wanted : { refused: NtStatus.ACCESS_DENIED };
}

/** Rights that ACCESS bits stand for; whoever looks may look at attributes, and the owner may change them. */
function rightsOf(bits: number, owner: boolean): number {
  let rights = AccessMask.READ_ATTRIBUTES | AccessMask.READ_EA | AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE | AccessMask.DELETE;
  if ((bits & Access.read) !== 0) rights |= AccessMask.READ_DATA;
  if ((bits & (Access.execute | Access.lookup)) !== 0) rights |= AccessMask.EXECUTE;
  if ((bits & Access.modify) !== 0) rights |= AccessMask.WRITE_DATA | AccessMask.APPEND_DATA | AccessMask.WRITE_EA | AccessMask.WRITE_ATTRIBUTES | AccessMask.DELETE_CHILD;
  if (owner) rights |= AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER | AccessMask.WRITE_ATTRIBUTES;
  return rights;
}

/** Answers to the contexts that are understood (MS-SMB2 2.2.14.2): maximal access. */
function contextsFor(request: CreateRequest): readonly CreateContext[] {
  const answers: CreateContext[] = [];
  for (const { name } of request.contexts) {
    if (name !== "MxAc") continue;
    const data = new Uint8Array(8);
    new DataView(data.buffer).setUint32(4, fullAccess, true);
    answers.push({ name, data });
  }
  return answers;
}
