import { ByteWriter } from "./byte-writer.ts";

/*
 * Little-endian integers at a place in bytes. None looks at bounds: a decoder has first seen that its fixed part lies in the
 * message, and what lies past the end reads as 0 or NaN, never as another message's bytes.
 */
export function u16(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8);
}

export function i32(b: Uint8Array, at: number): number {
  return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
}

export function u32(b: Uint8Array, at: number): number {
  return i32(b, at) >>> 0;
}

/** From 2^53 on only near the value: whoever uses it as an offset or id refuses it there. */
export function u64(b: Uint8Array, at: number): number {
  return u32(b, at + 4) * 4294967296 + u32(b, at);
}

/** Names mostly fit. */
const narrow = Buffer.alloc(256);

/** UTF-16LE text of `length` bytes. */
export function utf16(b: Uint8Array, at: number, length: number): string {
  const units = length >> 1;
  if (units <= narrow.length) {
    // Text of characters below U+0100 becomes a string of one byte each, which costs no view and compares faster.
    let i = 0;
    for (let from = at; i < units && b[from + 1] === 0; from += 2) narrow[i++] = b[from]!;
    if (i === units) return narrow.toString("latin1", 0, units);
  }
  return Buffer.from(b.buffer, b.byteOffset + at, length).toString("utf16le");
}

/** Writes little-endian structures. */
export class LeWriter extends ByteWriter {
  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.setU16(this.at, value);
    this.at += 2;
  }

  u32(value: number): void {
    this.setU32(this.at, value);
    this.at += 4;
  }

  /** An integer in 0..2^53-1. */
  u64(value: number): void {
    const high = (value / 4294967296) | 0;
    let low = value - high * 4294967296;
    if (low > 2147483647) low -= 4294967296;
    this.u32(low | 0);
    this.u32(high);
  }

  zeros(count: number): void {
    const b = this.bytes;
    let at = this.at;
    // A call of `fill` costs more than the few bytes there mostly are.
    for (const end = at + count; at < end; at++) b[at] = 0;
    this.at = at;
  }

  /** Zeros up to the next multiple of `unit` from `base`. Checks for room. */
  align(unit: number, base: number): void {
    const over = (this.at - base) % unit;
    if (over === 0) return;
    this.reserve(unit);
    this.zeros(unit - over);
  }

  /** Checks for room. */
  raw(from: Uint8Array): void {
    this.reserve(from.length);
    this.bytes.set(from, this.at);
    this.at += from.length;
  }

  /** UTF-16LE; gives the bytes written. Checks for room. */
  utf16(text: string): number {
    const length = text.length;
    this.reserve(length * 2);
    const b = this.bytes;
    let at = this.at;
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i);
      b[at++] = unit;
      b[at++] = unit >> 8;
    }
    this.at = at;
    return length * 2;
  }

  setU16(at: number, value: number): void {
    this.bytes[at] = value;
    this.bytes[at + 1] = value >> 8;
  }

  setU32(at: number, value: number): void {
    const b = this.bytes;
    b[at] = value;
    b[at + 1] = value >> 8;
    b[at + 2] = value >> 16;
    b[at + 3] = value >>> 24;
  }
}
