import type { Time } from "#base/time.ts";

/*
 * Numbers are written seven bits a byte, the lowest first, the top bit set where more follow; signed ones with the sign in the lowest
 * bit. All are below 2^53.
 */

const firstBytes = 1024;

/** Bytes being put together; the buffer is reused from one use to the next. */
export class ByteWriter {
  private bytes: Buffer;
  private capacity: number;
  length = 0;

  /** `room`: what is written into, or how much can be before the buffer has to grow. */
  constructor(room: number | Buffer = firstBytes) {
    this.bytes = typeof room === "number" ? Buffer.allocUnsafeSlow(room) : room;
    this.capacity = this.bytes.length;
  }

  /** What is written into at present. */
  get memory(): Buffer {
    return this.bytes;
  }

  /** What was written, uncopied: good until more is. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return new Uint8Array(this.bytes.subarray(0, this.length));
  }

  /** Room for so many bytes more. */
  private room(more: number): void {
    if (this.length + more > this.capacity) this.grow(more);
  }

  private grow(more: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.capacity * 2, this.length + more));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.capacity = larger.length;
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  /** An integer in 0..2^53-1. */
  uint(value: number): void {
    this.room(8);
    let rest = value;
    while (rest >= 0x80000000) {
      this.bytes[this.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      this.bytes[this.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** An integer in -2^52..2^52-1. */
  int(value: number): void {
    this.uint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  time(time: Time): void {
    this.int(time.sec);
    this.uint(time.nsec);
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Length, then the bytes. */
  blob(bytes: Uint8Array): void {
    this.uint(bytes.length);
    this.raw(bytes);
  }

  /** Length in bytes, then UTF-8. */
  text(text: string): void {
    // A unit of UTF-16 takes three bytes at most.
    this.room(text.length * 3 + 8);
    const at = this.length;
    const lengthBytes = text.length * 3 < 128 ? 1 : 2;
    const written = this.bytes.write(text, at + lengthBytes, "utf8");
    if (lengthBytes === 1) this.bytes[at] = written;
    else {
      this.bytes[at] = (written & 127) | 128;
      this.bytes[at + 1] = written >>> 7;
    }
    this.length = at + lengthBytes + written;
  }
}

/** What was read is not what a writer wrote. */
export class MalformedBytes extends Error {
  override readonly name = "MalformedBytes";
}

/** Reads what a ByteWriter wrote; throws MalformedBytes for anything else. */
export class ByteReader {
  private readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  byte(): number {
    const value = this.bytes[this.at];
    if (value === undefined) throw new MalformedBytes("the bytes end too early");
    this.at++;
    return value;
  }

  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (!Number.isSafeInteger(value)) throw new MalformedBytes("a number is written wrong");
        return value;
      }
      scale *= 128;
    }
    throw new MalformedBytes("a number is too long");
  }

  int(): number {
    const value = this.uint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  raw(length: number): Uint8Array {
    if (length > this.left) throw new MalformedBytes("the bytes end too early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  blob(lengthMax: number): Uint8Array {
    const length = this.uint();
    if (length > lengthMax) throw new MalformedBytes(`${length} bytes where at most ${lengthMax} may be`);
    return this.raw(length);
  }

  text(lengthMax: number): string {
    try {
      return utf8.decode(this.blob(lengthMax));
    } catch (error) {
      if (error instanceof MalformedBytes) throw error;
      throw new MalformedBytes("a text is no UTF-8");
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
