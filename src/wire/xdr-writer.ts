import { ByteWriter } from "./byte-writer.ts";

const encoder = new TextEncoder();

/** Writes XDR (RFC 4506). */
export class XdrWriter extends ByteWriter {
  u32(value: number): void {
    const b = this.bytes;
    const at = this.at;
    b[at] = value >>> 24;
    b[at + 1] = value >>> 16;
    b[at + 2] = value >>> 8;
    b[at + 3] = value;
    this.at = at + 4;
  }

  /** An integer in 0..2^53-1. The low half is written as int32: conversions beyond that range are slow. */
  u64(value: number): void {
    const high = (value / 4294967296) | 0;
    let low = value - high * 4294967296;
    if (low > 2147483647) low -= 4294967296;
    this.u32(high);
    this.u32(low | 0);
  }

  /** Fixed-length opaque data, padded. Checks for room. */
  fixedOpaque(from: Uint8Array, start = 0, end: number = from.length): void {
    const length = end - start;
    const padded = (length + 3) & ~3;
    this.reserve(padded);
    const b = this.bytes;
    const at = this.at;
    if (length <= 16) for (let i = 0; i < length; i++) b[at + i] = from[start + i]!;
    else b.set(start === 0 && end === from.length ? from : from.subarray(start, end), at);
    for (let i = length; i < padded; i++) b[at + i] = 0;
    this.at = at + padded;
  }

  /** Variable-length opaque data. Checks for room. */
  opaque(from: Uint8Array, start = 0, end: number = from.length): void {
    this.reserve(4);
    this.u32(end - start);
    this.fixedOpaque(from, start, end);
  }

  /** A string as UTF-8. Checks for room. */
  string(text: string): void {
    const most = text.length * 3;
    this.reserve(4 + most + 3);
    const b = this.bytes;
    const from = this.at + 4;
    let length = text.length;
    if (length > asciiLoopMax) {
      length = encoder.encodeInto(text, b.subarray(from, from + most)).written;
    } else {
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) {
          length = encoder.encodeInto(text, b.subarray(from, from + most)).written;
          break;
        }
        b[from + i] = code;
      }
    }
    this.u32(length);
    const end = from + ((length + 3) & ~3);
    for (let i = from + length; i < end; i++) b[i] = 0;
    this.at = end;
  }
}

/** Up to this many characters a loop is faster than the call of an encoder. */
const asciiLoopMax = 24;
