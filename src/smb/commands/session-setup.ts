import { beginNtlm, claimOf, type NtlmProven, ntlmSignature, proveNtlm } from "#auth/ntlm.ts";
import { decodeNtlmNegotiate, NtlmType, ntlmType } from "#wire/ntlm.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { HeaderFlag } from "#wire/smb2/header.ts";
import { type Cipher, Dialect, SecurityMode, type SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { decodeSessionSetup, encodeEmptyBody, encodeSessionSetup, isEmptyBody, SessionSetupFlag, type SessionSetupRequest } from "#wire/smb2/session.ts";
import { decodeSpnego, encodeSpnegoAnswer, Mechanism, NegState, same } from "#wire/spnego.ts";
import type { Call } from "../call.ts";
import { chained, sessionsMax } from "../connection.ts";
import { KeyUse, sessionKey30, sessionKey311 } from "../crypto/kdf.ts";
import { cipherKeyBytes, Sealer } from "../crypto/sealing.ts";
import { Signer } from "../crypto/signing.ts";
import { closeAll } from "../open/closing.ts";
import { Session } from "../session/session.ts";
import { fileTimeNow } from "./negotiate.ts";

const serverChallengeBytes = 8;

/** SESSION_SETUP (MS-SMB2 3.3.5.5): two rounds of NTLM, inside SPNEGO or bare. */
export function sessionSetup(call: Call): number {
  const { connection, bytes, base, end, header } = call;
  const request = decodeSessionSetup(bytes, base, end);
  if (request === null) return NtStatus.INVALID_PARAMETER;
  if ((request.flags & SessionSetupFlag.BINDING) !== 0) return NtStatus.REQUEST_NOT_ACCEPTED;
  const session = sessionOf(call);
  if (typeof session === "number") return session;
  if (connection.dialect === Dialect.SMB_3_1_1) session.preauth = chained(session.preauth, bytes.subarray(base, end));
  const status = authenticate(call, session, request);
  // The session of a failed log-in is gone, so that nothing can go on with it.
  if (status !== NtStatus.SUCCESS && status !== NtStatus.MORE_PROCESSING_REQUIRED) connection.sessions.delete(session.id);
  if (status === NtStatus.MORE_PROCESSING_REQUIRED && connection.dialect === Dialect.SMB_3_1_1) {
    call.afterSend = () => {
      session.preauth = chained(session.preauth, call.out.bytes.subarray(0, call.out.length));
    };
  }
  call.w.setU32(call.answerAt + 40, session.id);
  call.w.setU32(call.answerAt + 44, 0);
  void header;
  return status;
}

/** The session a SESSION_SETUP goes on with, or a new one. */
function sessionOf(call: Call): Session | number {
  const { connection, header } = call;
  if (header.sessionIdLow === 0 && header.sessionIdHigh === 0) {
    if (connection.sessions.size >= sessionsMax) return NtStatus.INSUFFICIENT_RESOURCES;
    const session = new Session(connection.server.nextSessionId(), connection.preauth);
    connection.sessions.set(session.id, session);
    return session;
  }
  const session = header.sessionIdHigh === 0 ? connection.sessions.get(header.sessionIdLow) : undefined;
  if (session === undefined) return NtStatus.USER_SESSION_DELETED;
  if (session.valid) return NtStatus.REQUEST_NOT_ACCEPTED;
  return session;
}

function authenticate(call: Call, session: Session, request: SessionSetupRequest): number {
  const { token } = request;
  if (ntlmType(token) !== 0) return ntlm(call, session, request, token, null);
  const spnego = decodeSpnego(token);
  if (spnego === null) return NtStatus.INVALID_PARAMETER;
  if (spnego.kind === "resp") return spnego.token === null ? NtStatus.INVALID_PARAMETER : ntlm(call, session, request, spnego.token, spnego.mechListMic);
  if (!spnego.mechanisms.some((each) => same(each, Mechanism.ntlm))) return NtStatus.LOGON_FAILURE;
  session.mechanismList = new Uint8Array(spnego.mechanismList);
  const isFirst = same(spnego.mechanisms[0]!, Mechanism.ntlm);
  if (isFirst && spnego.token !== null) return ntlm(call, session, request, spnego.token, null);
  // A token of another mechanism than the one chosen: the client is asked to begin anew with NTLM.
  call.hasBody = true;
  encodeSessionSetup(call.w, 0, encodeSpnegoAnswer(NegState.requestMic, Mechanism.ntlm, null, null));
  return NtStatus.MORE_PROCESSING_REQUIRED;
}

function ntlm(call: Call, session: Session, request: SessionSetupRequest, message: Uint8Array, mic: Uint8Array | null): number {
  if (ntlmType(message) === NtlmType.negotiate) return challenge(call, session, message);
  const { exchange } = session;
  if (ntlmType(message) !== NtlmType.authenticate || exchange === null) return NtStatus.INVALID_PARAMETER;
  session.exchange = null;
  const claim = claimOf(message);
  if (claim === null || claim.anonymous) return NtStatus.LOGON_FAILURE;
  const { server } = call.connection;
  const client = call.connection.transport.address;
  const attempt = server.attempts.begin(claim.fields.user, client);
  if (attempt === null) return NtStatus.ACCOUNT_LOCKED_OUT;
  const account = server.accounts.byName(claim.fields.user);
  // Somebody unknown costs the same as a wrong password.
  const proven = proveNtlm(exchange, claim, account?.ntHash ?? server.random.bytes(16));
  if (account === null || proven === null) {
    server.logger.info({ client, user: claim.fields.user }, "refused an SMB log-in");
    return NtStatus.LOGON_FAILURE;
  }
  attempt.succeeded();
  if (!account.user.enabled) return NtStatus.ACCOUNT_DISABLED;
  if (account.mustChangePassword) return NtStatus.PASSWORD_MUST_CHANGE;
  const list = session.mechanismList;
  if (mic !== null && list !== null && !same(ntlmSignature(proven, "client", list), mic)) return NtStatus.LOGON_FAILURE;
  session.user = account.user;
  session.epoch = account.sessionEpoch;
  makeKeys(call, session, proven);
  session.signingRequired = server.signingRequired || ((request.securityMode | call.connection.clientSecurityMode) & SecurityMode.SIGNING_REQUIRED) !== 0;
  const answerMic = mic !== null && list !== null ? ntlmSignature(proven, "server", list) : null;
  const token = list === null ? new Uint8Array(0) : encodeSpnegoAnswer(NegState.acceptCompleted, null, null, answerMic);
  encodeSessionSetup(call.w, 0, token);
  // The last answer is signed, whatever was asked: it proves to the client that the server knows the key.
  call.session = session;
  call.header.flags |= HeaderFlag.SIGNED;
  return NtStatus.SUCCESS;
}

function challenge(call: Call, session: Session, message: Uint8Array): number {
  const negotiate = decodeNtlmNegotiate(message);
  if (negotiate === null) return NtStatus.INVALID_PARAMETER;
  const { server } = call.connection;
  const name = { netbios: server.name.toUpperCase().slice(0, 15), dns: server.name };
  session.exchange = beginNtlm(message, negotiate.flags, server.random.bytes(serverChallengeBytes), name, fileTimeNow(call.connection));
  const token = session.exchange.challenge;
  call.hasBody = true;
  encodeSessionSetup(call.w, 0, session.mechanismList === null ? token : encodeSpnegoAnswer(NegState.acceptIncomplete, Mechanism.ntlm, token, null));
  return NtStatus.MORE_PROCESSING_REQUIRED;
}

function makeKeys(call: Call, session: Session, proven: NtlmProven): void {
  const { dialect, signing, cipher } = call.connection;
  const { sessionKey } = proven;
  const keyOf = (use: KeyUse, bytes: 16 | 32): Uint8Array => {
    if (dialect === Dialect.SMB_3_1_1) return sessionKey311(sessionKey, use, session.preauth, bytes);
    return dialect >= Dialect.SMB_3_0 ? sessionKey30(sessionKey, use) : sessionKey;
  };
  session.signer = new Signer(signing as SigningAlgorithm, keyOf(KeyUse.signing, 16));
  if (cipher === 0) return;
  const bytes = cipherKeyBytes(cipher as Cipher);
  session.sealer = new Sealer(cipher as Cipher, keyOf(KeyUse.serverOut, bytes), keyOf(KeyUse.serverIn, bytes));
}

/** LOGOFF (MS-SMB2 3.3.5.6). */
export function logoff(call: Call): number {
  if (!isEmptyBody(call.bytes, call.base, call.end)) return NtStatus.INVALID_PARAMETER;
  const session = call.session!;
  for (const tree of session.trees.values()) closeAll(call.connection, tree);
  call.connection.pendings.cancelOf(session);
  call.connection.sessions.delete(session.id);
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}
