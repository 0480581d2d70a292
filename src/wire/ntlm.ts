/** NTLM messages (MS-NLMP 2.2): bytes to structs and back; what they prove is judged in `auth/`. */
const signature = new Uint8Array([0x4e, 0x54, 0x4c, 0x4d, 0x53, 0x53, 0x50, 0x00]);

export const NtlmType = { negotiate: 1, challenge: 2, authenticate: 3 } as const;

/** MS-NLMP 2.2.2.5. */
export const NtlmFlag = {
  NEGOTIATE_UNICODE: 0x1,
  REQUEST_TARGET: 0x4,
  NEGOTIATE_SIGN: 0x10,
  NEGOTIATE_SEAL: 0x20,
  NEGOTIATE_LM_KEY: 0x80,
  NEGOTIATE_NTLM: 0x200,
  ANONYMOUS: 0x800,
  NEGOTIATE_ALWAYS_SIGN: 0x8000,
  TARGET_TYPE_SERVER: 0x20000,
  NEGOTIATE_EXTENDED_SESSIONSECURITY: 0x80000,
  NEGOTIATE_TARGET_INFO: 0x800000,
  NEGOTIATE_VERSION: 0x2000000,
  NEGOTIATE_128: 0x20000000,
  NEGOTIATE_KEY_EXCH: 0x40000000,
  NEGOTIATE_56: 0x80000000,
} as const;

/** Kinds of AV_PAIR (MS-NLMP 2.2.2.1). */
export const AvId = {
  EOL: 0,
  NbComputerName: 1,
  NbDomainName: 2,
  DnsComputerName: 3,
  DnsDomainName: 4,
  DnsTreeName: 5,
  Flags: 6,
  Timestamp: 7,
  TargetName: 9,
  ChannelBindings: 10,
} as const;
/** MsvAvFlags: the client sends a MIC. */
export const avFlagMic = 0x2;
const avPairsMax = 32;

/** Type of an NTLM message; 0 for anything else. */
export function ntlmType(message: Uint8Array): number {
  if (message.length < 12) return 0;
  for (let i = 0; i < 8; i++) if (message[i] !== signature[i]) return 0;
  return viewOf(message).getUint32(8, true);
}

/** Longest NEGOTIATE_MESSAGE: a log-in keeps it for the MIC. Names and version of a client's make up a hundred bytes, seldom two. */
export const ntlmNegotiateBytesMax = 1024;

/** The flags of a NEGOTIATE_MESSAGE, all that is used of it; null where it is cut, or longer than anybody's. */
export function decodeNtlmNegotiate(message: Uint8Array): { readonly flags: number } | null {
  if (ntlmType(message) !== NtlmType.negotiate || message.length < 16 || message.length > ntlmNegotiateBytesMax) return null;
  return { flags: viewOf(message).getUint32(12, true) };
}

/** An AUTHENTICATE_MESSAGE; views of the message. */
export interface NtlmAuthenticate {
  readonly flags: number;
  readonly lmResponse: Uint8Array;
  readonly ntResponse: Uint8Array;
  readonly domain: string;
  readonly user: string;
  readonly workstation: string;
  readonly encryptedSessionKey: Uint8Array;
  /** Where the MIC lies in the message: in front of it nothing but the fixed header. */
  readonly micAt: number;
}

const authenticateHeaderBytes = 64;
const micAt = 72;
export const ntlmMicBytes = 16;
/** Longest user, domain and workstation names, in UTF-16 units. */
const nameUnitsMax = 256;

export function decodeNtlmAuthenticate(message: Uint8Array): NtlmAuthenticate | null {
  if (ntlmType(message) !== NtlmType.authenticate || message.length < authenticateHeaderBytes) return null;
  const view = viewOf(message);
  const flags = view.getUint32(60, true);
  // Everybody speaks Unicode since Windows 2000; the OEM code page of a client can't be known.
  if ((flags & NtlmFlag.NEGOTIATE_UNICODE) === 0) return null;
  const lmResponse = field(message, 12);
  const ntResponse = field(message, 20);
  const domain = text(field(message, 28));
  const user = text(field(message, 36));
  const workstation = text(field(message, 44));
  const encryptedSessionKey = field(message, 52);
  if (lmResponse === null || ntResponse === null || domain === null || user === null || workstation === null || encryptedSessionKey === null) return null;
  return { flags, lmResponse, ntResponse, domain, user, workstation, encryptedSessionKey, micAt };
}

/** Length, maximum length (unused), offset. */
function field(message: Uint8Array, at: number): Uint8Array | null {
  const view = viewOf(message);
  const length = view.getUint16(at, true);
  const offset = view.getUint32(at + 4, true);
  if (length === 0) return message.subarray(0, 0);
  return offset >= authenticateHeaderBytes && offset + length <= message.length ? message.subarray(offset, offset + length) : null;
}

function text(bytes: Uint8Array | null): string | null {
  if (bytes === null || bytes.length % 2 !== 0 || bytes.length > nameUnitsMax * 2) return null;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf16le");
}

export interface AvPair {
  readonly id: number;
  readonly value: Uint8Array;
}

/** The pairs up to the end of the list; null where the list is cut, has no end or too many. */
export function decodeAvPairs(bytes: Uint8Array): AvPair[] | null {
  const view = viewOf(bytes);
  const pairs: AvPair[] = [];
  for (let at = 0; at + 4 <= bytes.length && pairs.length <= avPairsMax; ) {
    const id = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (id === AvId.EOL) return pairs;
    if (at + 4 + length > bytes.length) return null;
    pairs.push({ id, value: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + length;
  }
  return null;
}

/** The list with its end. */
export function encodeAvPairs(pairs: readonly AvPair[]): Uint8Array {
  let length = 4;
  for (const { value } of pairs) length += 4 + value.length;
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  let at = 0;
  for (const { id, value } of pairs) {
    view.setUint16(at, id, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}

const challengeHeaderBytes = 56;
/** Product version 6.1 build 7600, NTLM revision 15, as Windows and Samba send one (MS-NLMP 2.2.2.10): nobody acts on it. */
const version = new Uint8Array([6, 1, 0xb0, 0x1d, 0, 0, 0, 15]);

export function encodeNtlmChallenge(flags: number, challenge: Uint8Array, target: string, targetInfo: Uint8Array): Uint8Array {
  const name = Buffer.from(target, "utf16le");
  const message = new Uint8Array(challengeHeaderBytes + name.length + targetInfo.length);
  const view = viewOf(message);
  message.set(signature, 0);
  view.setUint32(8, NtlmType.challenge, true);
  setField(view, 12, name.length, challengeHeaderBytes);
  view.setUint32(20, flags, true);
  message.set(challenge, 24);
  setField(view, 40, targetInfo.length, challengeHeaderBytes + name.length);
  message.set(version, 48);
  message.set(name, challengeHeaderBytes);
  message.set(targetInfo, challengeHeaderBytes + name.length);
  return message;
}

function setField(view: DataView, at: number, length: number, offset: number): void {
  view.setUint16(at, length, true);
  view.setUint16(at + 2, length, true);
  view.setUint32(at + 4, offset, true);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
