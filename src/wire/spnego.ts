import { contextTag, type DerElement, derElement, derOf, derTagged, DerTag } from "./der.ts";

/** SPNEGO (RFC 4178): how a client and a server agree on a mechanism of authentication. */
export const Mechanism = {
  /** 1.3.6.1.4.1.311.2.2.10 */
  ntlm: new Uint8Array([0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a]),
  /** 1.2.840.113554.1.2.2 */
  kerberos: new Uint8Array([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02]),
} as const;
/** 1.3.6.1.5.5.2 */
const spnego = new Uint8Array([0x2b, 0x06, 0x01, 0x05, 0x05, 0x02]);

export const NegState = { acceptCompleted: 0, acceptIncomplete: 1, reject: 2, requestMic: 3 } as const;
export type NegState = (typeof NegState)[keyof typeof NegState];

/** What a first token offers. */
export interface NegTokenInit {
  readonly kind: "init";
  readonly mechanisms: readonly Uint8Array[];
  /** The DER of the list as it was sent: what a mechListMIC signs (RFC 4178 §5). */
  readonly mechanismList: Uint8Array;
  /** A token of the first mechanism, sent in the hope that it is taken. */
  readonly token: Uint8Array | null;
}

/** What a later token says. */
export interface NegTokenResp {
  readonly kind: "resp";
  readonly state: number | null;
  readonly token: Uint8Array | null;
  readonly mechListMic: Uint8Array | null;
}

/** Most mechanisms a client may offer. */
const mechanismsMax = 16;
/** Longest list of them: a log-in keeps it until it is proven, and sixteen identifiers there are take less than a quarter of this. */
export const mechanismListBytesMax = 1024;

/** A client's SPNEGO token; null for anything malformed. The parts are views of `bytes`. */
export function decodeSpnego(bytes: Uint8Array): NegTokenInit | NegTokenResp | null {
  const outer = derElement(bytes, 0, bytes.length);
  if (outer === null) return null;
  if (outer.tag === contextTag(1)) return decodeResp(bytes, outer);
  if (outer.tag !== DerTag.application0) return null;
  const mechanism = derTagged(bytes, outer.from, outer.to, DerTag.objectIdentifier);
  if (mechanism === null || !same(contentOf(bytes, mechanism), spnego)) return null;
  const init = derTagged(bytes, mechanism.to, outer.to, contextTag(0));
  return init === null ? null : decodeInit(bytes, init);
}

function decodeInit(bytes: Uint8Array, init: DerElement): NegTokenInit | null {
  const fields = fieldsOf(bytes, init);
  const list = fields?.[0];
  if (fields === null || list === undefined || list.to - list.from > mechanismListBytesMax) return null;
  const sequence = derTagged(bytes, list.from, list.to, DerTag.sequence);
  if (sequence === null) return null;
  const mechanisms: Uint8Array[] = [];
  for (let at = sequence.from; at < sequence.to; ) {
    const one = derTagged(bytes, at, sequence.to, DerTag.objectIdentifier);
    if (one === null || mechanisms.length === mechanismsMax) return null;
    mechanisms.push(contentOf(bytes, one));
    at = one.to;
  }
  const token = octets(bytes, fields[2]);
  return token === undefined ? null : { kind: "init", mechanisms, mechanismList: bytes.subarray(list.from, list.to), token };
}

function decodeResp(bytes: Uint8Array, outer: DerElement): NegTokenResp | null {
  const fields = fieldsOf(bytes, outer);
  if (fields === null) return null;
  let state: number | null = null;
  if (fields[0] !== undefined) {
    const value = derTagged(bytes, fields[0].from, fields[0].to, DerTag.enumerated);
    if (value === null || value.to - value.from !== 1) return null;
    state = bytes[value.from]!;
  }
  const token = octets(bytes, fields[2]);
  const mechListMic = octets(bytes, fields[3]);
  return token === undefined || mechListMic === undefined ? null : { kind: "resp", state, token, mechListMic };
}

/** The fields [0] to [3] of the SEQUENCE in `outer`, each at most once. */
function fieldsOf(bytes: Uint8Array, outer: DerElement): (DerElement | undefined)[] | null {
  const sequence = derTagged(bytes, outer.from, outer.to, DerTag.sequence);
  if (sequence === null) return null;
  const fields: (DerElement | undefined)[] = [undefined, undefined, undefined, undefined];
  for (let at = sequence.from; at < sequence.to; ) {
    const field = derElement(bytes, at, sequence.to);
    if (field === null) return null;
    const n = field.tag - contextTag(0);
    if (n < 0 || n > 3 || fields[n] !== undefined) return null;
    fields[n] = field;
    at = field.to;
  }
  return fields;
}

/** The OCTET STRING in a field; null where there is no field, undefined where it is something else. */
function octets(bytes: Uint8Array, field: DerElement | undefined): Uint8Array | null | undefined {
  if (field === undefined) return null;
  const string = derTagged(bytes, field.from, field.to, DerTag.octetString);
  return string === null ? undefined : contentOf(bytes, string);
}

function contentOf(bytes: Uint8Array, element: DerElement): Uint8Array {
  return bytes.subarray(element.from, element.to);
}

/** Whether two object identifiers are one. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The server's offer, sent with its NEGOTIATE response (MS-SPNG 3.2.5.2). */
export function encodeSpnegoOffer(mechanisms: readonly Uint8Array[]): Uint8Array {
  const list = derOf(DerTag.sequence, ...mechanisms.map((one) => derOf(DerTag.objectIdentifier, one)));
  const init = derOf(contextTag(0), derOf(DerTag.sequence, derOf(contextTag(0), list)));
  return derOf(DerTag.application0, derOf(DerTag.objectIdentifier, spnego), init);
}

/** A server's answer; `mechanism` only with the first. */
export function encodeSpnegoAnswer(
  state: NegState,
  mechanism: Uint8Array | null,
  token: Uint8Array | null,
  mechListMic: Uint8Array | null,
): Uint8Array {
  const fields = [derOf(contextTag(0), derOf(DerTag.enumerated, new Uint8Array([state])))];
  if (mechanism !== null) fields.push(derOf(contextTag(1), derOf(DerTag.objectIdentifier, mechanism)));
  if (token !== null) fields.push(derOf(contextTag(2), derOf(DerTag.octetString, token)));
  if (mechListMic !== null) fields.push(derOf(contextTag(3), derOf(DerTag.octetString, mechListMic)));
  return derOf(contextTag(1), derOf(DerTag.sequence, ...fields));
}
