/** A full pack with its head and its tags. */
const bufferBytes = 16 * 2 ** 20 + 64 * 1024;
/** Below this, memory that was just given costs less than it is worth to keep. */
const keptBytesMin = 1 << 20;
/** Kept while nobody uses them. */
const idleMax = 2;

/**
 * Memory for objects on their way into the store, used again: the first touch of fresh memory costs as much as encrypting what is
 * put there.
 */
export class Buffers {
  private readonly idle: Uint8Array[] = [];

  /** Undefined bytes, to be given back. */
  take(bytes: number): Uint8Array {
    if (bytes < keptBytesMin || bytes > bufferBytes) return new Uint8Array(bytes);
    return (this.idle.pop() ?? new Uint8Array(bufferBytes)).subarray(0, bytes);
  }

  /** Nobody reads it any more. */
  give(buffer: Uint8Array): void {
    if (buffer.buffer.byteLength === bufferBytes && this.idle.length < idleMax) this.idle.push(new Uint8Array(buffer.buffer));
  }
}
