import { encodeSpnegoOffer, Mechanism } from "#wire/spnego.ts";
import { encodeFileTime, fileTimeBytes } from "#wire/filetime.ts";
import { LeWriter } from "#wire/le.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command, encodeHeader, HeaderFlag, RequestHeader } from "#wire/smb2/header.ts";
import {
  Capability,
  Cipher,
  ContextType,
  decodeChoices,
  decodeNegotiate,
  decodePreauth,
  Dialect,
  encodeChoice,
  encodeNegotiate,
  encodePreauth,
  HashAlgorithm,
  type NegotiateContext,
  type NegotiateRequest,
  SecurityMode,
  SigningAlgorithm,
} from "#wire/smb2/negotiate.ts";
import { Call } from "../call.ts";
import { chained, type SmbConnection } from "../connection.ts";

/** Best first. */
const dialects: readonly number[] = [Dialect.SMB_3_1_1, Dialect.SMB_3_0_2, Dialect.SMB_3_0, Dialect.SMB_2_1, Dialect.SMB_2_0_2];
const signings: readonly number[] = [SigningAlgorithm.AES_GMAC, SigningAlgorithm.AES_CMAC, SigningAlgorithm.HMAC_SHA256];
const ciphers: readonly number[] = [Cipher.AES_128_GCM, Cipher.AES_128_CCM, Cipher.AES_256_GCM, Cipher.AES_256_CCM];
const saltBytes = 32;

/** NEGOTIATE (MS-SMB2 3.3.5.4). */
export function negotiate(call: Call): number {
  const { connection, bytes, base, end } = call;
  if ((call.header.flags & HeaderFlag.SIGNED) !== 0 || call.index > 0 || call.next > 0) return NtStatus.INVALID_PARAMETER;
  if (connection.negotiated) {
    connection.close("a second NEGOTIATE");
    return -1;
  }
  const request = decodeNegotiate(bytes, base, end);
  if (request === null || request.dialects.length === 0) return NtStatus.INVALID_PARAMETER;
  const { dialectMin, dialectMax } = connection.server.settings;
  const dialect = dialects.find((each) => each >= dialectMin && each <= dialectMax && request.dialects.includes(each));
  if (dialect === undefined) return NtStatus.NOT_SUPPORTED;
  connection.cipher = 0;
  const contexts = dialect === Dialect.SMB_3_1_1 ? agree(connection, request) : [];
  if (typeof contexts === "number") return contexts;
  connection.dialect = dialect;
  if (dialect < Dialect.SMB_3_0) connection.signing = SigningAlgorithm.HMAC_SHA256;
  else if (dialect < Dialect.SMB_3_1_1) {
    connection.signing = SigningAlgorithm.AES_CMAC;
    if ((request.capabilities & Capability.ENCRYPTION) !== 0) connection.cipher = Cipher.AES_128_CCM;
  }
  connection.clientGuid = request.clientGuid;
  connection.clientCapabilities = request.capabilities;
  connection.clientSecurityMode = request.securityMode;
  connection.clientDialects = request.dialects;
  if (dialect === Dialect.SMB_3_1_1) {
    connection.preauth = chained(connection.preauth, bytes.subarray(base, end));
    call.afterSend = () => {
      connection.preauth = chained(connection.preauth, call.out.bytes.subarray(0, call.out.length));
    };
  }
  answer(call, dialect, contexts);
  return NtStatus.SUCCESS;
}

/** Chooses what the contexts of 3.1.1 offer; a status where that can't be. */
function agree(connection: SmbConnection, request: NegotiateRequest): readonly NegotiateContext[] | number {
  const { contexts } = request;
  const preauths = contexts.filter(({ type }) => type === ContextType.PREAUTH_INTEGRITY_CAPABILITIES);
  const hashes = preauths.length === 1 ? decodePreauth(preauths[0]!.data) : null;
  if (hashes === null) return NtStatus.INVALID_PARAMETER;
  if (!hashes.includes(HashAlgorithm.SHA_512)) return NtStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP;
  const agreed: NegotiateContext[] = [
    { type: ContextType.PREAUTH_INTEGRITY_CAPABILITIES, data: encodePreauth(HashAlgorithm.SHA_512, connection.server.random.bytes(saltBytes)) },
  ];
  connection.signing = SigningAlgorithm.AES_CMAC;
  const offered = contexts.find(({ type }) => type === ContextType.SIGNING_CAPABILITIES);
  if (offered !== undefined) {
    const choices = decodeChoices(offered.data);
    if (choices === null) return NtStatus.INVALID_PARAMETER;
    const signing = signings.find((each) => choices.includes(each));
    if (signing !== undefined) {
      connection.signing = signing;
      agreed.push({ type: ContextType.SIGNING_CAPABILITIES, data: encodeChoice(signing) });
    }
  }
  const ciphersOffered = contexts.find(({ type }) => type === ContextType.ENCRYPTION_CAPABILITIES);
  if (ciphersOffered !== undefined) {
    const choices = decodeChoices(ciphersOffered.data);
    if (choices === null) return NtStatus.INVALID_PARAMETER;
    connection.cipher = ciphers.find((each) => choices.includes(each)) ?? 0;
    agreed.push({ type: ContextType.ENCRYPTION_CAPABILITIES, data: encodeChoice(connection.cipher) });
  }
  return agreed;
}

function answer(call: Call, dialect: number, contexts: readonly NegotiateContext[]): void {
  const { server } = call.connection;
  const large = dialect >= Dialect.SMB_2_1;
  const encrypts = dialect >= Dialect.SMB_3_0 && dialect < Dialect.SMB_3_1_1 && call.connection.cipher !== 0;
  const both = Capability.MULTI_CHANNEL | Capability.PERSISTENT_HANDLES;
  const mutual = dialect >= Dialect.SMB_3_0 && dialect <= Dialect.SMB_3_1_1 ? call.connection.clientCapabilities & both : 0;
  const capabilities = (large ? Capability.LARGE_MTU : 0) | (encrypts ? Capability.ENCRYPTION : 0) | leasing(dialect) | mutual;
  const securityMode = SecurityMode.SIGNING_ENABLED | (server.signingRequired ? SecurityMode.SIGNING_REQUIRED : 0);
  call.connection.offer(capabilities, server.settings.transferBytesMax);
  call.connection.securityMode = securityMode;
  encodeNegotiate(call.w, call.answerAt, {
    securityMode,
    dialect,
    serverGuid: server.guid,
    capabilities,
    transactBytesMax: call.connection.transactBytesMax,
    readBytesMax: call.connection.transferBytesMax,
    writeBytesMax: call.connection.transferBytesMax,
    systemTime: fileTimeNow(call.connection),
    securityBuffer: encodeSpnegoOffer([Mechanism.ntlm]),
    contexts,
  });
}

/** Leases of files, from 3.0 on of directories too (MS-SMB2 3.3.5.4). */
function leasing(dialect: number): number {
  if (dialect < Dialect.SMB_2_1) return 0;
  return dialect < Dialect.SMB_3_0 ? Capability.LEASING : Capability.LEASING | Capability.DIRECTORY_LEASING;
}

export function fileTimeNow(connection: SmbConnection): Uint8Array {
  const target = { bytes: new Uint8Array(fileTimeBytes), length: 0 };
  const w = new LeWriter();
  w.attach(target);
  encodeFileTime(w, connection.server.clock.now());
  w.commit();
  return target.bytes;
}

const smb1HeaderBytes = 32;
/** Longest SMB1 NEGOTIATE: every dialect there ever was takes a tenth. */
const smb1BytesMax = 4096;
const smb1Negotiate = 0x72;

/** An SMB1 client's multi-protocol NEGOTIATE (MS-SMB2 3.3.5.3): the answer tells it to go on with SMB2. False: it can't. */
export function answerSmb1Negotiate(connection: SmbConnection, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < smb1HeaderBytes + 3 || end - start > smb1BytesMax || bytes[start + 4] !== smb1Negotiate) return false;
  const offered = Buffer.from(bytes.buffer, bytes.byteOffset + start + smb1HeaderBytes + 3, end - start - smb1HeaderBytes - 3).toString("latin1");
  const names = offered.split("\0").map((name) => name.replace(/^\x02/, ""));
  const { dialectMin, dialectMax } = connection.server.settings;
  const wildcard = names.includes("SMB 2.???") && dialectMax >= Dialect.SMB_2_1;
  if (!wildcard && (!names.includes("SMB 2.002") || dialectMin > Dialect.SMB_2_0_2)) return false;
  connection.dialect = wildcard ? Dialect.WILDCARD : Dialect.SMB_2_0_2;
  connection.clientDialects = wildcard ? [] : [Dialect.SMB_2_0_2];
  const call = new Call(connection);
  const header = new RequestHeader();
  header.command = Command.NEGOTIATE;
  connection.credits.take(0, 1);
  call.w.attach(call.out);
  encodeHeader(call.w, header, connection.credits.grant(1), 0, 0);
  answer(call, connection.dialect, []);
  call.w.commit();
  connection.sendAnswers(call);
  return true;
}
