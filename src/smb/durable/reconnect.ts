import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { CreateAction, type CreateRequest, OplockLevel } from "#wire/smb2/create.ts";
import type { DurableAsk } from "#wire/smb2/durable.ts";
import { decodeLeaseContext, type LeaseContext, leaseContextName } from "#wire/smb2/lease.ts";
import type { Call } from "../call.ts";
import { type LeaseClient, leaseKey, type OplockClient, oplockOf } from "../lease/index.ts";
import type { Open } from "../open/open.ts";
import { withRoom } from "../open/allocation.ts";
import { factsOfStream } from "../aapl/index.ts";
import { factsOf } from "../open/facts.ts";
import { pathNow } from "../open/path-now.ts";
import { ntStatusOf } from "../status.ts";
import type { Answer, Answered } from "./creating.ts";
import { clientOf, ownerOf } from "./durable.ts";
import { claim, restored } from "./persisting.ts";

/**
 * A CREATE that comes back to an open (MS-SMB2 3.3.5.9.7, 3.3.5.9.12): nothing else it says matters, but for the lease, and then the
 * name.
 */
export async function reconnect(call: Call, request: CreateRequest, ask: DurableAsk, answer: Answer): Promise<number> {
  const { durables } = call.connection.server;
  const open = durables.find(ask.reconnect!) ?? restored(call, ask.reconnect!);
  if (open === null) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const lease = leaseIn(request);
  await pathNow(open);
  // Looked up first: whoever can't be told has not come back.
  const seen = await seenOf(open);
  if (!isAway(call, open)) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const refused = judge(call, open, request, ask, lease);
  if (refused !== NtStatus.SUCCESS) return refused;
  if (seen instanceof FsError) return ntStatusOf(seen);
  reattach(call, open);
  answer(call, { request, open, parent: null, ...seen, action: CreateAction.OPENED, oplock: levelOf(open), lease, durable: false });
  return NtStatus.SUCCESS;
}

/** An open that waits for its client: for one that was lost, or since the server's start. */
export function isAway(call: Call, open: Open): boolean {
  return call.connection.server.durables.isDetached(open) || open.tree.fs!.persistent?.find(open.persistentId)?.open === open.file;
}

/** The open's client has it again, in another session. */
export function reattach(call: Call, open: Open): void {
  const { server } = call.connection;
  server.durables.retake(open);
  const back = claim(server, call.tree!.fs!, open);
  open.reopened(server.opens.next(), call.tree!);
  open.channelSequence = call.header.channelSequence;
  open.outstanding = open.outstandingBefore = 0;
  server.opens.add(open);
  call.related = open;
  const lease = open.file!.lease;
  if (lease === null || (!lease.breaking && !back)) return;
  // It could not be told while it was gone.
  const before = call.afterSend;
  call.afterSend = () => {
    before?.();
    if (back) (lease.holder as LeaseClient | OplockClient).granted(open);
    if (lease.breaking) lease.holder.broken(lease, lease.state, lease.target, true);
  };
}

/**
 * Whether an open is his who comes back to it (MS-SMB2 3.3.5.9.7, 3.3.5.9.12). By version 1 he may come back to one that was opened by
 * version 2, as long as it is not persistent; the other way round the GUID is zeros.
 */
function judge(call: Call, open: Open, request: CreateRequest, ask: DurableAsk, context: LeaseContext | null): number {
  const durable = open.durable!;
  if (call.tree!.ended) return NtStatus.NETWORK_NAME_DELETED;
  if (open.tree.fs !== call.tree!.fs) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (ask.version === 2 && (durable.createGuid !== ask.createGuid || durable.persistent !== ask.persistent)) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (ask.version === 1 && durable.persistent) return NtStatus.OBJECT_NAME_NOT_FOUND;
  const lease = open.file!.lease;
  const isLease = lease !== null && lease.key !== null;
  if (isLease !== (context !== null)) return NtStatus.OBJECT_NAME_NOT_FOUND;
  if (isLease) {
    if (durable.clientGuid !== clientOf(call) || leaseKey(call.connection, context!.key) !== lease.key) return NtStatus.OBJECT_NAME_NOT_FOUND;
    if (!isNamed(open, request.name)) return NtStatus.INVALID_PARAMETER;
  }
  return durable.owner === ownerOf(call.session!) ? NtStatus.SUCCESS : NtStatus.ACCESS_DENIED;
}

/** The lease a request has, whatever oplock it asks for. */
function leaseIn(request: CreateRequest): LeaseContext | null {
  const sent = request.contexts.find(({ name }) => name === leaseContextName);
  return sent === undefined ? null : decodeLeaseContext(sent.data);
}

/** Its client knows it by the name it was opened by, or by what it has heard since. */
function isNamed(open: Open, name: string): boolean {
  const told = name.replace(/\\$/, "").toLowerCase();
  return told === open.path.toLowerCase() || told === open.formerPath?.toLowerCase();
}

/** The file or directory an open is of, and what is told of the open. */
export async function seenOf(open: Open): Promise<Pick<Answered, "inode" | "facts"> | FsError> {
  const fs = open.tree.fs!;
  const inode = await fs.getattr(open.ownerId);
  if (inode instanceof FsError || open.keeper === null) return inode instanceof FsError ? inode : { inode, facts: withRoom(open, factsOf(inode)) };
  const stream = await fs.getattr(open.id);
  return stream instanceof FsError ? stream : { inode, facts: withRoom(open, factsOfStream(inode, stream, open.place?.name ?? "")) };
}

/** What its client may cache of an open, as an oplock level. */
export function levelOf(open: Open): number {
  const lease = open.file?.lease ?? null;
  if (lease === null) return OplockLevel.NONE;
  return lease.key === null ? oplockOf(lease.state) : OplockLevel.LEASE;
}
