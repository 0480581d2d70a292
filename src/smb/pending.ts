import { NtStatus } from "#wire/ntstatus.ts";
import { asyncIdAt, creditsAt, flagsAt, headerBytes, HeaderFlag, type RequestHeader, statusAt } from "#wire/smb2/header.ts";
import { encodeError } from "#wire/smb2/query.ts";
import type { Call } from "./call.ts";
import type { Session } from "./session/session.ts";

/** Requests of one connection that wait for other clients; as many as Windows has. */
export const pendingMax = 512;
/** The same over all connections. */
const pendingTotalMax = 65_536;
/** Bytes of messages kept for them, of one connection and over all. */
const pendingBytesMax = 9 * 2 ** 20;
const pendingTotalBytesMax = 128 * 2 ** 20;

/** A request that was answered by STATUS_PENDING and waits (MS-SMB2 3.3.4.2). */
export class Pending {
  readonly asyncId: number;
  readonly messageId: number;
  readonly session: Session | null;
  /** Kept of its message. */
  readonly bytes: number;
  /** The client wants it no longer, or is gone. */
  cancelled = false;
  private onCancel: () => void;

  constructor(asyncId: number, messageId: number, session: Session | null, bytes: number, onCancel: () => void) {
    this.asyncId = asyncId;
    this.bytes = bytes;
    this.messageId = messageId;
    this.session = session;
    this.onCancel = onCancel;
  }

  /** The request waits for something else now, which is left by `onCancel`. */
  waitsElse(onCancel: () => void): void {
    this.onCancel = onCancel;
    if (this.cancelled) onCancel();
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.onCancel();
  }
}

/** The requests of one connection that wait, by both ids a CANCEL may name. */
export class PendingTable {
  private readonly byAsync = new Map<number, Pending>();
  private readonly byMessage = new Map<number, Pending>();
  private asyncIds = 0;
  private bytes = 0;

  /** Whether another that keeps `bytes` may wait. */
  hasRoom(bytes: number): boolean {
    return this.byAsync.size < pendingMax && this.bytes + bytes <= pendingBytesMax;
  }

  add(messageId: number, session: Session | null, bytes: number, onCancel: () => void): Pending {
    const pending = new Pending(++this.asyncIds, messageId, session, bytes, onCancel);
    this.bytes += bytes;
    this.byAsync.set(pending.asyncId, pending);
    this.byMessage.set(messageId, pending);
    return pending;
  }

  remove(pending: Pending): void {
    this.bytes -= pending.bytes;
    this.byAsync.delete(pending.asyncId);
    this.byMessage.delete(pending.messageId);
  }

  /** The request a CANCEL names: by its async id where it has one (MS-SMB2 3.3.5.16). */
  named(header: RequestHeader): Pending | null {
    if ((header.flags & HeaderFlag.ASYNC_COMMAND) !== 0) return this.byAsync.get(joined(header.asyncIdLow, header.asyncIdHigh)) ?? null;
    return this.byMessage.get(joined(header.messageIdLow, header.messageIdHigh)) ?? null;
  }

  /** Cancels all of a session; all there are where it is null. */
  cancelOf(session: Session | null): void {
    for (const pending of [...this.byAsync.values()]) if (session === null || pending.session === session) pending.cancel();
  }
}

/** A 64-bit id; one of 2^53 or more names nothing. */
export function joined(low: number, high: number): number {
  return (high >>> 0) * 4294967296 + (low >>> 0);
}

/** What `Call.pend` does. */
export function pend(call: Call, onCancel: () => void): Pending | null {
  const { connection, header } = call;
  const { server, pendings } = connection;
  const bytes = call.messageEnd - call.base + (call.next > 0 ? call.messageTailBytes : 0);
  if (!pendings.hasRoom(bytes) || server.pending.count >= pendingTotalMax || server.pending.bytes + bytes > pendingTotalBytesMax) return null;
  if (call.pending !== null || connection.transport.closed) return null;
  server.pending.count++;
  server.pending.bytes += bytes;
  const pending = pendings.add(joined(header.messageIdLow, header.messageIdHigh), call.session, bytes, onCancel);
  call.pending = pending;
  sendInterim(call, pending);
  keepRest(call);
  call.finished();
  return pending;
}

/** A request that takes longer has its client told that it goes on: it takes a server that says nothing for dead, smbclient after 20 s, Windows after 60. */
const slowMs = 2_000;

/**
 * What was begun for a request that changes names, and is answered once that is as safe as its answer says, or that asks for what only the
 * metadata store knows: the client is told when it takes long. Within a compound nothing is said, as not every client expects that there (MS-SMB2 3.3.4.2).
 */
export async function toldWhenSlow(call: Call, begun: Promise<number>): Promise<number> {
  if (call.next > 0) return begun;
  const timer = call.connection.server.clock.after(slowMs, () => void call.pend(ignore));
  try {
    return await begun;
  } finally {
    timer.cancel();
  }
}

function ignore(): void {}

/** The request is answered, or never will be. */
export function settle(call: Call): void {
  const { pending, connection } = call;
  if (pending === null) return;
  call.pending = null;
  connection.server.pending.count--;
  connection.server.pending.bytes -= pending.bytes;
  connection.pendings.remove(pending);
}

/**
 * Sends the answers of the compound's requests before, then STATUS_PENDING, never signed: an AES-GMAC nonce is the message's id, and
 * the answer that follows has the same. The credits were granted with it; the final answer grants none (MS-SMB2 3.3.4.2).
 */
function sendInterim(call: Call, pending: Pending): void {
  const { w, out, answerAt, connection } = call;
  const head = w.bytes.slice(answerAt, answerAt + headerBytes);
  if (answerAt > 0) connection.sendAnswers(call);
  call.last.at = -1;
  out.length = 0;
  w.attach(out);
  w.raw(head);
  w.setU32(statusAt, NtStatus.PENDING);
  markAsync(call, pending);
  encodeError(w, 0, null);
  w.commit();
  connection.sendAnswers(call);
  out.length = 0;
  w.attach(out);
  w.raw(head);
  markAsync(call, pending);
  w.setU16(creditsAt, 0);
  call.answerAt = 0;
}

function markAsync(call: Call, pending: Pending): void {
  const { w } = call;
  w.bytes[flagsAt]! |= HeaderFlag.ASYNC_COMMAND;
  w.setU32(asyncIdAt, pending.asyncId % 4294967296 | 0);
  w.setU32(asyncIdAt + 4, (pending.asyncId / 4294967296) | 0);
}

/** A request that waits keeps what is left of its message, and not the whole chunk it was received in. */
function keepRest(call: Call): void {
  const { base } = call;
  call.bytes = call.bytes.slice(base, call.messageEnd);
  call.end -= base;
  call.messageEnd -= base;
  if (call.next > 0) call.next -= base;
  call.base = 0;
  if (call.next > 0) return;
  call.tail = call.messageTail = [];
  call.tailBytes = call.messageTailBytes = 0;
}
