/**
 * XDR (RFC 4506) as the tests speak it. Written apart from the server's own codec on purpose: a mistake shared by both ends
 * would go unseen.
 */

/** Appends XDR items to a buffer that grows. */
export class XdrWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(sizeHint = 256) {
    this.buffer = Buffer.allocUnsafe(sizeHint);
  }

  private room(bytes: number): number {
    const at = this.length;
    const wanted = at + bytes;
    if (wanted > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(wanted, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = wanted;
    return at;
  }

  uint32(value: number): this {
    const at = this.room(4);
    this.buffer.writeUInt32BE(value, at);
    return this;
  }

  /** Takes a bigint for what a number can't hold. */
  uint64(value: number | bigint): this {
    const at = this.room(8);
    this.buffer.writeBigUInt64BE(BigInt(value), at);
    return this;
  }

  bool(value: boolean): this {
    return this.uint32(value ? 1 : 0);
  }

  /** Bytes without a length in front, padded to four. */
  fixed(bytes: Uint8Array): this {
    const padded = (bytes.length + 3) & ~3;
    const at = this.room(padded);
    this.buffer.set(bytes, at);
    this.buffer.fill(0, at + bytes.length, at + padded);
    return this;
  }

  opaque(bytes: Uint8Array): this {
    this.uint32(bytes.length);
    return this.fixed(bytes);
  }

  /** A name: text becomes UTF-8, bytes go as they are. */
  string(text: string | Uint8Array): this {
    return this.opaque(typeof text === "string" ? Buffer.from(text) : text);
  }

  /** The bytes so far; valid until the next item is written. */
  bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

/** Reads XDR items; throws on what is cut short or not XDR. */
export class XdrReader {
  readonly bytes: Buffer;
  private at: number;

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  get remaining(): number {
    return this.bytes.length - this.at;
  }

  private take(count: number): number {
    const at = this.at;
    if (at + count > this.bytes.length) throw new Error(`reply cut short: ${count} bytes wanted at ${at} of ${this.bytes.length}`);
    this.at = at + count;
    return at;
  }

  uint32(): number {
    return this.bytes.readUInt32BE(this.take(4));
  }

  uint64(): bigint {
    return this.bytes.readBigUInt64BE(this.take(8));
  }

  /** A 64-bit count or size; throws when a number can't hold it exactly. */
  size(): number {
    const value = this.uint64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error(`64-bit value ${value} past 2^53`);
    return Number(value);
  }

  bool(): boolean {
    const value = this.uint32();
    if (value > 1) throw new Error(`not a boolean: ${value}`);
    return value === 1;
  }

  fixed(count: number): Buffer {
    const at = this.take((count + 3) & ~3);
    for (let i = at + count; i < this.at; i++) if (this.bytes[i] !== 0) throw new Error("padding is not zero");
    return this.bytes.subarray(at, at + count);
  }

  opaque(max = 0xffff_ffff): Buffer {
    const length = this.uint32();
    if (length > max) throw new Error(`opaque of ${length} bytes, at most ${max} allowed`);
    return this.fixed(length);
  }

  string(max = 0xffff_ffff): string {
    return this.opaque(max).toString("utf8");
  }

  /** Nothing may follow the last item of a reply. */
  end(): void {
    if (this.remaining !== 0) throw new Error(`${this.remaining} bytes after the end of the reply`);
  }
}
