/** A growing buffer of bytes to send: `bytes[0..length)`. Whoever writes may replace `bytes` by a longer one. */
export class OutBuffer {
  bytes: Uint8Array;
  length = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
}

/** Size of a fresh buffer; one that grew past `keptBytesMax` is not kept. */
const freshBytes = 32 * 1024;
const keptBytesMax = 256 * 1024;
const keptMax = 64;

/** Out buffers that wait for their next turn. The one used last is handed out first: it is in the CPU's cache. */
export class OutBufferPool {
  private readonly free: OutBuffer[] = [];

  take(): OutBuffer {
    return this.free.pop() ?? new OutBuffer(freshBytes);
  }

  give(buffer: OutBuffer): void {
    buffer.length = 0;
    if (this.free.length < keptMax && buffer.bytes.length <= keptBytesMax) this.free.push(buffer);
  }
}
