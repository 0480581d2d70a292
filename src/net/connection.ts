import type { Socket } from "bun";
import type { Time } from "#base/time.ts";
import { plainAddress } from "./address.ts";
import type { OutBuffer } from "./out-buffer.ts";
import { Receiving } from "./receiving.ts";
import { ReplyBuffer } from "./reply-buffer.ts";
import { type Lender, SendQueue, type Sink } from "./send-queue.ts";
import type { StreamServer } from "./stream-server.ts";
import { linuxAcknowledged, linuxUnacknowledged } from "./unacknowledged.ts";

/** A turn's replies are sent early once they are this long. */
const flushBytes = 128 * 1024;

const unacknowledged = linuxUnacknowledged();
const acknowledged = linuxAcknowledged();

/**
 * One client's stream. Messages received go to the server's handler, which answers each of them (or not) and then calls
 * `requestDone`.
 *
 * Replies are encoded straight into one buffer a connection, between `beginMessage` and `endMessage`, and leave in one write at
 * the end of the data event or of the turn; a large payload follows uncopied.
 */
export class Connection<C> {
  /** Tells it from every other connection the server ever had. */
  readonly id: number;
  readonly openedAt: Time;
  messagesIn = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** When bytes last came. */
  heardMs = 0;
  /** When the messages now handed on were taken up: received, or gone on with after a pause. */
  takenMs = 0;
  /** The handler's own state of this connection. */
  context: C | null = null;
  closed = false;
  /** Requests handed to the handler and not done, and their bytes. */
  unfinished = 0;
  unfinishedBytes = 0;
  /** Of the server's total, what is answered and not sent. */
  unsentBytes = 0;
  /** When this connection last got on, for the sweep; kept only while it is watched. */
  progressMs = 0;
  inTurn = false;
  /** The server's sweep looks at this connection. */
  watched = false;
  spoke = false;
  /** Takes no more requests, and ends once those it has are answered. */
  draining = false;

  private readonly server: StreamServer<C>;
  private readonly socket: Socket<Connection<C>>;
  private peer: string | null = null;
  private readonly receiving: Receiving<C>;
  private readonly replies: ReplyBuffer;
  private readonly sending: SendQueue;
  /** Replies waited for the client at the last look. */
  private backedUp = false;

  constructor(server: StreamServer<C>, socket: Socket<Connection<C>>, id: number) {
    this.id = id;
    this.openedAt = server.clock.now();
    this.server = server;
    this.socket = socket;
    this.receiving = new Receiving(this, server, socket);
    this.replies = new ReplyBuffer(server.framing, server.pool);
    this.sending = new SendQueue(socket as unknown as Sink, server.gather);
  }

  /** The client's address, without its port; an IPv4 client of an IPv6 listener has its IPv4 address. */
  get address(): string {
    return (this.peer ??= plainAddress(this.socket.remoteAddress));
  }

  get port(): number {
    return this.socket.remotePort;
  }

  get localAddress(): string {
    return plainAddress(this.socket.localAddress);
  }

  /** The socket's, for what Bun has no call for. */
  get fd(): number {
    return this.sending.fd;
  }

  receive(chunk: Uint8Array): void {
    this.server.garbage.received(chunk.length);
    this.receiving.receive(chunk);
  }

  /** Received and not handed on. */
  get keptBytes(): number {
    return this.receiving.keptBytes;
  }

  get paused(): boolean {
    return this.receiving.paused;
  }

  /** Large messages arrive from its client. */
  get sendsLarge(): boolean {
    return this.receiving.direct;
  }

  /** The messages that arrived together are all handed on. */
  letAnswersLeave(): void {
    if (!this.closed) this.flush();
    this.server.handler.answersLeft?.();
  }

  /** A whole message is the handler's: `head[start..end)` and the slices behind it. */
  deliver(head: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): void {
    const length = end - start + tailBytes;
    this.unfinished++;
    this.unfinishedBytes += length;
    this.server.unfinishedBytes += length;
    this.server.stats.messagesIn++;
    this.messagesIn++;
    if (!this.spoke) this.server.heard(this);
    this.server.handler.message(this, head, start, end, tail, tailBytes);
  }

  /** For how long the client's machine has acknowledged nothing of what it was sent and should have; 0: it has all, or nobody knows. */
  unacknowledgedMs(): number {
    return this.closed ? 0 : unacknowledged(this.fd);
  }

  /** What the client's kernel has taken so far (`Acknowledged`): more often told than that ours has room again. */
  get acknowledged(): number {
    return this.closed ? -1 : acknowledged(this.fd);
  }

  /** Its client would lose nothing with it (yet): of those the oldest is closed where another finds no room. */
  setExpendable(expendable: boolean): void {
    const set = this.server.expendable;
    if (!expendable) set.delete(this);
    else if (!this.closed) set.add(this);
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
    if (!this.receiving.parsing) this.server.atTurnEnd(this);
  }

  /** The server's limits are others now. */
  limitsChanged(): void {
    this.receiving.limitsChanged();
  }

  /** Goes on reading, as far as the bounds allow. */
  resume(): void {
    this.receiving.resume();
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
    else if (!this.receiving.parsing) this.server.atTurnEnd(this);
  }

  /** As `endMessage`, followed by `length` bytes of borrowed slices and `padding` zeros (0..3). */
  endMessageWithPayload(slices: readonly Uint8Array[], length: number, padding: number, lender: Lender): void {
    this.replies.end(length + padding);
    this.server.stats.messagesOut++;
    const out = this.replies.take()!;
    if (this.closed) lender.release();
    else if (this.receiving.parsing && this.sending.holds(length, this.server.limits.heldBytesMax)) this.sending.hold(out.bytes, out.length, slices, lender);
    else this.sending.sendWithPayload(out.bytes, out.length, slices, lender);
    this.server.pool.give(out);
    if (!this.sending.holding) this.afterSend();
    if (padding === 0 || this.closed) return;
    this.replies.pad(padding);
    if (!this.receiving.parsing) this.server.atTurnEnd(this);
  }

  /** Sends the replies gathered so far, unless earlier ones still wait: then they gather on. */
  flush(): void {
    if (this.sending.holding) {
      this.sending.letGo();
      this.afterSend();
    }
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
    this.bytesOut += sent;
    if (sending.broken) return this.lost();
    this.server.unsentBytes += sending.unsentBytes - this.unsentBytes;
    this.unsentBytes = sending.unsentBytes;
    const backedUp = sending.unsentBytes > 0;
    if (backedUp && (sent > 0 || !this.backedUp)) this.progressMs = this.server.clock.monotonicMs();
    this.backedUp = backedUp;
    if (!backedUp) return;
    this.server.watch(this);
    this.server.boundUnsent(this);
  }

  /** The socket takes bytes again. */
  drained(): void {
    if (this.closed) return;
    this.sending.drain();
    this.afterSend();
    if (!this.closed && this.sending.unsentBytes === 0) this.settle();
  }

  /** After a turn: send, go on reading, or end if no more is wanted and all is answered. */
  settle(): void {
    if (this.closed) return;
    this.flush();
    this.receiving.nextTurn();
    if (!this.draining) this.resume();
    else if (this.quiet) this.socket.end();
  }

  /** Every request is answered and every answer sent. */
  get quiet(): boolean {
    return this.unfinished === 0 && this.sending.unsentBytes === 0 && this.replies.length === 0;
  }

  /** What arrives from now on is dropped (a close over unread bytes would reset the connection). */
  beginDrain(): void {
    this.draining = true;
    this.receiving.beginDrain();
    this.settle();
  }

  /** Whether the sweep has to look at this connection, and what it waits for. */
  get waitsForClient(): "send" | "receive" | null {
    if (this.sending.unsentBytes > 0) return "receive";
    return this.receiving.waitsForRest ? "send" : null;
  }

  /**
   * As `close`, because of a message of the client's: what answers those before it is sent in their order, and without a reset, which would
   * have the client forget what it has not read yet. Where it is behind with reading the kernel would keep all it has of them for minutes.
   */
  refuse(): void {
    if (!this.closed) this.flush();
    if (this.closed || this.sending.unsentBytes > 0) return this.close();
    this.server.closing(this);
    this.onClosed();
    this.socket.end();
  }

  /** Closes at once; unsent replies are lost. */
  close(): void {
    if (this.closed) return;
    this.server.closing(this);
    this.lost();
  }

  /** As `close`, of a connection that can't be used any more. */
  lost(): void {
    if (this.closed) return;
    this.onClosed();
    this.socket.terminate();
  }

  /** The connection is gone: gives back everything it holds. */
  onClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.receiving.dispose();
    this.sending.dispose();
    this.server.unsentBytes -= this.unsentBytes;
    this.unsentBytes = 0;
    const out = this.replies.open ? null : this.replies.take();
    if (out !== null) this.server.pool.give(out);
    this.server.forget(this);
  }
}
