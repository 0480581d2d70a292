import type { Maybe } from "#base/brand.ts";
import { i32 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command, commandsCount, decodeHeader, decodeTransform, encodeHeader, headerBytes, HeaderFlag, nextCommandAt, smb1Magic, smb2Magic, statusAt, transformHeaderBytes, transformMagic } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { encodeError } from "#wire/smb2/query.ts";
import { Call } from "./call.ts";
import { type Handler, handlers, Needs } from "./commands/index.ts";
import { answerSmb1Negotiate } from "./commands/negotiate.ts";
import type { SmbConnection } from "./connection.ts";
import type { Session } from "./session/session.ts";

/** Requests of one compound. */
const compoundMax = 64;
/** A credit pays for so many bytes of payload (MS-SMB2 3.3.5.2.5). */
export const creditBytes = 65_536;

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
  const call = new Call(connection);
  call.bytes = bytes;
  if (magic === transformMagic) {
    const plain = opened(call, whole(bytes, start, end, tail, tailBytes));
    if (plain === null) return false;
    call.bytes = plain;
    start = 0;
    end = plain.length;
    tail = [];
    tailBytes = 0;
  } else if (magic !== smb2Magic) return false;
  const done = run(call, start, end, tail, tailBytes);
  if (done instanceof Promise) {
    done
      .catch((error: unknown) => {
        connection.server.logger.error({ error, client: connection.transport.address, command: call.header.command }, "an SMB request failed");
        connection.close("a request failed in the server");
      })
      .finally(() => connection.transport.requestDone(length));
    return true;
  }
  connection.transport.requestDone(length);
  return done;
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

/** The plain message of an encrypted one (MS-SMB2 3.3.5.2.1.1); null where the connection has to go. */
function opened(call: Call, sealed: Uint8Array): Uint8Array | null {
  const header = decodeTransform(sealed, 0, sealed.length);
  if (header === null || header.flags !== 1 || header.sessionIdHigh !== 0) return null;
  const session = call.connection.sessions.get(header.sessionIdLow);
  const sealer = session?.sealer ?? null;
  if (sealer === null || header.originalBytes !== sealed.length - transformHeaderBytes) return null;
  const plain = sealer.open(sealed);
  if (plain === null || plain.length < 4 || i32(plain, 0) !== smb2Magic) return null;
  call.encrypted = true;
  call.sealedBy = session!;
  return plain;
}

/** Handles the requests of a message one after the other and sends their answers in one; false: malformed. */
function run(call: Call, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): Maybe<boolean> {
  let at = start;
  for (let n = 0; ; n++) {
    const next = beginRequest(call, at, end, tail, tailBytes, n);
    if (next < 0) return false;
    const status = handle(call, n > 0);
    if (status instanceof Promise) return status.then((settled) => goOn(call, settled, next, end, tail, tailBytes, n));
    finishRequest(call, status, next > 0);
    if (next === 0) return ended(call);
    at = next;
  }
}

async function goOn(call: Call, settled: number, next: number, end: number, tail: readonly Uint8Array[], tailBytes: number, n: number): Promise<boolean> {
  finishRequest(call, settled, next > 0);
  for (let at = next; at > 0; ) {
    const following = beginRequest(call, at, end, tail, tailBytes, ++n);
    if (following < 0) {
      call.connection.close("a compound that is malformed");
      return false;
    }
    finishRequest(call, await handle(call, true), following > 0);
    at = following;
  }
  return ended(call);
}

/** Reads the header at `at`; where the next request begins, 0 for the last, -1 where the message is malformed. */
function beginRequest(call: Call, at: number, end: number, tail: readonly Uint8Array[], tailBytes: number, n: number): number {
  const { header } = call;
  if (n >= compoundMax || !decodeHeader(call.bytes, at, end, header)) return -1;
  const next = header.nextCommand;
  // A request that another follows lies whole in front of it.
  if (next !== 0 && (next < headerBytes || next % 8 !== 0 || next > end - at)) return -1;
  call.base = at;
  call.end = next === 0 ? end : at + next;
  call.tail = next === 0 ? tail : [];
  call.tailBytes = next === 0 ? tailBytes : 0;
  call.hasBody = false;
  call.isRelated = (header.flags & HeaderFlag.RELATED_OPERATIONS) !== 0;
  return next === 0 ? 0 : at + next;
}

/** Checks what a request has to have before its handler sees it (MS-SMB2 3.3.5.2), writes the answer's header, and handles it. */
function handle(call: Call, follows: boolean): Maybe<number> {
  const { header, connection, w } = call;
  const charge = connection.dialect <= Dialect.SMB_2_0_2 ? 1 : Math.max(1, header.creditCharge);
  const messageId = (header.messageIdHigh >>> 0) * 4294967296 + (header.messageIdLow >>> 0);
  if (header.command === Command.CANCEL) return cancelled;
  if (!connection.credits.take(messageId, charge)) {
    connection.close("a message id it may not use (credits overdrawn or a message repeated)");
    return cancelled;
  }
  const treeId = header.treeId;
  call.answerAt = call.out.length;
  w.attach(call.out);
  encodeHeader(w, header, connection.credits.grant(header.creditRequest), header.flags & HeaderFlag.RELATED_OPERATIONS, treeId);
  if (call.isRelated && !follows) return NtStatus.INVALID_PARAMETER;
  if (header.command >= commandsCount) return NtStatus.INVALID_PARAMETER;
  const handler = handlers[header.command] ?? null;
  if (handler === null) return NtStatus.NOT_SUPPORTED;
  if (connection.dialect === 0 && header.command !== Command.NEGOTIATE) {
    connection.close("a request before its NEGOTIATE");
    return cancelled;
  }
  const refused = admit(call, handler);
  return refused !== 0 ? refused : handler.run(call);
}

/** No answer is to be sent. */
const cancelled = -1;

/** Finds session and tree, and checks the signature. */
function admit(call: Call, handler: Handler): number {
  const { header, connection } = call;
  if (handler.needs === Needs.nothing) return 0;
  if (!call.isRelated) {
    call.session = header.sessionIdHigh === 0 ? (connection.sessions.get(header.sessionIdLow) ?? null) : null;
    call.tree = null;
    call.related = null;
    call.relatedStatus = 0;
  }
  const { session } = call;
  if (session === null || !session.valid) return NtStatus.USER_SESSION_DELETED;
  if (call.encrypted) {
    if (call.sealedBy !== session) return NtStatus.ACCESS_DENIED;
    return findTree(call, session, handler);
  }
  if (session.encryptionRequired) return NtStatus.ACCESS_DENIED;
  const signed = (header.flags & HeaderFlag.SIGNED) !== 0;
  if (signed || session.signingRequired) {
    if (!signed || session.signer === null || !session.signer.verifies(call.bytes, call.base, call.end, call.tail)) return NtStatus.ACCESS_DENIED;
  }
  return findTree(call, session, handler);
}

function findTree(call: Call, session: Session, handler: Handler): number {
  if (handler.needs === Needs.session) return 0;
  if (!call.isRelated) call.tree = session.trees.get(call.header.treeId) ?? null;
  return call.tree === null ? NtStatus.NETWORK_NAME_DELETED : 0;
}

/** Completes an answer: its status, an error's body, where the next one begins. */
function finishRequest(call: Call, status: number, followed: boolean): void {
  if (status === cancelled) return;
  const { w, header, session } = call;
  const { answerAt } = call;
  if (status !== 0 && !call.hasBody) {
    // What a handler wrote before it failed is forgotten.
    w.at = answerAt + headerBytes;
    encodeError(w, 0, null);
  }
  w.setU32(answerAt + statusAt, status | 0);
  const signs = !call.encrypted && session !== null && session.signer !== null && ((header.flags & HeaderFlag.SIGNED) !== 0 || session.signingRequired);
  if (signs) w.bytes[answerAt + 16]! |= HeaderFlag.SIGNED;
  if (followed) {
    w.align(8, answerAt);
    w.setU32(answerAt + nextCommandAt, w.at - answerAt);
  }
  w.commit();
}

function ended(call: Call): boolean {
  if (call.out.length > 0) call.connection.send(call);
  return true;
}
