/** Why decoding stopped. The first failure of a message stays; what is read after it is zeros. */
export const XdrFailure = {
  none: 0,
  /** Cut, a length above its maximum, a discriminant that is not in the union. */
  garbage: 1,
  /** A name or path that is longer than the protocol's limit but lies whole in the message. */
  tooLong: 2,
  /** A name that is not UTF-8, or has a NUL (or, of a name, a "/") in it. */
  badName: 3,
} as const;
export type XdrFailure = (typeof XdrFailure)[keyof typeof XdrFailure];

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice(start: number, end: number): string }).latin1Slice;

/**
 * Reads XDR (RFC 4506) from a record given as a contiguous head and a list of tail slices. Everything but a payload
 * (`opaqueSlices`) must lie in the head; whoever cuts records into slices makes heads long enough for that. One reader serves
 * many records: `attach` points it at the next. No read throws or passes the end: check `failure` once after decoding.
 */
export class XdrReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  tail: readonly Uint8Array[] = [];
  tailBytes = 0;
  failure: XdrFailure = XdrFailure.none;
  /** Where the bytes of the last `opaque` lie in `bytes`, and how many the last `opaque` or `opaqueSlices` has. */
  opaqueAt = 0;
  opaqueLength = 0;

  /** Points the reader at `bytes[start..end)` followed by `tail`, which holds `tailBytes` bytes. */
  attach(bytes: Uint8Array, start: number, end: number, tail: readonly Uint8Array[] = noSlices, tailBytes = 0): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.tail = tail;
    this.tailBytes = tailBytes;
    this.failure = XdrFailure.none;
  }

  fail(why: XdrFailure): void {
    if (this.failure === XdrFailure.none) this.failure = why;
    this.at = this.end;
    this.tailBytes = 0;
  }

  i32(): number {
    const at = this.at;
    if (this.end - at < 4) {
      this.fail(XdrFailure.garbage);
      return 0;
    }
    const b = this.bytes;
    this.at = at + 4;
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!;
  }

  u32(): number {
    return this.i32() >>> 0;
  }

  /** A 64-bit number; from 2^53 on it is only near the value sent, so whoever uses it as an id or offset refuses or clamps it. */
  u64(): number {
    const high = this.i32() >>> 0;
    return high * 4294967296 + (this.i32() >>> 0);
  }

  bool(): boolean {
    const value = this.i32();
    if (value !== 0 && value !== 1) this.fail(XdrFailure.garbage);
    return value === 1;
  }

  /** Skips `length` bytes of fixed-length opaque data and leaves their place in `opaqueAt`. */
  fixedOpaque(length: number): boolean {
    // Not by masking the sum: a length near 2^32 would wrap to a small one.
    const padded = length + (-length & 3);
    if (this.end - this.at < padded) {
      this.fail(XdrFailure.garbage);
      this.opaqueLength = 0;
      return false;
    }
    this.opaqueAt = this.at;
    this.opaqueLength = length;
    this.at += padded;
    return true;
  }

  /** Variable-length opaque data of at most `max` bytes: its place is in `opaqueAt` and `opaqueLength`. */
  opaque(max: number): boolean {
    const length = this.i32() >>> 0;
    if (length > max || this.failure !== XdrFailure.none) {
      this.fail(XdrFailure.garbage);
      this.opaqueLength = 0;
      return false;
    }
    return this.fixedOpaque(length);
  }

  /** A copy of `length` bytes of fixed-length opaque data. */
  fixedCopy(length: number): Uint8Array {
    return this.fixedOpaque(length) ? copyOf(this.bytes, this.opaqueAt, length) : new Uint8Array(length);
  }

  /**
   * A payload of at most `max` bytes as the slices it was received in, uncopied; `opaqueLength` says how many bytes. It may reach
   * into the tail, and then nothing can be read after it.
   */
  opaqueSlices(max: number): Uint8Array[] {
    const length = this.i32() >>> 0;
    const inHead = this.end - this.at;
    const padded = length + (-length & 3);
    if (length > max || padded > inHead + this.tailBytes || this.failure !== XdrFailure.none) {
      this.fail(XdrFailure.garbage);
      this.opaqueLength = 0;
      return [];
    }
    this.opaqueLength = length;
    if (length <= inHead) {
      const slice = this.bytes.subarray(this.at, this.at + length);
      this.at = Math.min(this.end, this.at + padded);
      return length === 0 ? [] : [slice];
    }
    const slices: Uint8Array[] = [];
    if (inHead > 0) slices.push(this.bytes.subarray(this.at, this.end));
    let left = length - inHead;
    for (let i = 0; left > 0; i++) {
      const slice = this.tail[i]!;
      slices.push(slice.length <= left ? slice : slice.subarray(0, left));
      left -= slice.length;
    }
    this.at = this.end;
    this.tailBytes = 0;
    return slices;
  }

  /** The name of a directory entry: UTF-8, at most `max` bytes, without NUL and "/". "" on failure. */
  name(max: number): string {
    return this.text(max, true);
  }

  /** UTF-8 text of at most `max` bytes without NUL. "" on failure. */
  string(max: number): string {
    return this.text(max, false);
  }

  private text(max: number, refuseSlash: boolean): string {
    const length = this.i32() >>> 0;
    if (this.failure !== XdrFailure.none) return "";
    if (length > max) {
      this.fail(length <= this.end - this.at + this.tailBytes ? XdrFailure.tooLong : XdrFailure.garbage);
      return "";
    }
    if (!this.fixedOpaque(length)) return "";
    const bytes = this.bytes;
    const from = this.opaqueAt;
    const to = from + length;
    let seen = 0;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      if (byte === 0 || (byte === 0x2f && refuseSlash)) {
        this.fail(XdrFailure.badName);
        return "";
      }
      seen |= byte;
    }
    if (seen < 0x80) return latin1Slice.call(bytes, from, to);
    try {
      return utf8.decode(bytes.subarray(from, to));
    } catch {
      this.fail(XdrFailure.badName);
      return "";
    }
  }
}

const noSlices: readonly Uint8Array[] = [];

/** A copy that keeps nothing else alive. Not `slice`: of a Buffer, which a socket's chunks are, that is a view. */
export function copyOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(bytes.subarray(at, at + length));
}
