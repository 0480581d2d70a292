/*
 * The little of DER (X.690) that SPNEGO needs: definite lengths of at most four bytes, tags of one byte. A reader never passes the
 * end it was given and never goes deeper than its caller does, so that tokens that nest cost their sender nothing but bytes.
 */
export const DerTag = {
  octetString: 0x04,
  objectIdentifier: 0x06,
  enumerated: 0x0a,
  sequence: 0x30,
  /** [APPLICATION 0], constructed: a GSS-API token (RFC 2743 §3.1). */
  application0: 0x60,
} as const;

/** [n], constructed. */
export function contextTag(n: number): number {
  return 0xa0 | n;
}

/** One element: its tag and where its content lies. */
export interface DerElement {
  readonly tag: number;
  readonly from: number;
  readonly to: number;
}

/** The element that begins at `at` and ends at or before `end`; null for anything malformed. */
export function derElement(bytes: Uint8Array, at: number, end: number): DerElement | null {
  if (end - at < 2) return null;
  const tag = bytes[at]!;
  const first = bytes[at + 1]!;
  let from = at + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4 || end - from < count) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[from + i]!;
    from += count;
  }
  return length > end - from ? null : { tag, from, to: from + length };
}

/** As `derElement`, where it has to have this tag. */
export function derTagged(bytes: Uint8Array, at: number, end: number, tag: number): DerElement | null {
  const element = derElement(bytes, at, end);
  return element !== null && element.tag === tag ? element : null;
}

/** An element with this content, given in parts. */
export function derOf(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = lengthBytes(length);
  const out = new Uint8Array(1 + head.length + length);
  out[0] = tag;
  out.set(head, 1);
  let at = 1 + head.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return new Uint8Array([length]);
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return new Uint8Array([0x80 | bytes.length, ...bytes]);
}
