import type { Maybe } from "#base/brand.ts";
import { giveBack } from "#base/lent-memory.ts";
import { hooks } from "#telemetry/hooks.ts";
import { i32, u16, u32 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import type { RequestWatch } from "#telemetry/requests/index.ts";
import { tracer } from "#telemetry/tracing/index.ts";
import { Command, commandAt, commandsCount, decodeHeader, decodeTransform, encodeHeader, flagsAt, headerBytes, HeaderFlag, nextCommandAt, smb1Magic, smb2Magic, statusAt, transformHeaderBytes, transformMagic } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { encodeError } from "#wire/smb2/query.ts";
import { admit, overdraws } from "./admission.ts";
import { type Call, lentBytesMin } from "./call.ts";
import { type Handler, handlers, Needs } from "./commands/index.ts";
import { answerSmb1Negotiate } from "./commands/negotiate.ts";
import type { SmbConnection } from "./connection.ts";
import type { Signer } from "./crypto/signing.ts";
import type { Session } from "./session/session.ts";
import { uncount } from "./open/channel-sequence.ts";
import { joined, settle } from "./pending.ts";
import { ended as endedSpan, followed } from "./traced.ts";
import { ran, sayWhy, troubled } from "./trouble.ts";
import { noAnswer, operationOf } from "./watched.ts";

/** Requests of one compound. */
const compoundMax = 64;

/** Answers one message; false where it is none that can be answered, and the connection has to go. */
export function dispatch(connection: SmbConnection, bytes: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): boolean {
  const length = end - start + tailBytes;
  if (end - start < 4) return false;
  const magic = i32(bytes, start);
  if (magic === smb1Magic && connection.dialect === 0) {
    const answered = answerSmb1Negotiate(connection, bytes, start, end);
    if (answered) connection.transport.requestDone(length);
    return answered;
  }
  const call = connection.takeCall();
  call.unfinishedBytes = length;
  call.bytes = bytes;
  call.next = start;
  call.messageEnd = end;
  call.messageTail = tail;
  call.messageTailBytes = tailBytes;
  if (magic === transformMagic) {
    if (!unsealed(call, bytes, start, end, tail, tailBytes)) return false;
  } else if (magic !== smb2Magic) return false;
  const done = attempted(call);
  if (done instanceof Promise) {
    done.catch((error: unknown) => failed(call, error)).finally(() => call.finished());
    return true;
  }
  call.finished();
  connection.giveCall(call);
  return done;
}

/** What a fault of ours throws costs the one connection it was met on. */
function attempted(call: Call): Maybe<boolean> {
  try {
    return run(call);
  } catch (error) {
    failed(call, error);
    return true;
  }
}

function failed(call: Call, error: unknown): void {
  const { connection } = call;
  settle(call);
  if (hooks && call.beganMs >= 0) told(call, NtStatus.INTERNAL_ERROR);
  if (hooks && call.span !== null) endedSpan(call, call.span, NtStatus.INTERNAL_ERROR);
  connection.server.logger.error({ ...call.logFields, error }, "an SMB request failed");
  connection.close("a request failed in the server");
}

/** A message in one piece. */
function whole(bytes: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): Uint8Array {
  if (tailBytes === 0) return bytes.subarray(start, end);
  const all = new Uint8Array(end - start + tailBytes);
  all.set(bytes.subarray(start, end), 0);
  let at = end - start;
  for (const slice of tail) {
    all.set(slice, at);
    at += slice.length;
  }
  return all;
}

/** Puts the plain message of an encrypted one into `call` (MS-SMB2 3.3.5.2.1.1); false where the connection has to go. */
function unsealed(call: Call, bytes: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): boolean {
  const header = decodeTransform(bytes, start, end);
  if (header === null || header.flags !== 1) return false;
  const session = call.connection.channel(header.sessionIdLow, header.sessionIdHigh)?.session ?? null;
  const sealer = session?.sealer ?? null;
  if (sealer === null || header.originalBytes !== end - start + tailBytes - transformHeaderBytes) return false;
  if (tailBytes === 0 || !sealer.inPieces) {
    const plain = sealer.open(whole(bytes, start, end, tail, tailBytes));
    return plain !== null && holds(call, session, plain, noSlices, 0);
  }
  const pieces = sealer.openPieces(bytes.subarray(start, end), tail);
  // Nobody reads what was encrypted again.
  giveBack(tail);
  if (pieces === null) return false;
  const first = pieces.shift() as Uint8Array;
  // Only the payload of a WRITE is taken as it lies.
  if (first.length >= headerBytes && u16(first, commandAt) === Command.WRITE && u32(first, nextCommandAt) === 0) return holds(call, session, first, pieces, tailBytes);
  return holds(call, session, whole(first, 0, first.length, pieces, tailBytes), noSlices, 0);
}

function holds(call: Call, session: Session | null, plain: Uint8Array, tail: readonly Uint8Array[], tailBytes: number): boolean {
  if (plain.length < 4 || i32(plain, 0) !== smb2Magic) return false;
  call.sealedBy = session;
  call.bytes = plain;
  call.next = 0;
  call.messageEnd = plain.length;
  call.messageTail = tail;
  call.messageTailBytes = tailBytes;
  return true;
}

/** Handles the requests of a message one after the other and sends their answers in one; false: malformed. */
function run(call: Call): Maybe<boolean> {
  for (;;) {
    if (!beginRequest(call)) return false;
    const watch = hooks ? call.connection.server.requests.watch : null;
    if (watch !== null) began(call, watch);
    const status = hooks && tracer !== null && tracer.samples() ? followed(tracer, call, handle) : handle(call);
    if (status instanceof Promise) return status.then((settled) => goOn(call, settled));
    finishRequest(call, status);
    if (call.next === 0 || call.connection.transport.closed) return ended(call);
    call.index++;
  }
}

async function goOn(call: Call, settled: number): Promise<boolean> {
  finishRequest(call, settled);
  while (call.next > 0 && !call.connection.transport.closed) {
    call.index++;
    if (!beginRequest(call)) {
      call.connection.close("a compound that is malformed");
      return false;
    }
    const watch = hooks ? call.connection.server.requests.watch : null;
    if (watch !== null) beganLate(call, watch);
    const status = hooks && tracer !== null && tracer.samples() ? followed(tracer, call, handle) : handle(call);
    finishRequest(call, status instanceof Promise ? await status : status);
  }
  return ended(call);
}

/** Reads the header of the next request; false where the message is malformed. */
function beginRequest(call: Call): boolean {
  const { header, messageEnd: end, next: at } = call;
  if (call.index >= compoundMax || !decodeHeader(call.bytes, at, end, header)) return false;
  const next = header.nextCommand;
  // A request that another follows lies whole in front of it.
  if (next !== 0 && (next < headerBytes || next % 8 !== 0 || next > end - at)) return false;
  const isLast = next === 0;
  call.base = at;
  call.next = isLast ? 0 : at + next;
  call.end = isLast ? end : at + next;
  call.tail = isLast ? call.messageTail : noSlices;
  call.tailBytes = isLast ? call.messageTailBytes : 0;
  call.hasBody = false;
  call.isRelated = (header.flags & HeaderFlag.RELATED_OPERATIONS) !== 0;
  return true;
}

const noSlices: readonly Uint8Array[] = [];

/** Takes the credits a request costs, writes the answer's header, and handles it. */
function handle(call: Call): Maybe<number> {
  const { header, connection, w } = call;
  if (header.command === Command.CANCEL) return cancel(call);
  const charge = connection.dialect <= Dialect.SMB_2_0_2 ? 1 : Math.max(1, header.creditCharge);
  const messageId = joined(header.messageIdLow, header.messageIdHigh);
  if (!connection.credits.take(messageId, charge)) {
    connection.close("a message id it may not use (credits overdrawn or a message repeated)");
    return noAnswer;
  }
  if (!connection.negotiated && header.command !== Command.NEGOTIATE) {
    connection.close("a request before its NEGOTIATE");
    return noAnswer;
  }
  call.answerAt = call.out.length;
  w.attach(call.out);
  encodeHeader(w, header, connection.credits.grant(header.creditRequest), header.flags & HeaderFlag.RELATED_OPERATIONS, header.treeId);
  const handler = handlers[header.command] ?? unknown;
  const refused = admit(call, handler);
  if (refused !== 0) return refused;
  if (overdraws(call)) return NtStatus.INVALID_PARAMETER;
  // What may wait for ever ends a compound; nothing would ever follow it (as Windows has it, MS-SMB2 3.3.5.2.7 note).
  if (header.command === Command.CHANGE_NOTIFY && call.next > 0) return NtStatus.INTERNAL_ERROR;
  const outcome = ran(call, handler);
  return outcome instanceof Promise ? inHand(call, outcome) : outcome;
}

/** Until a request that waits is answered, the stores of its share stay open. */
async function inHand(call: Call, outcome: Promise<number>): Promise<number> {
  const fs = call.tree?.fs ?? null;
  fs?.enter();
  if (hooks && call.beganMs >= 0) call.connection.server.requests.watch?.waits(call, operationOf(call.header.command), shareOf(call));
  try {
    return await outcome;
  } catch (error) {
    return troubled(call, error);
  } finally {
    fs?.leave();
  }
}

const unknown: Handler = { needs: Needs.session, run: ({ header }) => (header.command < commandsCount ? NtStatus.NOT_SUPPORTED : NtStatus.INVALID_PARAMETER) };
const cancelling: Handler = { needs: Needs.session, afterExpiry: true, run: () => noAnswer };

/** CANCEL (MS-SMB2 3.3.5.16): has no answer of its own, whatever it names. */
function cancel(call: Call): number {
  const pending = call.connection.pendings.named(call.header);
  if (pending === null) return noAnswer;
  call.header.flags &= ~HeaderFlag.ASYNC_COMMAND;
  if (admit(call, cancelling) === 0 && pending.session === call.session) pending.cancel();
  return noAnswer;
}

function began(call: Call, watch: RequestWatch<Call>): void {
  call.count = 0;
  watch.began(call, call.connection.transport.takenMs);
}

/** As `began`, of a request whose compound waited for the one before. */
function beganLate(call: Call, watch: RequestWatch<Call>): void {
  call.count = 0;
  watch.beganLate(call);
}

/** The request that is handled now is done; whoever watches is told. */
function told(call: Call, status: number): void {
  call.connection.server.requests.watch?.ended(call, operationOf(call.header.command), shareOf(call), status, call.count);
}

function shareOf({ tree }: Call): string {
  return tree === null || tree.fs === null ? "" : tree.fs.name;
}

/** Completes an answer: its status, an error's body, where the next one begins, its signature. */
function finishRequest(call: Call, status: number): void {
  settle(call);
  // A slow request's line names the trace it is in, which ends here.
  if (hooks && call.beganMs >= 0) told(call, status);
  if (hooks && call.span !== null) endedSpan(call, call.span, status);
  if (call.counted !== null) uncount(call);
  if (status === noAnswer) return;
  const { w, header, session, answerAt } = call;
  const signer = session === null ? signerOfUnbound(call, status) : call.signer;
  if (status !== 0 && !call.hasBody) {
    if (status === NtStatus.UNEXPECTED_IO_ERROR) sayWhy(call);
    // What a handler wrote before it failed is forgotten.
    w.at = answerAt + headerBytes;
    encodeError(w, 0, null);
  }
  w.setU32(answerAt + statusAt, status | 0);
  const { last } = call;
  last.at = answerAt;
  last.end = w.at;
  last.signer = null;
  // The last of a compound too, as Windows does it (MS-SMB2 3.3.4.1.3).
  if ((call.next > 0 || call.index > 0) && call.payload === null) w.align(8, answerAt);
  if (call.next > 0) w.setU32(answerAt + nextCommandAt, w.at - answerAt);
  w.commit();
  if (call.encrypted) return;
  if (signer === null) {
    // Nobody can sign for a session that isn't there; clients that must sign look for the flag before they look at what they are told.
    if (status === NtStatus.USER_SESSION_DELETED) w.bytes[answerAt + flagsAt]! |= header.flags & HeaderFlag.SIGNED;
    return;
  }
  if ((header.flags & HeaderFlag.SIGNED) === 0 && session?.signingRequired !== true) return;
  w.bytes[answerAt + flagsAt]! |= HeaderFlag.SIGNED;
  last.signer = signer;
  // One with a short payload is signed where it is put together.
  if (call.payload === null) signer.sign(w.bytes, answerAt, w.at, noSlices);
  else if (call.payload.length >= lentBytesMin) signer.sign(w.bytes, answerAt, w.at, call.payload.slices);
}

/**
 * What signs an answer on a connection not bound to its session: nothing, where the key may sign but once under a message id, which anybody
 * may have sent again who read it on a bound one. The answers to a binding apart: clients go by none, good or bad, that the session's key
 * hasn't signed (MS-SMB2 3.3.5.5).
 */
function signerOfUnbound({ signer, header }: Call, status: number): Signer | null {
  if (signer === null || !signer.signsIdOnce) return signer;
  return header.command === Command.SESSION_SETUP && status !== NtStatus.USER_SESSION_DELETED ? signer : null;
}

function ended(call: Call): boolean {
  const { connection } = call;
  if (call.out.length > 0) connection.sendAnswers(call);
  if (!connection.transport.closed) call.afterSend?.();
  return true;
}
