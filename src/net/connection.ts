import type { Socket } from "bun";
import type { Time } from "#base/time.ts";
import { plainAddress } from "./address.ts";
import { isLarge, nextBytes } from "./direct-receive.ts";
import { headerBytes, wholeMessage } from "./framing.ts";
import { Inbox } from "./inbox.ts";
import type { OutBuffer } from "./out-buffer.ts";
import { ReplyBuffer } from "./reply-buffer.ts";
import { type Lender, SendQueue, type Sink } from "./send-queue.ts";
import type { StreamServer } from "./stream-server.ts";
import { linuxUnacknowledged } from "./unacknowledged.ts";

/** A turn's replies are sent early once they are this long. */
const flushBytes = 128 * 1024;

/**
 * After so much from one client the others have their turn: Bun reads a socket that is full again and again before it looks at
 * the next.
 */
const turnBytesMax = 1024 * 1024;
/** The same of large messages: each answer less to be sent wakes a client once less. */
const directTurnBytesMax = 2 * turnBytesMax;

const unacknowledged = linuxUnacknowledged();

/**
 * One client's stream. Messages received go to the server's handler, which answers each of them (or not) and then calls
 * `requestDone`; past the bounds on unfinished requests and unsent replies nothing more is read.
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
  /** What of this connection the server's totals count: received and not handed on, answered and not sent. */
  keptBytes = 0;
  /** Received since the last turn end this connection asked for. */
  private turnBytes = 0;
  unsentBytes = 0;
  /** When this connection last got on, for the sweep; kept only while it is watched. */
  progressMs = 0;
  paused = false;
  inTurn = false;
  /** The server's sweep looks at this connection. */
  watched = false;
  spoke = false;
  /** Takes no more requests, and ends once those it has are answered. */
  draining = false;
  /** Large messages arrive, so that they are received directly. */
  private direct = false;
  /** Several messages are being received in this turn: their answers leave together. */
  private gathering = false;

  private readonly server: StreamServer<C>;
  private readonly socket: Socket<Connection<C>>;
  private readonly inbox: Inbox;
  private peer: string | null = null;
  private parsing = false;
  private readonly replies: ReplyBuffer;
  private readonly sending: SendQueue;
  /** Replies waited for the client at the last look. */
  private backedUp = false;

  constructor(server: StreamServer<C>, socket: Socket<Connection<C>>, id: number) {
    this.id = id;
    this.openedAt = server.clock.now();
    this.server = server;
    this.socket = socket;
    this.inbox = new Inbox(server.framing, server.limits.messageBytesMax);
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

  receive(chunk: Uint8Array): void {
    this.server.garbage.received(chunk.length);
    this.countReceived(chunk);
    if (this.closed || this.draining) return;
    if (this.inbox.held !== null) {
      this.inbox.append(chunk);
      this.countKept();
      return;
    }
    this.parse(chunk, 0);
    this.direct = this.server.receiver !== null && isLarge(this.inbox.assembler);
    if (this.direct) this.receiveDirectly();
    if ((this.turnBytes < turnBytesMax && !this.direct) || this.closed) return;
    this.pause();
    this.server.atTurnEnd(this);
  }

  private countReceived(chunk: Uint8Array): void {
    this.server.stats.bytesIn += chunk.length;
    this.bytesIn += chunk.length;
    this.turnBytes += chunk.length;
    this.heardMs = this.takenMs = this.server.clock.monotonicMs();
  }

  /** Receives as long as large messages come without a pause, until the others have their turn. */
  private receiveDirectly(): void {
    const { assembler } = this.inbox;
    this.gathering = true;
    while (this.direct && this.turnBytes < directTurnBytesMax && !this.closed && this.inbox.held === null && this.mayTake(0)) {
      const bytes = nextBytes(this.server.receiver!, this.sending.fd, assembler);
      this.direct = bytes !== null;
      if (bytes === null) break;
      const wasIdle = assembler.idle;
      this.countReceived(bytes);
      this.parse(bytes, 0);
      // The message received may be the last large one.
      this.direct = isLarge(assembler) || !wasIdle;
    }
    this.gathering = false;
    this.letAnswersLeave();
  }

  private letAnswersLeave(): void {
    if (!this.closed) this.flush();
    this.server.handler.answersLeft?.();
  }

  /** Whether another message may be handed on: one of `length` bytes. */
  private mayTake(length: number): boolean {
    const limits = this.server.limits;
    return (
      this.unfinished < limits.unfinishedMax &&
      this.unfinishedBytes < limits.unfinishedBytesMax &&
      this.sending.unsentBytes < limits.unsentBytesMax &&
      // Everybody may have a little unfinished whatever the others have: a few who move much never stop those who ask little.
      (this.server.unfinishedBytes < limits.totalUnfinishedBytesMax ||
        this.unfinishedBytes + length <= limits.guaranteedUnfinishedBytes)
    );
  }

  private parse(chunk: Uint8Array, at: number): void {
    const { framing, limits } = this.server;
    const { assembler } = this.inbox;
    this.parsing = true;
    while (at < chunk.length && !this.closed) {
      const length = assembler.idle ? wholeMessage(framing, chunk, at) : -1;
      if (!this.mayTake(length < 0 ? limits.messageBytesMax : length)) {
        this.inbox.hold(chunk, at);
        break;
      }
      if (length < 0 || length > limits.messageBytesMax) {
        at = this.parsePiece(chunk, at);
      } else {
        const from = at + headerBytes;
        at = from + length;
        this.deliver(chunk, from, at, noSlices, 0);
      }
    }
    this.parsing = false;
    if (!this.gathering) this.letAnswersLeave();
    if (this.closed) return;
    this.countKept();
    if (this.watched || !assembler.idle) this.server.watch(this);
    if (this.inbox.held !== null || !this.mayTake(0)) this.pause();
  }

  private parsePiece(chunk: Uint8Array, at: number): number {
    const { assembler } = this.inbox;
    const next = assembler.take(chunk, at);
    if (assembler.failed) {
      this.server.stats.malformed++;
      this.server.logger.info({ client: this.address, connection: this.id }, "closed a connection: its message is longer than the maximum");
      this.close();
    } else if (assembler.complete) {
      const { head, tail, tailBytes } = assembler;
      assembler.clear();
      this.deliver(head, 0, head.length, tail, tailBytes);
    }
    return next;
  }

  /** Has the server's total follow what is kept of the messages this client began or had held back. */
  private countKept(): void {
    const kept = this.inbox.keptBytes;
    if (kept === this.keptBytes || this.closed) return;
    this.server.keptBytes += kept - this.keptBytes;
    this.keptBytes = kept;
    this.progressMs = this.server.clock.monotonicMs();
    this.server.boundKept(this);
  }

  private deliver(head: Uint8Array, start: number, end: number, tail: readonly Uint8Array[], tailBytes: number): void {
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
    return this.closed ? 0 : unacknowledged(this.sending.fd);
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
    if (!this.parsing) this.server.atTurnEnd(this);
  }

  /** The server's limits are others now. */
  limitsChanged(): void {
    this.inbox.assembler.messageBytesMax = this.server.limits.messageBytesMax;
    if (this.paused && !this.draining) this.server.atTurnEnd(this);
  }

  private pause(): void {
    if (this.paused || this.closed) return;
    this.paused = true;
    this.server.stats.pauses++;
    this.socket.pause();
    this.server.wait(this);
  }

  /** Goes on with what was held back and with reading, as far as the bounds allow. */
  resume(): void {
    if (!this.paused || this.closed || this.parsing) return;
    if (!this.mayTake(0)) return this.server.wait(this);
    const held = this.inbox.unhold();
    if (held !== null) {
      this.takenMs = this.server.clock.monotonicMs();
      this.parse(held, this.inbox.heldAt);
      if (this.closed) return;
      if (this.inbox.held !== null || !this.mayTake(0)) return this.server.wait(this);
    }
    if (this.direct) {
      this.receiveDirectly();
      if (this.closed) return;
      if (this.inbox.held !== null || !this.mayTake(0)) return this.server.wait(this);
      // Others have their turn in between.
      if (this.direct) return this.server.atTurnEnd(this);
    }
    this.paused = false;
    this.socket.resume();
    // While it was paused nothing was expected of the client.
    if (!this.inbox.assembler.idle) this.server.watch(this);
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
    this.turnBytes = 0;
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
    this.inbox.clear();
    this.countKept();
    if (this.paused) {
      this.paused = false;
      this.socket.resume();
    }
    this.settle();
  }

  /** Whether the sweep has to look at this connection, and what it waits for. */
  get waitsForClient(): "send" | "receive" | null {
    if (this.sending.unsentBytes > 0) return "receive";
    return this.inbox.assembler.idle || this.paused ? null : "send";
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
    this.inbox.clear();
    this.sending.dispose();
    this.server.keptBytes -= this.keptBytes;
    this.server.unsentBytes -= this.unsentBytes;
    this.keptBytes = this.unsentBytes = 0;
    const out = this.replies.open ? null : this.replies.take();
    if (out !== null) this.server.pool.give(out);
    this.server.forget(this);
  }
}

const noSlices: readonly Uint8Array[] = [];
