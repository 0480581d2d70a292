import type { Maybe } from "#base/brand.ts";
import { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Lease, OpenFile } from "#vfs/opens/index.ts";
import { FileAttribute } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { CreateAction, type CreateContext, CreateOption, type CreateRequest, decodeCreate, encodeCreate, OplockLevel } from "#wire/smb2/create.ts";
import { type AppInstance, decodeAppInstance, type DurableAsk, durableAnswer } from "#wire/smb2/durable.ts";
import { type LeaseContext, leaseContextName } from "#wire/smb2/lease.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { encodeError, encodeErrorContext } from "#wire/smb2/query.ts";
import type { Call } from "../call.ts";
import { type Answered, createDurably, makeDurable, notPersistent, persist, takeOver } from "../durable/index.ts";
import type { Tree } from "../tree/tree.ts";
import { maximalAccessAnswer, maximalAccessContext } from "../security/maximal-access.ts";
import { maximalAccess } from "../security/granted.ts";
import { answerOthers } from "../open/answered-contexts.ts";
import { shownModes } from "../info/set-file.ts";
import { allRights } from "#model/acl.ts";
import { refuseRequest } from "../open/create-checks.ts";
import { type Asked, askedFor, LeaseClient, oplockOf } from "../lease/index.ts";
import { askedRoom, reserve, withRoom } from "../open/allocation.ts";
import { closeOpen } from "../open/closing.ts";
import { factsOfStream } from "../aapl/index.ts";
import { factsOf } from "../open/facts.ts";
import { Open } from "../open/open.ts";
import { type Opened, Opening } from "../open/opening.ts";
import { parsePath, type SmbPath, StreamType } from "../open/path.ts";
import { shownName, shownPath } from "../open/names.ts";
import { stoppedOn } from "../open/stopped.ts";
import type { SmbServer } from "../server.ts";
import { sessionOpensMax } from "../session/session.ts";
import { toldWhenSlow } from "../pending.ts";
import { pipes } from "../pipe/index.ts";
import { Pipe } from "../pipe/pipe.ts";

const timewarpContext = "TWrp";
const noContexts: readonly CreateContext[] = [];

/** CREATE (MS-SMB2 3.3.5.9). */
export function create(call: Call): Maybe<number> {
  const request = decodeCreate(call.bytes, call.base, call.end);
  if (request === null) return ended(call, NtStatus.INVALID_PARAMETER);
  const status = call.tree!.fs === null ? openPipe(call, request) : createDurably(call, request, openFile, answer);
  return status instanceof Promise ? toldWhenSlow(call, status).then((settled) => stoppedOr(call, request, settled)) : stoppedOr(call, request, status);
}

function stoppedOr(call: Call, request: CreateRequest, status: number): Maybe<number> {
  return status === NtStatus.STOPPED_ON_SYMLINK ? stopped(call, request) : ended(call, status);
}

function ended(call: Call, status: number): number {
  call.relatedStatus = status;
  if (status !== NtStatus.SUCCESS) call.related = null;
  return status;
}

function openFile(call: Call, request: CreateRequest, ask: DurableAsk | null): Maybe<Open | number> {
  const refused = refuseRequest(request);
  if (refused !== NtStatus.SUCCESS) return refused;
  // No earlier state of a file is kept to be opened (MS-SMB2 2.2.13.2.7).
  if (request.contexts.some(({ name, data }) => name === timewarpContext && data.some((byte) => byte !== 0))) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (!mayOpen(call)) return NtStatus.INSUFFICIENT_RESOURCES;
  const path = parsePath(request.name);
  if (typeof path === "number") return path;
  const typed = typedRequest(path, request);
  if (typeof typed === "number") return typed;
  const asked = askedFor(call.connection, request);
  if (asked === null) return NtStatus.INVALID_PARAMETER;
  const creating = new Creating(call, typed, ask, asked);
  if (creating.instance === null) return run(creating, path);
  return takeOver(call, request, creating.instance).then((taken) => (taken === NtStatus.SUCCESS ? run(creating, path) : taken));
}

/** A CREATE of a file, with what its contexts come to. */
class Creating {
  readonly call: Call;
  readonly request: CreateRequest;
  readonly ask: DurableAsk | null;
  readonly asked: Asked;
  readonly instance: AppInstance | null;

  constructor(call: Call, request: CreateRequest, ask: DurableAsk | null, asked: Asked) {
    this.call = call;
    this.request = request;
    this.ask = ask;
    this.asked = asked;
    this.instance = this.repeatable ? decodeAppInstance(request.contexts) : null;
  }

  /** Its client may send it again. */
  get repeatable(): boolean {
    return this.ask !== null && this.ask.version === 2;
  }

  /** Waits until others gave up what they cache; the first time the client is told that it will take a while. */
  async wait(until: Promise<void>): Promise<NtStatus> {
    const { call } = this;
    if (call.tree!.ended) return NtStatus.NETWORK_NAME_DELETED;
    let cancel: () => void = () => {};
    const cancelled = new Promise<void>((resolve) => (cancel = resolve));
    if (call.pending !== null) call.pending.waitsElse(cancel);
    else if (call.pend(cancel) === null) return NtStatus.INSUFFICIENT_RESOURCES;
    const { waits } = call.tree!;
    waits.add(cancel);
    await Promise.race([until, cancelled]);
    waits.delete(cancel);
    if (call.pending?.cancelled !== true) return call.tree!.ended ? NtStatus.NETWORK_NAME_DELETED : NtStatus.SUCCESS;
    // The client lost this connection and has others: it asks by one of them what became of the request.
    if (!this.repeatable || !call.connection.transport.closed || !call.session!.valid) return NtStatus.CANCELLED;
    await until;
    return NtStatus.SUCCESS;
  }
}

function run(creating: Creating, path: SmbPath): Maybe<Open | number> {
  const tree = creating.call.tree!;
  const opened = new Opening(tree, path, creating.request, creating.asked, creating).run();
  return opened instanceof Promise ? opened.then((arrived) => begin(creating, arrived)) : begin(creating, opened);
}

/** Makes the open of what was opened, and answers. */
function begin(creating: Creating, opened: Opened | number): Maybe<Open | number> {
  if (typeof opened === "number") return opened;
  const { call, request, ask, instance } = creating;
  const { server } = call.connection;
  const { inode, file, stream, action } = opened;
  const one = new Open(server.opens.next(), call.tree!, file.file.id, stream === null && inode.type === FileType.directory, file.access, file, namedBy(opened));
  one.ownerId = inode.id;
  one.keeper = stream?.keeper ?? null;
  one.mode = request.options & shownModes;
  one.action = action;
  one.instance = instance;
  one.channelSequence = call.header.channelSequence;
  if (ask !== null) makeDurable(call, one, ask);
  const persisted = persist(server, one);
  if (persisted instanceof Promise) return persisted.then((done) => recorded(creating, opened, one, done));
  return recorded(creating, opened, one, persisted);
}

function recorded(creating: Creating, opened: Opened, one: Open, persisted: boolean): Maybe<Open | number> {
  if (!persisted) notPersistent(one);
  const settles = settled(creating.call, one);
  if (settles instanceof Promise) return settles.then((stays) => (stays ? complete(creating, opened, one) : NtStatus.FILE_CLOSED));
  return complete(creating, opened, one);
}

function complete({ call, request, asked }: Creating, { inode, file, stream, action, parent }: Opened, one: Open): Open {
  call.connection.server.durables.join(one);
  call.related = one;
  if (action !== CreateAction.OPENED && !one.directory) reserve(one, askedRoom(request));
  const facts = withRoom(one, stream === null ? factsOf(inode) : factsOfStream(inode, stream.inode, stream.name));
  const oplock = oplockLevel(asked, file);
  answer(call, { request, open: one, parent, inode, facts, action, oplock, lease: asked.context, durable: one.durable !== null });
  if (file.lease !== null) tellOfBreaks(call, asked, one, file.lease);
  return one;
}

/** Whether there may be one open file more, of the session and of all. */
function mayOpen(call: Call): boolean {
  return !call.connection.server.opens.full && call.session!.opens < sessionOpensMax;
}

/** The open is its session's; or, where that ended meanwhile, waits for its client, or (false) is closed. */
function settled(call: Call, one: Open): true | Promise<boolean> {
  const { server } = call.connection;
  const { session, tree } = call;
  if (session!.valid && session!.trees.get(tree!.id) === tree) {
    server.opens.add(one);
    return true;
  }
  return !session!.valid && server.durables.detach(one) ? true : closed(server, one);
}

async function closed(server: SmbServer, one: Open): Promise<boolean> {
  await closeOpen(server, one);
  return false;
}

/** What a CREATE that succeeded is answered. */
function answer(call: Call, { request, open: one, parent, inode, facts, action, oplock, lease, durable }: Answered): void {
  if (request.contexts.length === 0) {
    encodeCreate(call.w, call.answerAt, oplock, action, facts, one, noContexts);
    return;
  }
  const contexts = contextsFor(call.tree!, request, lease, one.file!, mostAccess(call, parent, inode));
  if (durable) contexts.push(durableAnswer(one.durable!.version, one.durable!.timeoutMs, one.durable!.persistent));
  encodeCreate(call.w, call.answerAt, oplock, action, facts, one, contexts);
}

/** The request as what its path's type makes of it (MS-FSCC 2.1.5.4): `::$DATA` is of no directory, `:$I30:$INDEX_ALLOCATION` of nothing else. */
function typedRequest({ stream, type }: SmbPath, request: CreateRequest): CreateRequest | NtStatus {
  if (stream !== null || type === null) return request;
  const directory = (request.options & CreateOption.DIRECTORY_FILE) !== 0;
  if (type === StreamType.data) {
    return directory ? NtStatus.NOT_A_DIRECTORY : { ...request, options: request.options | CreateOption.NON_DIRECTORY_FILE };
  }
  return { ...request, options: request.options | CreateOption.DIRECTORY_FILE };
}

/** The path as clients are told it, or what that is made from. */
function namedBy({ parts, stream }: Opened): string | readonly string[] {
  return stream === null ? parts : `${shownPath(parts)}:${shownName(stream.name)}`;
}

/** The path met a symbolic link, which is for the client to follow (MS-SMB2 2.2.2). */
async function stopped(call: Call, request: CreateRequest): Promise<number> {
  const path = parsePath(request.name);
  const data = typeof path === "number" ? path : await stoppedOn(call.tree!.fs!, call.tree!.credentials(), request.name, path.parts);
  const status = typeof data === "number" ? data : NtStatus.STOPPED_ON_SYMLINK;
  call.relatedStatus = status;
  call.related = null;
  if (typeof data === "number") return status;
  call.hasBody = true;
  if (call.connection.dialect === Dialect.SMB_3_1_1) encodeError(call.w, 1, encodeErrorContext(data));
  else encodeError(call.w, 0, data);
  return status;
}

function oplockLevel(asked: Asked, { lease }: OpenFile): number {
  if (asked.context !== null) return lease === null ? OplockLevel.NONE : OplockLevel.LEASE;
  return lease === null ? OplockLevel.NONE : oplockOf(lease.state);
}

/** Breaks come after the answer they take back. */
function tellOfBreaks(call: Call, { holder }: Asked, one: Open, lease: Lease): void {
  const before = call.afterSend;
  const told = lease.holder instanceof LeaseClient ? lease.holder : holder;
  call.afterSend = () => {
    before?.();
    told.granted(one);
  };
  if (call.connection.transport.closed) told.granted(one);
}

/** A pipe of IPC$ (MS-SMB2 3.3.5.9, "if the share is a named pipe share"). */
function openPipe(call: Call, request: CreateRequest): number {
  const served = pipes.get(request.name.toLowerCase().replace(/^\\/, ""));
  if (served === undefined) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const { opens } = call.connection;
  if (!mayOpen(call)) return NtStatus.INSUFFICIENT_RESOURCES;
  const one = new Open(opens.next(), call.tree!, 0 as FileId, false, allRights, null, request.name);
  one.pipe = new Pipe(request.name, served(call.connection.server, call.session!));
  opens.add(one);
  call.related = one;
  const zero = Time.zero;
  const facts = { creationTime: zero, accessTime: zero, writeTime: zero, changeTime: zero, allocationBytes: 4096, endOfFile: 0, attributes: FileAttribute.NORMAL };
  encodeCreate(call.w, call.answerAt, 0, CreateAction.OPENED, facts, one, noContexts);
  return NtStatus.SUCCESS;
}

/** The object as it is, with the most its opener may do with it. */
function mostAccess(call: Call, parent: Inode | null, opened: Inode): { readonly inode: Inode; readonly maximal: number } {
  const tree = call.tree!;
  const inode = tree.fs!.cached(opened.id) ?? opened;
  return { inode, maximal: maximalAccess(tree.fs!, tree.credentials(), parent, inode) };
}

/** Answers to the contexts that are understood (MS-SMB2 2.2.14.2): maximal access, the lease, and others'. */
function contextsFor(tree: Tree, request: CreateRequest, asked: LeaseContext | null, { lease }: OpenFile, access: { readonly inode: Inode; readonly maximal: number }): CreateContext[] {
  const answers: CreateContext[] = [];
  for (const context of request.contexts) if (context.name === maximalAccessContext) answers.push({ name: context.name, data: maximalAccessAnswer(context.data, access.inode, access.maximal) });
  answerOthers(tree, request, access.inode, answers);
  if (asked === null || lease === null || !(lease.holder instanceof LeaseClient)) return answers;
  answers.push({ name: leaseContextName, data: lease.holder.answer(lease, asked.parentKey) });
  return answers;
}
