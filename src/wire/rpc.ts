import type { XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";
import { XdrFailure } from "./xdr-reader.ts";

/** ONC RPC version 2 (RFC 5531): constants, call header, reply headers, AUTH_SYS. */
const rpcVersion = 2;
const MessageType = { CALL: 0, REPLY: 1 } as const;
const ReplyStat = { MSG_ACCEPTED: 0, MSG_DENIED: 1 } as const;
export const AcceptStat = {
  SUCCESS: 0,
  PROG_UNAVAIL: 1,
  PROG_MISMATCH: 2,
  PROC_UNAVAIL: 3,
  GARBAGE_ARGS: 4,
  SYSTEM_ERR: 5,
} as const;
export type AcceptStat = (typeof AcceptStat)[keyof typeof AcceptStat];
const RejectStat = { RPC_MISMATCH: 0, AUTH_ERROR: 1 } as const;
export const AuthStat = {
  AUTH_OK: 0,
  AUTH_BADCRED: 1,
  AUTH_REJECTEDCRED: 2,
  AUTH_BADVERF: 3,
  AUTH_REJECTEDVERF: 4,
  AUTH_TOOWEAK: 5,
  AUTH_INVALIDRESP: 6,
  AUTH_FAILED: 7,
} as const;
export type AuthStat = (typeof AuthStat)[keyof typeof AuthStat];
export const AuthFlavor = { AUTH_NONE: 0, AUTH_SYS: 1, AUTH_SHORT: 2, AUTH_DH: 3, RPCSEC_GSS: 6 } as const;

/** Longest body of a credential or verifier (RFC 5531 §8.2). */
const authBytesMax = 400;
/** Longest machine name and most groups of an AUTH_SYS credential (RFC 5531 appendix A). */
const machineNameBytesMax = 255;
const gidsMax = 16;

/** The header of a call up to its arguments. Reused: `decodeCallHeader` fills it. */
export class CallHeader {
  /** As int32, to be written back as it came. */
  xid = 0;
  rpcVersion = 0;
  program = 0;
  version = 0;
  procedure = 0;
  flavor = 0;
  credentialAt = 0;
  credentialLength = 0;
  verifierFlavor = 0;
  verifierLength = 0;
}

/** What came of a call's header. */
export const CallOutcome = {
  ok: 0,
  /** Not even an answer is possible: no call, or cut within the header. The connection should be closed. */
  unanswerable: 1,
  /** Another RPC version than 2: only `xid` and `rpcVersion` are filled in. */
  rpcMismatch: 2,
  /** A credential or verifier above 400 bytes. */
  badCredential: 3,
  badVerifier: 4,
} as const;
export type CallOutcome = (typeof CallOutcome)[keyof typeof CallOutcome];

export function decodeCallHeader(r: XdrReader, into: CallHeader): CallOutcome {
  into.xid = r.i32();
  const type = r.i32();
  into.rpcVersion = r.u32();
  if (r.failure !== XdrFailure.none || type !== MessageType.CALL) return CallOutcome.unanswerable;
  if (into.rpcVersion !== rpcVersion) return CallOutcome.rpcMismatch;
  into.program = r.u32();
  into.version = r.u32();
  into.procedure = r.u32();
  into.flavor = r.u32();
  const credentialLength = r.u32();
  if (r.failure !== XdrFailure.none) return CallOutcome.unanswerable;
  if (credentialLength > authBytesMax) return CallOutcome.badCredential;
  r.fixedOpaque(credentialLength);
  into.credentialAt = r.opaqueAt;
  into.credentialLength = credentialLength;
  into.verifierFlavor = r.u32();
  const verifierLength = r.u32();
  if (r.failure !== XdrFailure.none) return CallOutcome.unanswerable;
  if (verifierLength > authBytesMax) return CallOutcome.badVerifier;
  into.verifierLength = verifierLength;
  r.fixedOpaque(verifierLength);
  return r.failure === XdrFailure.none ? CallOutcome.ok : CallOutcome.unanswerable;
}

/** An AUTH_SYS credential as the client claims it. */
export interface AuthSys {
  readonly uid: number;
  readonly gid: number;
  readonly gids: readonly number[];
}

/** Decodes the body of an AUTH_SYS credential; null where it is malformed. `r` is attached to the body alone. */
export function decodeAuthSys(r: XdrReader): AuthSys | null {
  r.u32();
  r.opaque(machineNameBytesMax);
  const uid = r.u32();
  const gid = r.u32();
  const count = r.u32();
  if (r.failure !== XdrFailure.none || count > gidsMax) return null;
  const gids: number[] = [];
  for (let i = 0; i < count; i++) gids.push(r.u32());
  return r.failure === XdrFailure.none && r.at === r.end ? { uid, gid, gids } : null;
}

/** Bytes of an accepted reply's header with an empty verifier. */
const acceptedHeaderBytes = 24;

/** An accepted reply's header: verifier AUTH_NONE, then the status. */
export function encodeAccepted(w: XdrWriter, xid: number, status: AcceptStat): void {
  w.reserve(acceptedHeaderBytes);
  w.u32(xid);
  w.u32(MessageType.REPLY);
  w.u32(ReplyStat.MSG_ACCEPTED);
  w.u32(AuthFlavor.AUTH_NONE);
  w.u32(0);
  w.u32(status);
}

export function encodeProgramMismatch(w: XdrWriter, xid: number, low: number, high: number): void {
  encodeAccepted(w, xid, AcceptStat.PROG_MISMATCH);
  w.reserve(8);
  w.u32(low);
  w.u32(high);
}

export function encodeRpcMismatch(w: XdrWriter, xid: number): void {
  w.reserve(24);
  w.u32(xid);
  w.u32(MessageType.REPLY);
  w.u32(ReplyStat.MSG_DENIED);
  w.u32(RejectStat.RPC_MISMATCH);
  w.u32(rpcVersion);
  w.u32(rpcVersion);
}

export function encodeAuthError(w: XdrWriter, xid: number, why: AuthStat): void {
  w.reserve(20);
  w.u32(xid);
  w.u32(MessageType.REPLY);
  w.u32(ReplyStat.MSG_DENIED);
  w.u32(RejectStat.AUTH_ERROR);
  w.u32(why);
}
