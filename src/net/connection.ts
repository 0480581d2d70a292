import type { Socket } from "bun";
import { headerBytes } from "./framing.ts";
import type { OutBuffer } from "./out-buffer.ts";
import { RecordAssembler } from "./record-assembler.ts";
import { type Lender, SendQueue, type Sink } from "./send-queue.ts";
import type { StreamServer } from "./stream-server.ts";

/** A turn's replies are sent early once they are this long. */
const flushBytes = 64 * 1024;

/**
 * One client's stream. Messages received go to the server's handler, which answers each of them (or not) and then calls
 * `requestDone`; past the bounds on unfinished requests and unsent replies nothing more is read.
 *
 * Replies are encoded straight into one buffer a connection, between `beginMessage` and `endMessage`, and leave in one write at
 * the end of the data event or of the turn; a large payload follows uncopied.
 */
export class Connection<C> {
  /** The handler's own state of this connection. */
  context: C | null = null;
  closed = false;
  /** Requests handed to the handler and not done, and their bytes. */
  unfinished = 0;
  unfinishedBytes = 0;
  /** When this connection last got on, for the sweep; kept only while it is watched. */
  progressMs = 0;
  paused = false;
  inTurn = false;
  /** The server's sweep looks at this connection. */
  watched = false;
  spoke = false;

  private readonly server: StreamServer<C>;
  private readonly socket: Socket<Connection<C>>;
  private readonly assembler: RecordAssembler;
  private peer: string | null = null;
  private parsing = false;
  private held: Uint8Array | null = null;
  private heldAt = 0;
  private out: OutBuffer | null = null;
  private messageStart = 0;
  private messageOpen = false;
  private readonly sending: SendQueue;
  private sentBefore = 0;
  private wasIdle = true;

  constructor(server: StreamServer<C>, socket: Socket<Connection<C>>) {
    this.server = server;
    this.socket = socket;
    this.assembler = new RecordAssembler(server.framing, server.limits.messageBytesMax);
    this.sending = new SendQueue(socket as unknown as Sink, server.gather);
  }

  /** The client's address, without its port; an IPv4 client of an IPv6 listener has its IPv4 address. */
  get address(): string {
    if (this.peer === null) {
      const text = this.socket.remoteAddress;
      this.peer = text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
    }
    return this.peer;
  }

  get localAddress(): string {
    const text = this.socket.localAddress;
    return text.startsWith("::ffff:") && text.includes(".") ? text.slice(7) : text;
  }

  // Receiving

  receive(chunk: Uint8Array): void {
    this.server.stats.bytesIn += chunk.length;
    if (this.closed || this.server.stopping) return;
    if (this.held !== null) {
      const rest = this.held.subarray(this.heldAt);
      const joined = new Uint8Array(rest.length + chunk.length);
      joined.set(rest);
      joined.set(chunk, rest.length);
      this.held = joined;
      this.heldAt = 0;
      return;
    }
    this.parse(chunk, 0);
  }

  private get mayParse(): boolean {
    const limits = this.server.limits;
    return (
      this.unfinished < limits.unfinishedMax &&
      this.unfinishedBytes < limits.unfinishedBytesMax &&
      this.sending.unsentBytes < limits.unsentBytesMax &&
      this.server.unfinishedBytes < limits.totalUnfinishedBytesMax
    );
  }

  private parse(chunk: Uint8Array, at: number): void {
    const { framing, limits } = this.server;
    const assembler = this.assembler;
    const end = chunk.length;
    this.parsing = true;
    while (at < end && !this.closed) {
      if (!this.mayParse) {
        this.held = chunk;
        this.heldAt = at;
        break;
      }
      if (end - at >= headerBytes && assembler.idle) {
        const header = (chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!;
        const from = at + headerBytes;
        const length = framing.lengthOf(header);
        if (length >= 0 && length <= limits.messageBytesMax && length <= end - from && framing.isLast(header)) {
          at = from + length;
          this.deliver(chunk, from, at, noSlices, 0);
          continue;
        }
      }
      at = this.parsePiece(chunk, at);
    }
    this.parsing = false;
    if (this.closed) return;
    this.flush();
    if (this.watched || !assembler.idle) this.server.watch(this);
    if (!this.mayParse) this.pause();
  }

  private parsePiece(chunk: Uint8Array, at: number): number {
    const assembler = this.assembler;
    const before = assembler.keptBytes;
    const next = assembler.take(chunk, at);
    if (assembler.failed) {
      this.server.stats.malformed++;
      this.server.logger.info({ client: this.address }, "closed a connection: its message is longer than the maximum");
      this.close();
    } else if (assembler.complete) {
      const { head, tail, tailBytes } = assembler;
      assembler.clear();
      this.server.partialBytes -= before;
      this.deliver(head, 0, head.length, tail, tailBytes);
    } else {
      this.server.partialBytes += assembler.keptBytes - before;
      this.server.boundPartial(this);
    }
    return next;
  }

  private deliver(head: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): void {
    const length = end - start + tailBytes;
    this.unfinished++;
    this.unfinishedBytes += length;
    this.server.unfinishedBytes += length;
    this.server.stats.messagesIn++;
    if (!this.spoke) this.server.heard(this);
    this.server.handler.message(this, head, start, end, tail, tailBytes);
  }

  /** More memory than the request itself that its answer will take, until `requestDone`. */
  charge(bytes: number): void {
    this.unfinishedBytes += bytes;
    this.server.unfinishedBytes += bytes;
  }

  /** A request handed to the handler is done; `bytes` is its length and what was charged on it. */
  requestDone(bytes: number): void {
    this.unfinished--;
    this.unfinishedBytes -= bytes;
    this.server.unfinishedBytes -= bytes;
    if (!this.parsing) this.server.atTurnEnd(this);
  }

  private pause(): void {
    if (this.paused || this.closed) return;
    this.paused = true;
    this.server.stats.pauses++;
    this.socket.pause();
    if (this.server.unfinishedBytes >= this.server.limits.totalUnfinishedBytesMax) this.server.wait(this);
  }

  /** Goes on with what was held back and with reading, as far as the bounds allow. */
  resume(): void {
    if (!this.paused || this.closed || this.parsing || !this.mayParse) {
      if (this.paused && this.server.unfinishedBytes >= this.server.limits.totalUnfinishedBytesMax) this.server.wait(this);
      return;
    }
    if (this.held !== null) {
      const chunk = this.held;
      this.held = null;
      this.parse(chunk, this.heldAt);
      if (this.closed || this.held !== null || !this.mayParse) return;
    }
    this.paused = false;
    this.socket.resume();
  }

  // Sending

  /** The buffer to append a message to, its header already reserved. Nothing else may be sent until `endMessage`. */
  beginMessage(): OutBuffer {
    const out = (this.out ??= this.server.pool.take());
    if (this.messageOpen) out.length = this.messageStart;
    this.messageOpen = true;
    this.messageStart = out.length;
    if (out.bytes.length < out.length + headerBytes) {
      const grown = new Uint8Array(out.bytes.length * 2);
      grown.set(out.bytes.subarray(0, out.length));
      out.bytes = grown;
    }
    out.length += headerBytes;
    return out;
  }

  /** The message appended since `beginMessage` is complete. */
  endMessage(): void {
    const out = this.out!;
    this.writeHeader(out, out.length - this.messageStart - headerBytes);
    if (out.length >= flushBytes) this.flush();
    else if (!this.parsing) this.server.atTurnEnd(this);
  }

  /** As `endMessage`, followed by `length` bytes of borrowed slices and `padding` zeros (0..3). */
  endMessageWithPayload(slices: readonly Uint8Array[], length: number, padding: number, lender: Lender): void {
    const out = this.out!;
    this.writeHeader(out, out.length - this.messageStart - headerBytes + length + padding);
    this.out = null;
    if (this.closed) lender.release();
    else {
      this.beforeSend();
      this.sending.sendWithPayload(out.bytes, out.length, slices, lender);
      this.afterSend();
    }
    this.server.pool.give(out);
    if (padding > 0 && !this.closed) {
      const after = (this.out ??= this.server.pool.take());
      for (let i = 0; i < padding; i++) after.bytes[after.length++] = 0;
      if (!this.parsing) this.server.atTurnEnd(this);
    }
  }

  private writeHeader(out: OutBuffer, length: number): void {
    const header = this.server.framing.headerOf(length);
    const bytes = out.bytes;
    const at = this.messageStart;
    bytes[at] = header >>> 24;
    bytes[at + 1] = header >>> 16;
    bytes[at + 2] = header >>> 8;
    bytes[at + 3] = header;
    this.messageOpen = false;
    this.server.stats.messagesOut++;
  }

  /** Sends the replies gathered so far, unless earlier ones still wait: then they gather on. */
  flush(): void {
    const out = this.out;
    if (out === null || out.length === 0 || this.messageOpen) return;
    if (this.sending.unsentBytes > 0 && out.length < flushBytes && !this.closed) return;
    this.out = null;
    if (!this.closed) {
      this.beforeSend();
      this.sending.send(out.bytes, out.length);
      this.afterSend();
    }
    this.server.pool.give(out);
  }

  private beforeSend(): void {
    this.sentBefore = this.sending.sentBytes;
    this.wasIdle = this.sending.unsentBytes === 0;
  }

  /** Counts what was sent, and has the sweep see to a client that does not take the rest. */
  private afterSend(): void {
    const sending = this.sending;
    const sent = sending.sentBytes - this.sentBefore;
    this.server.stats.bytesOut += sent;
    if (sending.broken) return this.close();
    if (sending.unsentBytes === 0) return;
    if (sent > 0 || this.wasIdle) this.progressMs = this.server.clock.monotonicMs();
    this.server.watch(this);
  }

  /** The socket takes bytes again. */
  drained(): void {
    if (this.closed) return;
    this.beforeSend();
    this.sending.drain();
    this.afterSend();
    if (!this.closed && this.sending.unsentBytes === 0) this.settle();
  }

  /** After a turn: send, go on reading, or end if the server is stopping and all is answered. */
  settle(): void {
    if (this.closed) return;
    this.flush();
    if (!this.server.stopping) this.resume();
    else if (this.quiet) this.socket.end();
  }

  /** Every request is answered and every answer sent. */
  get quiet(): boolean {
    return this.unfinished === 0 && this.sending.unsentBytes === 0 && (this.out === null || this.out.length === 0);
  }

  /** The server stops: what arrives from now on is dropped (a close over unread bytes would reset the connection). */
  beginDrain(): void {
    this.held = null;
    this.server.partialBytes -= this.assembler.keptBytes;
    this.assembler.clear();
    if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
    this.settle();
  }

  /** Whether the sweep has to look at this connection, and since when it has been waiting for the client. */
  get waitsForClient(): "send" | "receive" | null {
    if (this.sending.unsentBytes > 0) return "receive";
    return this.assembler.idle || this.paused ? null : "send";
  }

  get partialBytes(): number {
    return this.assembler.keptBytes;
  }

  /** Closes at once; unsent replies are lost. */
  close(): void {
    if (this.closed) return;
    this.onClosed();
    this.socket.terminate();
  }

  /** The connection is gone: gives back everything it holds. */
  onClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.held = null;
    this.server.partialBytes -= this.assembler.keptBytes;
    this.assembler.clear();
    this.sending.dispose();
    if (this.out !== null && !this.messageOpen) {
      this.server.pool.give(this.out);
      this.out = null;
    }
    this.server.forget(this);
  }
}

const noSlices: readonly Uint8Array[] = [];
