import { u32 } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command, headerBytes, HeaderFlag } from "#wire/smb2/header.ts";
import { Dialect } from "#wire/smb2/negotiate.ts";
import { FsControl } from "#wire/smb2/io.ts";
import type { Call } from "./call.ts";
import { type Handler, Needs } from "./commands/index.ts";
import type { Session } from "./session/session.ts";
import type { Tree } from "./tree/tree.ts";

/** A credit pays for so many bytes of payload (MS-SMB2 3.3.5.2.5). */
const creditBytes = 65_536;

/** Flags a request may have; those that only some dialects or commands know are looked at there. */
const flagsKnown = HeaderFlag.RELATED_OPERATIONS | HeaderFlag.SIGNED | HeaderFlag.PRIORITY_MASK | HeaderFlag.DFS_OPERATIONS | HeaderFlag.REPLAY_OPERATION;

/** What a request has to have before its handler sees it (MS-SMB2 3.3.5.2): its session, its share, a right signature; 0, or why not. */
export function admit(call: Call, handler: Handler): number {
  const { header } = call;
  if (!call.isRelated) forget(call);
  if ((header.flags & ~flagsKnown) !== 0) return NtStatus.INVALID_PARAMETER;
  const refused = findSession(call, handler);
  if (refused !== 0) return refused;
  const { session } = call;
  if (session === null) return 0;
  if (call.encrypted) {
    if (call.sealedBy !== session) return NtStatus.ACCESS_DENIED;
  } else {
    if (session.encryptionRequired) return NtStatus.ACCESS_DENIED;
    const signed = (header.flags & HeaderFlag.SIGNED) !== 0;
    if ((signed || session.signingRequired) && !(signed && signatureHolds(call))) return NtStatus.ACCESS_DENIED;
  }
  if (session.expiresMs !== 0 && !handler.afterExpiry && call.connection.server.clock.monotonicMs() >= session.expiresMs) return NtStatus.NETWORK_SESSION_EXPIRED;
  if (handler.needs !== Needs.tree) return 0;
  // Whatever follows a CREATE that failed fails as it did (MS-SMB2 3.3.5.2.7.2).
  if (call.isRelated && call.relatedStatus !== 0) return call.relatedStatus;
  return findTree(call, session);
}

/** A request begins that goes on with nothing of those before it. */
function forget(call: Call): void {
  call.session = null;
  call.signer = null;
  call.tree = null;
  call.related = null;
  call.relatedStatus = 0;
}

function findSession(call: Call, handler: Handler): number {
  const { header, connection } = call;
  if (handler.needs === Needs.nothing) return 0;
  if (call.isRelated) {
    // The first of a chain has nothing to go on with, and neither has what follows a request whose session isn't there.
    return call.index === 0 || call.session === null || call.session.ended ? NtStatus.INVALID_PARAMETER : 0;
  }
  if (connection.server.settings.testControls && isAboutConnection(call)) return 0;
  if (handler.needs === Needs.sessionIfNamed && header.sessionIdLow === 0 && header.sessionIdHigh === 0) return 0;
  const channel = connection.channel(header.sessionIdLow, header.sessionIdHigh);
  if (channel === null) {
    signAsUnbound(call);
    return NtStatus.USER_SESSION_DELETED;
  }
  call.session = channel.session;
  call.signer = channel.signer;
  return channel.session.valid ? 0 : NtStatus.USER_SESSION_DELETED;
}

/** The control of smbtorture that it sends without a session. */
function isAboutConnection({ header, bytes, base, end }: Call): boolean {
  const codeAt = base + headerBytes + 4;
  return header.command === Command.IOCTL && codeAt + 4 <= end && u32(bytes, codeAt) === FsControl.TORTURE_COUNT_AS_LOST;
}

/**
 * A client that uses a session on a connection not bound to it is told so in a way it can trust, if it knows the session's key, and if
 * that may sign the answer to what may have been sent before, elsewhere (dispatch.ts).
 */
function signAsUnbound(call: Call): void {
  const { header, connection } = call;
  if ((header.flags & HeaderFlag.SIGNED) === 0) return;
  const session = connection.server.sessions.find(header.sessionIdLow, header.sessionIdHigh);
  call.signer = session?.valid === true ? session.signer : null;
  if (!signatureHolds(call)) call.signer = null;
}

export function signatureHolds(call: Call): boolean {
  return call.signer !== null && call.signer.verifies(call.bytes, call.base, call.end, call.tail);
}

function findTree(call: Call, session: Session): number {
  if (!call.isRelated) call.tree = session.trees.get(call.header.treeId) ?? null;
  const { tree } = call;
  // One that a request before this ended, or somebody else since, is no more than any id nobody has.
  if (tree === null || tree.ended) return NtStatus.NETWORK_NAME_DELETED;
  return mayUse(call, tree) ? 0 : NtStatus.ACCESS_DENIED;
}

/** Whether a request that came as this one did may use what the tree leads to. */
export function mayUse(call: Call, tree: Tree): boolean {
  // A session may have connections from elsewhere than where the share was connected.
  const { address } = call.connection.transport;
  if (address !== tree.address && !tree.admits(address)) return false;
  return call.encrypted || !tree.encryptionRequired;
}

/** Whether a request asks for or brings more than its credits pay for (MS-SMB2 3.3.5.2.5). */
export function overdraws(call: Call): boolean {
  const { header, connection } = call;
  if (connection.dialect < Dialect.SMB_2_1 || connection.dialect === Dialect.WILDCARD) return false;
  const bytes = payloadBytes(call, header.command);
  return bytes > creditBytes && bytes > creditBytes * header.creditCharge;
}

/** The longer of what a request brings and what its answer may bring, as its own fields say; a body that is cut says anything. */
function payloadBytes(call: Call, command: number): number {
  const { bytes: b } = call;
  const at = call.base + headerBytes;
  switch (command) {
    case Command.READ:
    case Command.WRITE:
    case Command.CHANGE_NOTIFY:
    case Command.SET_INFO:
      return u32(b, at + 4);
    case Command.QUERY_INFO:
      return Math.max(u32(b, at + 4), u32(b, at + 12));
    case Command.QUERY_DIRECTORY:
      return u32(b, at + 28);
    case Command.IOCTL:
      return Math.max(u32(b, at + 28), u32(b, at + 32) + u32(b, at + 44));
    default:
      return 0;
  }
}
