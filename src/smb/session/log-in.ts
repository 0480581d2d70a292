import { beginNtlm, claimOf, NoClaim, type NtlmClaim, type NtlmExchange, type NtlmProven, ntlmSignature, proveNtlm } from "#auth/index.ts";
import { Encryption } from "#model/credentials.ts";
import type { KnownUser } from "#model/identity.ts";
import { decodeNtlmNegotiate, NtlmType, ntlmType } from "#wire/ntlm.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { HeaderFlag } from "#wire/smb2/header.ts";
import { type Cipher, Dialect, SecurityMode, type SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { encodeSessionSetup, SessionFlag, type SessionSetupRequest } from "#wire/smb2/session.ts";
import { decodeSpnego, encodeSpnegoAnswer, Mechanism, NegState, same } from "#wire/spnego.ts";
import type { Call } from "../call.ts";
import { fileTimeNow } from "../commands/negotiate.ts";
import { KeyUse, sessionKey30, sessionKey311 } from "../crypto/kdf.ts";
import { cipherKeyBytes, Sealer } from "../crypto/sealing.ts";
import { Signer } from "../crypto/signing.ts";
import { Ending, endSession } from "./ending.ts";
import { guest, guestsAllowed } from "./guests.ts";
import { Channel, type Session, SessionKind } from "./session.ts";
import { userSessionsMax } from "./sessions.ts";
import { Purpose, type Setup } from "./setup.ts";

const serverChallengeBytes = 8;

/** Who a log-in turned out to be; `proven` null: he has no key. */
interface Somebody {
  readonly user: KnownUser;
  readonly kind: SessionKind;
  readonly epoch: number;
  readonly proven: NtlmProven | null;
}

/** Takes a log-in one token further. */
export function authenticate(call: Call, setup: Setup, request: SessionSetupRequest): number {
  const { token } = request;
  if (ntlmType(token) !== 0) return ntlm(call, setup, request, token, null);
  const spnego = decodeSpnego(token);
  if (spnego === null) return NtStatus.INVALID_PARAMETER;
  if (spnego.kind === "resp") return spnego.token === null ? NtStatus.INVALID_PARAMETER : ntlm(call, setup, request, spnego.token, spnego.mechListMic);
  if (!spnego.mechanisms.some((each) => same(each, Mechanism.ntlm))) return NtStatus.LOGON_FAILURE;
  setup.mechanismList = new Uint8Array(spnego.mechanismList);
  const isFirst = same(spnego.mechanisms[0]!, Mechanism.ntlm);
  if (isFirst && spnego.token !== null) return ntlm(call, setup, request, spnego.token, null);
  // A token of another mechanism than the one chosen: the client is asked to begin anew with NTLM.
  call.hasBody = true;
  encodeSessionSetup(call.w, 0, encodeSpnegoAnswer(NegState.requestMic, Mechanism.ntlm, null, null));
  return NtStatus.MORE_PROCESSING_REQUIRED;
}

function ntlm(call: Call, setup: Setup, request: SessionSetupRequest, message: Uint8Array, mic: Uint8Array | null): number {
  if (ntlmType(message) === NtlmType.negotiate) return challenge(call, setup, message);
  const { exchange } = setup;
  if (ntlmType(message) !== NtlmType.authenticate || exchange === null) return NtStatus.INVALID_PARAMETER;
  setup.exchange = null;
  const claim = claimOf(message);
  if (claim === NoClaim.malformed) return NtStatus.INVALID_PARAMETER;
  // NTLMv1 and LM, right or wrong.
  if (claim === NoClaim.outdated) return NtStatus.LOGON_FAILURE;
  const somebody = claim.anonymous ? nobody(call) : known(call, setup, exchange, claim, mic);
  if (typeof somebody === "number") return somebody;
  const status = settle(call, setup, request, somebody);
  if (status !== NtStatus.SUCCESS) return status;
  const { proven } = somebody;
  const list = setup.mechanismList;
  const answerMic = mic !== null && list !== null && proven !== null ? ntlmSignature(proven, "server", list) : null;
  const token = list === null ? new Uint8Array(0) : encodeSpnegoAnswer(NegState.acceptCompleted, null, null, answerMic);
  encodeSessionSetup(call.w, flagsOf(setup.session), token);
  return NtStatus.SUCCESS;
}

function challenge(call: Call, setup: Setup, message: Uint8Array): number {
  const negotiate = decodeNtlmNegotiate(message);
  if (negotiate === null) return NtStatus.INVALID_PARAMETER;
  const { server } = call.connection;
  const name = { netbios: server.name.toUpperCase().slice(0, 15), dns: server.name };
  setup.exchange = beginNtlm(message, negotiate.flags, server.random.bytes(serverChallengeBytes), name, fileTimeNow(call.connection));
  const token = setup.exchange.challenge;
  call.hasBody = true;
  encodeSessionSetup(call.w, 0, setup.mechanismList === null ? token : encodeSpnegoAnswer(NegState.acceptIncomplete, Mechanism.ntlm, token, null));
  return NtStatus.MORE_PROCESSING_REQUIRED;
}

/** An anonymous log-in: as a guest's, but that it says so itself. */
function nobody(call: Call): Somebody | number {
  return guestsAllowed(call.connection.server) ? { user: guest, kind: SessionKind.anonymous, epoch: 0, proven: null } : NtStatus.ACCESS_DENIED;
}

/** Whoever a claim is proven to be of. Somebody unknown is a guest where guests are let in. */
function known(call: Call, setup: Setup, exchange: NtlmExchange, claim: NtlmClaim, mic: Uint8Array | null): Somebody | number {
  const { server, transport } = call.connection;
  const client = transport.address;
  const name = claim.fields.user;
  const attempt = server.attempts.begin(name, client);
  if (attempt === null) return NtStatus.ACCOUNT_LOCKED_OUT;
  const account = server.accounts.byName(name);
  // Somebody unknown costs the same as a wrong password.
  const proven = proveNtlm(exchange, claim, account?.ntHash ?? server.random.bytes(16));
  if (account === null && guestsAllowed(server)) {
    // He guessed nobody's password: who comes again as a guest is not slowed.
    attempt.withdraw();
    return { user: guest, kind: SessionKind.guest, epoch: 0, proven: null };
  }
  if (account === null || proven === null) {
    // Of somebody unknown no name is told: people type their password into the wrong field.
    server.logger.info({ ...call.logFields, user: account?.user.name ?? null }, "refused an SMB log-in");
    return NtStatus.LOGON_FAILURE;
  }
  const list = setup.mechanismList;
  if (mic !== null && list !== null && !same(ntlmSignature(proven, "client", list), mic)) return NtStatus.LOGON_FAILURE;
  attempt.succeeded();
  if (!account.user.enabled) return NtStatus.ACCOUNT_DISABLED;
  if (account.mustChangePassword) return NtStatus.PASSWORD_MUST_CHANGE;
  return { user: account.user, kind: SessionKind.user, epoch: account.sessionEpoch, proven };
}

function settle(call: Call, setup: Setup, request: SessionSetupRequest, somebody: Somebody): number {
  switch (setup.purpose) {
    case Purpose.begin:
      return beginSession(call, setup, request, somebody);
    case Purpose.bind:
      return bind(call, setup, somebody);
    case Purpose.renew:
      return renew(call, setup, somebody);
  }
}

/** The session of a new log-in is valid from here on (MS-SMB2 3.3.5.5.3). */
function beginSession(call: Call, setup: Setup, request: SessionSetupRequest, { user, kind, epoch, proven }: Somebody): number {
  const { connection } = call;
  const { server } = connection;
  const { session } = setup;
  const { encryption } = server.settings;
  // Who has no key can neither sign nor encrypt.
  const keyless = proven === null;
  if (encryption === Encryption.required && (keyless || connection.cipher === 0)) return NtStatus.ACCESS_DENIED;
  if (keyless && server.signingRequired) return NtStatus.ACCESS_DENIED;
  if (!server.sessions.give(session, user.uid)) return tooMany(call, user);
  session.kind = kind;
  session.epoch = epoch;
  session.dialect = connection.dialect;
  session.signing = connection.signing;
  session.cipher = connection.cipher;
  if (proven !== null) makeKeys(call, setup, proven);
  session.signingRequired = !keyless && (server.signingRequired || ((request.securityMode | connection.clientSecurityMode) & SecurityMode.SIGNING_REQUIRED) !== 0);
  session.encryptionRequired = session.seals = encryption !== Encryption.off && session.sealer !== null;
  session.user = user;
  addChannel(call, session, session.signer);
  endPrevious(call, session, request);
  return NtStatus.SUCCESS;
}

function tooMany(call: Call, { name }: KnownUser): number {
  const { server, transport } = call.connection;
  server.logger.warn({ client: transport.address, user: name, sessions: userSessionsMax }, "refused an SMB log-in: the user has as many sessions as one may have; close some of his clients, or find out which of them logs in again and again");
  return NtStatus.INSUFFICIENT_RESOURCES;
}

/** A client that came back before we knew it was gone: its old session ends (MS-SMB2 3.3.5.5.3), where it was the same user's. */
function endPrevious(call: Call, session: Session, request: SessionSetupRequest): void {
  const { server } = call.connection;
  const previous = server.sessions.find(request.previousSessionLow, request.previousSessionHigh);
  if (previous === null || previous === session || !previous.valid) return;
  if (previous.kind !== SessionKind.user || session.kind !== SessionKind.user || previous.user!.uid !== session.user!.uid) return;
  void endSession(server, previous, Ending.lost);
}

function bind(call: Call, setup: Setup, { user, kind, proven }: Somebody): number {
  const { session } = setup;
  // Its requests and answers before are signed with the session's key, the last answer with the connection's own.
  if (kind !== SessionKind.user || proven === null || session.user?.uid !== user.uid) return NtStatus.ACCESS_DENIED;
  addChannel(call, session, signerOf(call, setup, proven));
  return NtStatus.SUCCESS;
}

/**
 * Keys stay as they are; what he may open from now on goes by the groups he has by now (MS-SMB2 3.3.5.5.3). Nobody becomes another by it: shares
 * let in whom the session was of when it was connected to them, and its key proves that it is that user's.
 */
function renew(call: Call, { session }: Setup, { user, kind, epoch }: Somebody): number {
  if (kind !== session.kind || user.uid !== session.user!.uid) return NtStatus.ACCESS_DENIED;
  session.user = user;
  session.epoch = epoch;
  for (const tree of session.trees.values()) tree.userChanged();
  call.header.flags |= HeaderFlag.SIGNED;
  return NtStatus.SUCCESS;
}

/** The last answer is signed, whatever was asked: it proves to the client that the server knows the key. */
function addChannel(call: Call, session: Session, signer: Signer | null): void {
  const channel = new Channel(session, call.connection, signer);
  session.channels.push(channel);
  call.connection.addChannel(channel);
  call.session = session;
  call.signer = signer;
  call.header.flags |= HeaderFlag.SIGNED;
}

function flagsOf(session: Session): number {
  if (session.kind === SessionKind.guest) return SessionFlag.IS_GUEST;
  if (session.kind === SessionKind.anonymous) return SessionFlag.IS_NULL;
  return session.encryptionRequired ? SessionFlag.ENCRYPT_DATA : 0;
}

function makeKeys(call: Call, setup: Setup, proven: NtlmProven): void {
  const { cipher } = call.connection;
  const { session } = setup;
  session.signer = signerOf(call, setup, proven);
  if (cipher === 0) return;
  const bytes = cipherKeyBytes(cipher as Cipher);
  session.sealer = new Sealer(cipher as Cipher, keyOf(call, setup, proven, KeyUse.serverOut, bytes), keyOf(call, setup, proven, KeyUse.serverIn, bytes));
}

function signerOf(call: Call, setup: Setup, proven: NtlmProven): Signer {
  return new Signer(call.connection.signing as SigningAlgorithm, keyOf(call, setup, proven, KeyUse.signing, 16));
}

function keyOf(call: Call, setup: Setup, { sessionKey }: NtlmProven, use: KeyUse, bytes: 16 | 32): Uint8Array {
  const { dialect } = call.connection;
  if (dialect === Dialect.SMB_3_1_1) return sessionKey311(sessionKey, use, setup.preauth, bytes);
  return dialect >= Dialect.SMB_3_0 ? sessionKey30(sessionKey, use) : sessionKey;
}
