import { NtStatus } from "#wire/ntstatus.ts";
import { HeaderFlag, sessionIdAt } from "#wire/smb2/header.ts";
import { Dialect, SigningAlgorithm } from "#wire/smb2/negotiate.ts";
import { decodeSessionSetup, encodeEmptyBody, isEmptyBody, SessionSetupFlag, type SessionSetupRequest } from "#wire/smb2/session.ts";
import { signatureHolds } from "../admission.ts";
import type { Call } from "../call.ts";
import { chained, connectionSessionsMax, type SmbConnection } from "../connection.ts";
import { Ending, endSession } from "../session/ending.ts";
import { authenticate } from "../session/log-in.ts";
import { channelsMax, type Session, SessionKind } from "../session/session.ts";
import { Purpose, Setup, setupsMax } from "../session/setup.ts";

/** SESSION_SETUP (MS-SMB2 3.3.5.5): two rounds of NTLM, inside SPNEGO or bare. */
export function sessionSetup(call: Call): number {
  const { connection, bytes, base, end } = call;
  const request = decodeSessionSetup(bytes, base, end);
  // What a message of 3.1.1 proves of itself, it proves of the whole message: there is no place for it in a compound.
  if (request === null || call.index > 0 || call.next > 0) return NtStatus.INVALID_PARAMETER;
  const setup = setupOf(call, request);
  if (typeof setup === "number") return setup;
  const { session } = setup;
  const hashes = connection.dialect === Dialect.SMB_3_1_1 && setup.purpose !== Purpose.renew;
  if (hashes) setup.preauth = chained(setup.preauth, bytes.subarray(base, end));
  const status = authenticate(call, setup, request);
  if (status !== NtStatus.MORE_PROCESSING_REQUIRED) over(connection, setup, status);
  else if (hashes) {
    call.afterSend = () => {
      setup.preauth = chained(setup.preauth, call.out.bytes.subarray(0, call.out.length));
    };
  }
  // Somebody who can't prove again who he is loses what he had (MS-SMB2 3.3.5.5.3).
  if (status !== NtStatus.SUCCESS && status !== NtStatus.MORE_PROCESSING_REQUIRED && setup.purpose === Purpose.renew) void endSession(connection.server, session, Ending.asked);
  call.w.setU32(call.answerAt + sessionIdAt, session.id);
  call.w.setU32(call.answerAt + sessionIdAt + 4, 0);
  return status;
}

/** The log-in came to an end, whichever. */
function over(connection: SmbConnection, setup: Setup, status: number): void {
  connection.endSetup(setup);
  const { logins } = connection.server;
  logins.attempts++;
  if (status !== NtStatus.SUCCESS) logins.failures++;
}

/** The log-in a request belongs to, or a new one; or why there can't be one. */
function setupOf(call: Call, request: SessionSetupRequest): Setup | number {
  const { connection, header } = call;
  const { server } = connection;
  const binding = (request.flags & SessionSetupFlag.BINDING) !== 0;
  if (header.sessionIdLow === 0 && header.sessionIdHigh === 0) {
    if (binding) return NtStatus.INVALID_PARAMETER;
    if (connection.channels.size + connection.setups.size >= connectionSessionsMax || connection.setups.size >= setupsMax) return NtStatus.INSUFFICIENT_RESOURCES;
    const session = server.sessions.create();
    return session === null ? NtStatus.INSUFFICIENT_RESOURCES : begin(call, session, Purpose.begin);
  }
  const session = server.sessions.find(header.sessionIdLow, header.sessionIdHigh);
  if (session === null) return NtStatus.USER_SESSION_DELETED;
  const begun = connection.setups.get(session.id) ?? null;
  if (!session.valid) return begun ?? NtStatus.USER_SESSION_DELETED;
  const channel = connection.channel(session.id, 0);
  const signer = channel === null ? session.signer : channel.signer;
  call.signer = signer;
  const proven = call.encrypted ? call.sealedBy === session : (header.flags & HeaderFlag.SIGNED) !== 0 && signatureHolds(call);
  if (channel !== null) call.session = session;
  // Nobody from elsewhere gets anything signed with a session's key who doesn't know it.
  else if (!proven) call.signer = null;
  if (!proven && channel !== null && ((header.flags & HeaderFlag.SIGNED) !== 0 || session.signingRequired || session.encryptionRequired)) return NtStatus.ACCESS_DENIED;
  if (binding) {
    const refused = channel !== null ? NtStatus.REQUEST_NOT_ACCEPTED : bindable(call, session, proven);
    if (refused !== 0) return refused;
  } else if (channel === null) return NtStatus.USER_SESSION_DELETED;
  if (begun !== null) return begun;
  return connection.setups.size >= setupsMax ? NtStatus.INSUFFICIENT_RESOURCES : begin(call, session, binding ? Purpose.bind : Purpose.renew);
}

function begin(call: Call, session: Session, purpose: Purpose): Setup {
  const { connection } = call;
  const setup = new Setup(session, purpose, connection.preauth);
  connection.addSetup(setup);
  return setup;
}

/** Why this connection can't be bound to a session (MS-SMB2 3.3.5.5); 0: it can. */
function bindable(call: Call, session: Session, proven: boolean): number {
  const { connection, header } = call;
  // Which of these is asked first shows in what clients are told: as Windows does.
  if (session.signing !== connection.signing) {
    if (session.signing === SigningAlgorithm.AES_GMAC) return NtStatus.REQUEST_OUT_OF_SEQUENCE;
    if (connection.signing === SigningAlgorithm.AES_GMAC) return NtStatus.NOT_SUPPORTED;
  }
  if (connection.dialect < Dialect.SMB_3_0) return NtStatus.REQUEST_NOT_ACCEPTED;
  if ((header.flags & HeaderFlag.SIGNED) === 0 && !call.encrypted) return NtStatus.INVALID_PARAMETER;
  if (session.dialect !== connection.dialect || session.cipher !== connection.cipher) return NtStatus.INVALID_PARAMETER;
  if (session.kind !== SessionKind.user) return NtStatus.NOT_SUPPORTED;
  if (!proven) return NtStatus.ACCESS_DENIED;
  return session.channels.length >= channelsMax || connection.channels.size >= connectionSessionsMax ? NtStatus.INSUFFICIENT_RESOURCES : 0;
}

/** LOGOFF (MS-SMB2 3.3.5.6). */
export async function logoff(call: Call): Promise<number> {
  if (!isEmptyBody(call.bytes, call.base, call.end)) return NtStatus.INVALID_PARAMETER;
  // What was opened to outlive its session does (MS-SMB2 3.3.5.6).
  await endSession(call.connection.server, call.session!, Ending.lost);
  encodeEmptyBody(call.w);
  return NtStatus.SUCCESS;
}
