import type { Socket } from "bun";
import { plainAddress } from "./address.ts";
import { headerBytes } from "./framing.ts";
import type { OutBuffer } from "./out-buffer.ts";
import { RecordAssembler } from "./record-assembler.ts";
import { ReplyBuffer } from "./reply-buffer.ts";
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
  private readonly replies: ReplyBuffer;
  private readonly sending: SendQueue;
  /** Replies waited for the client when last looked. */
  private backedUp = false;

  constructor(server: StreamServer<C>, socket: Socket<Connection<C>>) {
    this.server = server;
    this.socket = socket;
    this.assembler = new RecordAssembler(server.framing, server.limits.messageBytesMax);
    this.replies = new ReplyBuffer(server.framing, server.pool);
    this.sending = new SendQueue(socket as unknown as Sink, server.gather);
  }

  /** The client's address, without its port; an IPv4 client of an IPv6 listener has its IPv4 address. */
  get address(): string {
    return (this.peer ??= plainAddress(this.socket.remoteAddress));
  }

  get localAddress(): string {
    return plainAddress(this.socket.localAddress);
  }

  receive(chunk: Uint8Array): void {
    this.server.stats.bytesIn += chunk.length;
    if (this.closed || this.server.stopping) return;
    if (this.held !== null) {
      const rest = this.held.subarray(this.heldAt);
      this.held = Buffer.concat([rest, chunk]);
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

  /** The buffer to append a message to, its header already reserved. Nothing else may be sent until `endMessage`. */
  beginMessage(): OutBuffer {
    return this.replies.begin();
  }

  /** The message appended since `beginMessage` is complete. */
  endMessage(): void {
    this.replies.end(0);
    this.server.stats.messagesOut++;
    if (this.replies.length >= flushBytes) this.flush();
    else if (!this.parsing) this.server.atTurnEnd(this);
  }

  /** As `endMessage`, followed by `length` bytes of borrowed slices and `padding` zeros (0..3). */
  endMessageWithPayload(slices: readonly Uint8Array[], length: number, padding: number, lender: Lender): void {
    this.replies.end(length + padding);
    this.server.stats.messagesOut++;
    const out = this.replies.take()!;
    if (this.closed) lender.release();
    else this.sending.sendWithPayload(out.bytes, out.length, slices, lender);
    this.server.pool.give(out);
    this.afterSend();
    if (padding === 0 || this.closed) return;
    this.replies.pad(padding);
    if (!this.parsing) this.server.atTurnEnd(this);
  }

  /** Sends the replies gathered so far, unless earlier ones still wait: then they gather on. */
  flush(): void {
    const length = this.replies.length;
    if (length === 0 || this.replies.open) return;
    if (this.sending.unsentBytes > 0 && length < flushBytes && !this.closed) return;
    const out = this.replies.take()!;
    if (!this.closed) this.sending.send(out.bytes, out.length);
    this.server.pool.give(out);
    this.afterSend();
  }

  /** Counts what was sent, and has the sweep see to a client that does not take the rest. */
  private afterSend(): void {
    const sending = this.sending;
    const sent = sending.takeSent();
    this.server.stats.bytesOut += sent;
    if (sending.broken) return this.close();
    const backedUp = sending.unsentBytes > 0;
    if (backedUp && (sent > 0 || !this.backedUp)) this.progressMs = this.server.clock.monotonicMs();
    this.backedUp = backedUp;
    if (backedUp) this.server.watch(this);
  }

  /** The socket takes bytes again. */
  drained(): void {
    if (this.closed) return;
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
    return this.unfinished === 0 && this.sending.unsentBytes === 0 && this.replies.length === 0;
  }

  /** The server stops: what arrives from now on is dropped (a close over unread bytes would reset the connection). */
  beginDrain(): void {
    this.dropReceived();
    if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
    this.settle();
  }

  private dropReceived(): void {
    this.held = null;
    this.server.partialBytes -= this.assembler.keptBytes;
    this.assembler.clear();
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
    this.dropReceived();
    this.sending.dispose();
    const out = this.replies.open ? null : this.replies.take();
    if (out !== null) this.server.pool.give(out);
    this.server.forget(this);
  }
}

const noSlices: readonly Uint8Array[] = [];
