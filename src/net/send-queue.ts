import type { GatheredWrite } from "./gathered-write.ts";

/** Whoever lends bytes to a connection; `release` is called exactly once, when they were sent or never will be. */
export interface Lender {
  release(): void;
}

/** What of a socket is needed to send. `write` takes what the kernel takes at once, and says -1 where the socket is closed. */
export interface Sink {
  write(bytes: Uint8Array, byteOffset: number, byteLength: number): number;
  readonly fd: number;
}

/** Bytes the kernel has not taken yet. */
interface Unsent {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  readonly lender: Lender | null;
}

/** Entries sent are taken off the front of the queue this many at a time. */
const compactAfter = 64;

/** What waits to be sent on one socket, in order. Bun's socket buffers nothing: what it does not take waits here for `drain`. */
export class SendQueue {
  unsentBytes = 0;
  /** The socket is closed. */
  broken = false;
  /** What waits does so for other replies of the turn, none of it for the client. */
  holding = false;
  private readonly sink: Sink;
  private readonly gather: GatheredWrite | null;
  private readonly queue: Unsent[] = [];
  private first = 0;
  private sentBytes = 0;

  constructor(sink: Sink, gather: GatheredWrite | null) {
    this.sink = sink;
    this.gather = gather;
  }

  /** The socket's, for what Bun has no call for. */
  get fd(): number {
    return this.sink.fd;
  }

  /** How many bytes were sent since this was last asked. */
  takeSent(): number {
    const sent = this.sentBytes;
    this.sentBytes = 0;
    return sent;
  }

  /** Sends `bytes[0..length)`, which is the caller's again afterwards. */
  send(bytes: Uint8Array, length: number): void {
    const sent = this.unsentBytes > 0 ? 0 : this.write(bytes, 0, length);
    // What is left is copied, so that a slow reader never holds a whole buffer for a few bytes.
    if (sent < length && !this.broken) this.enqueue(bytes.slice(sent, length), 0, length - sent, null);
  }

  /**
   * Whether a reply with so much payload is to be held back for others of the turn; where that makes more than `bytesMax`, those before it
   * leave. Sent one by one, where it takes time to make the next (to sign it), each piece of each reply finds a client on this machine
   * asleep, and to wake it costs as much as to copy the piece.
   */
  holds(length: number, bytesMax: number): boolean {
    if (this.holding && this.unsentBytes + length > bytesMax) this.letGo();
    if (!this.holding) this.holding = this.unsentBytes === 0 && length < bytesMax;
    return this.holding;
  }

  /** Sends what was held back. */
  letGo(): void {
    this.holding = false;
    this.drain();
  }

  /** As `sendWithPayload` of a reply that is held back. */
  hold(bytes: Uint8Array, length: number, slices: readonly Uint8Array[], lender: Lender): void {
    const last = slices.length - 1;
    this.enqueue(bytes.slice(0, length), 0, length, last < 0 ? lender : null);
    for (let i = 0; i <= last; i++) this.enqueue(slices[i]!, 0, slices[i]!.length, i === last ? lender : null);
  }

  /** As `send`, followed by borrowed slices, which are not copied. */
  sendWithPayload(bytes: Uint8Array, length: number, slices: readonly Uint8Array[], lender: Lender): void {
    let sent = 0;
    const gather = this.gather;
    const idle = this.unsentBytes === 0;
    if (gather !== null && idle) {
      gather.clear();
      gather.add(bytes, 0, length);
      for (let i = 0; i < slices.length; i++) if (!gather.add(slices[i]!, 0, slices[i]!.length)) break;
      sent = this.took(gather.send(this.sink.fd));
      gather.clear();
    }
    if (sent < length) this.enqueue(bytes.slice(sent, length), 0, length - sent, null);
    sent = Math.max(0, sent - length);
    const last = slices.length - 1;
    for (let i = 0; i <= last; i++) {
      const slice = slices[i]!;
      const taken = Math.min(sent, slice.length);
      sent -= taken;
      if (taken < slice.length || (i === last && this.unsentBytes > 0)) {
        this.enqueue(slice, taken, slice.length, i === last ? lender : null);
      } else if (i === last) lender.release();
    }
    if (last < 0) lender.release();
    if (idle && this.unsentBytes > 0) this.drain();
  }

  /** Sends what waits, as far as the socket takes it; where it doesn't, `drain` of the socket will be called. */
  drain(): void {
    while (this.first < this.queue.length) {
      if (this.gather !== null && this.queue.length - this.first > 1) this.drainGathered(this.gather);
      const next = this.queue[this.first];
      if (next === undefined) break;
      const sent = this.write(next.bytes, next.at, next.end - next.at);
      if (this.broken) return this.dispose();
      this.advance(sent);
      if (next.at < next.end) return;
    }
  }

  private drainGathered(gather: GatheredWrite): void {
    gather.clear();
    for (let i = this.first; i < this.queue.length; i++) {
      const each = this.queue[i]!;
      if (!gather.add(each.bytes, each.at, each.end)) break;
    }
    const sent = this.took(gather.send(this.sink.fd));
    gather.clear();
    this.advance(sent);
  }

  private advance(bytes: number): void {
    this.unsentBytes -= bytes;
    while (this.first < this.queue.length) {
      const next = this.queue[this.first]!;
      const taken = Math.min(bytes, next.end - next.at);
      next.at += taken;
      bytes -= taken;
      if (next.at < next.end) return;
      this.first++;
      next.lender?.release();
      if (this.first === this.queue.length || this.first >= compactAfter) {
        this.queue.splice(0, this.first);
        this.first = 0;
      }
    }
  }

  private enqueue(bytes: Uint8Array, at: number, end: number, lender: Lender | null): void {
    this.queue.push({ bytes, at, end, lender });
    this.unsentBytes += end - at;
  }

  private write(bytes: Uint8Array, at: number, length: number): number {
    const sent = this.sink.write(bytes, at, length);
    if (sent >= 0) return this.took(sent);
    this.broken = true;
    return length;
  }

  private took(sent: number): number {
    this.sentBytes += sent;
    return sent;
  }

  /** Nothing will be sent any more: gives back what was borrowed. */
  dispose(): void {
    const left = this.queue.splice(this.first);
    this.queue.length = 0;
    this.first = 0;
    this.unsentBytes = 0;
    for (const each of left) each.lender?.release();
  }
}
