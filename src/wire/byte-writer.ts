/** A buffer that a writer appends to: `bytes[0..length)` is what is in it. */
export interface GrowingBytes {
  bytes: Uint8Array;
  length: number;
}

const grownBytesMin = 1024;

/**
 * Writes at the end of a `GrowingBytes`. `attach`, `reserve` room, write, `commit`: what is not committed was never written.
 * Fixed-size writes don't check for room; each block of them begins with a `reserve` of its size, and `commit` throws if one was
 * too small.
 */
export class ByteWriter {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  private target: GrowingBytes | null = null;

  attach(target: GrowingBytes): void {
    this.target = target;
    this.bytes = target.bytes;
    this.at = target.length;
  }

  /** Makes what was written since `attach` part of the buffer. */
  commit(): void {
    const target = this.target!;
    this.checkRoom();
    target.bytes = this.bytes;
    target.length = this.at;
  }

  /** Room for `length` bytes more. */
  reserve(length: number): void {
    const needed = this.at + length;
    if (needed > this.bytes.length) this.grow(needed);
  }

  private grow(needed: number): void {
    this.checkRoom();
    let size = Math.max(this.bytes.length * 2, grownBytesMin);
    while (size < needed) size *= 2;
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, this.at));
    this.bytes = bytes;
  }

  private checkRoom(): void {
    if (this.at > this.bytes.length) throw new RangeError("a message was written past its reserved room");
  }
}
