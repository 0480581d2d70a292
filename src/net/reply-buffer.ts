import { type Framing, headerBytes } from "./framing.ts";
import type { OutBuffer, OutBufferPool } from "./out-buffer.ts";

/** The messages a connection has ready to be sent, one after the other in a pooled buffer, each behind its header. */
export class ReplyBuffer {
  /** A message was begun and not ended. */
  open = false;
  private readonly framing: Framing;
  private readonly pool: OutBufferPool;
  private out: OutBuffer | null = null;
  private start = 0;

  constructor(framing: Framing, pool: OutBufferPool) {
    this.framing = framing;
    this.pool = pool;
  }

  get length(): number {
    return this.out === null ? 0 : this.out.length;
  }

  /** The buffer to append a message to, its header reserved. What was begun and not ended before is forgotten. */
  begin(): OutBuffer {
    const out = (this.out ??= this.pool.take());
    if (this.open) out.length = this.start;
    this.open = true;
    this.start = out.length;
    if (out.bytes.length < out.length + headerBytes) {
      const grown = new Uint8Array(out.bytes.length * 2);
      grown.set(out.bytes.subarray(0, out.length));
      out.bytes = grown;
    }
    out.length += headerBytes;
    return out;
  }

  /** The message begun is complete, but for `more` bytes that follow elsewhere. */
  end(more: number): void {
    const out = this.out!;
    const header = this.framing.headerOf(out.length - this.start - headerBytes + more);
    const bytes = out.bytes;
    const at = this.start;
    bytes[at] = header >>> 24;
    bytes[at + 1] = header >>> 16;
    bytes[at + 2] = header >>> 8;
    bytes[at + 3] = header;
    this.open = false;
  }

  /** Zeros that end a message whose last bytes were sent from elsewhere. */
  pad(count: number): void {
    const out = (this.out ??= this.pool.take());
    for (let i = 0; i < count; i++) out.bytes[out.length++] = 0;
  }

  /** Takes the buffer out, to be sent and given back to the pool. */
  take(): OutBuffer | null {
    const out = this.out;
    this.out = null;
    return out;
  }
}
