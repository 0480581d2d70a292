import type { Socket } from "bun";
import type { Connection } from "./connection.ts";
import { isLarge, nextBytes } from "./direct-receive.ts";
import { headerBytes, wholeMessage } from "./framing.ts";
import { Inbox } from "./inbox.ts";
import type { StreamServer } from "./stream-server.ts";

/**
 * After so much from one client the others have their turn: Bun reads a socket that is full again and again before it looks at
 * the next.
 */
const turnBytesMax = 1024 * 1024;
/** The same of large messages: each answer less to be sent wakes a client once less. */
const directTurnBytesMax = 2 * turnBytesMax;
/** And where all clients there are send such: nobody who asks little waits for them, and what a turn costs besides is spent half as often. */
const soleTurnBytesMax = 2 * directTurnBytesMax;
/** Among more clients one asks little. */
const soleClientsMax = 4;

const noSlices: readonly Uint8Array[] = [];

/** What one client sends, cut into messages that are handed on as far as the bounds allow; past them nothing more is read. */
export class Receiving<C> {
  /** Of the server's total, what is received and not handed on. */
  keptBytes = 0;
  paused = false;
  /** Messages are being handed on: what answers them is sent afterwards. */
  parsing = false;
  /** Received since the last turn end the connection asked for. */
  private turnBytes = 0;
  /** Large messages arrive, so that they are received directly. */
  direct = false;
  /** Several messages are being received in this turn: their answers leave together. */
  private gathering = false;
  private readonly connection: Connection<C>;
  private readonly server: StreamServer<C>;
  private readonly socket: Socket<Connection<C>>;
  private readonly inbox: Inbox;

  constructor(connection: Connection<C>, server: StreamServer<C>, socket: Socket<Connection<C>>) {
    this.connection = connection;
    this.server = server;
    this.socket = socket;
    this.inbox = new Inbox(server.framing, server.limits.messageBytesMax);
  }

  receive(chunk: Uint8Array): void {
    const { connection } = this;
    this.count(chunk);
    if (connection.closed || connection.draining) return;
    if (this.inbox.held !== null) {
      this.inbox.append(chunk);
      this.countKept();
      return;
    }
    this.parse(chunk, 0);
    this.direct = this.server.receiver !== null && isLarge(this.inbox.assembler);
    if (this.direct) this.receiveDirectly();
    if ((this.turnBytes < turnBytesMax && !this.direct) || connection.closed) return;
    this.pause();
    this.server.atTurnEnd(connection);
  }

  private count(chunk: Uint8Array): void {
    const { connection } = this;
    this.server.stats.bytesIn += chunk.length;
    connection.bytesIn += chunk.length;
    this.turnBytes += chunk.length;
    connection.heardMs = connection.takenMs = this.server.clock.monotonicMs();
  }

  /** Receives as long as large messages come without a pause, until the others have their turn. */
  private receiveDirectly(): void {
    const { assembler } = this.inbox;
    this.gathering = true;
    const turnMax = this.allSendLarge() ? soleTurnBytesMax : directTurnBytesMax;
    while (this.direct && this.turnBytes < turnMax && !this.connection.closed && !this.isFull) {
      const bytes = nextBytes(this.server.receiver!, this.connection.fd, assembler);
      this.direct = bytes !== null;
      if (bytes === null) break;
      const wasIdle = assembler.idle;
      this.count(bytes);
      this.parse(bytes, 0);
      // The message received may be the last large one.
      this.direct = isLarge(assembler) || !wasIdle;
    }
    this.gathering = false;
    this.connection.letAnswersLeave();
  }

  /** Whether every client of the server sends large messages at present. */
  private allSendLarge(): boolean {
    return this.server.stats.connections <= soleClientsMax && this.server.list().every((each) => each.sendsLarge);
  }

  /** Whether another message may be handed on: one of `length` bytes. */
  private mayTake(length: number): boolean {
    const { connection, server } = this;
    const { limits } = server;
    return (
      connection.unfinished < limits.unfinishedMax &&
      connection.unfinishedBytes < limits.unfinishedBytesMax &&
      connection.unsentBytes < limits.unsentBytesMax &&
      // Everybody may have a little unfinished whatever the others have: a few who move much never stop those who ask little.
      (server.unfinishedBytes < limits.totalUnfinishedBytesMax || connection.unfinishedBytes + length <= limits.guaranteedUnfinishedBytes)
    );
  }

  /** A bound is reached, or was while a message arrived. */
  private get isFull(): boolean {
    return this.inbox.held !== null || !this.mayTake(0);
  }

  private parse(chunk: Uint8Array, at: number): void {
    const { connection } = this;
    const { framing, limits } = this.server;
    const { assembler } = this.inbox;
    this.parsing = true;
    while (at < chunk.length && !connection.closed) {
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
        connection.deliver(chunk, from, at, noSlices, 0);
      }
    }
    this.parsing = false;
    if (!this.gathering) connection.letAnswersLeave();
    if (connection.closed) return;
    this.countKept();
    if (connection.watched || !assembler.idle) this.server.watch(connection);
    if (this.isFull) this.pause();
  }

  private parsePiece(chunk: Uint8Array, at: number): number {
    const { connection } = this;
    const { assembler } = this.inbox;
    const next = assembler.take(chunk, at);
    if (assembler.failed) {
      this.server.stats.malformed++;
      this.server.logger.info({ client: connection.address, connection: connection.id }, "closed a connection: its message is longer than the maximum");
      connection.refuse();
    } else if (assembler.complete) {
      const { head, tail, tailBytes } = assembler;
      assembler.clear();
      connection.deliver(head, 0, head.length, tail, tailBytes);
    }
    return next;
  }

  /** Has the server's total follow what is kept of the messages this client began or had held back. */
  private countKept(): void {
    const kept = this.inbox.keptBytes;
    if (kept === this.keptBytes || this.connection.closed) return;
    this.server.keptBytes += kept - this.keptBytes;
    this.keptBytes = kept;
    this.connection.progressMs = this.server.clock.monotonicMs();
    this.server.boundKept(this.connection);
  }

  private pause(): void {
    if (this.paused || this.connection.closed) return;
    this.paused = true;
    this.server.stats.pauses++;
    this.socket.pause();
    this.server.wait(this.connection);
  }

  /** Goes on with what was held back and with reading, as far as the bounds allow. */
  resume(): void {
    const { connection, server } = this;
    if (!this.paused || connection.closed || this.parsing) return;
    if (!this.mayTake(0)) return server.wait(connection);
    const held = this.inbox.unhold();
    if (held !== null) {
      connection.takenMs = server.clock.monotonicMs();
      this.parse(held, this.inbox.heldAt);
      if (connection.closed) return;
      if (this.isFull) return server.wait(connection);
    }
    if (this.direct) {
      this.receiveDirectly();
      if (connection.closed) return;
      if (this.isFull) return server.wait(connection);
      // Others have their turn in between.
      if (this.direct) return server.atTurnEnd(connection);
    }
    this.paused = false;
    this.socket.resume();
    // While it was paused nothing was expected of the client.
    if (this.waitsForRest) server.watch(connection);
  }

  /** A turn has ended: the client may send as much again. */
  nextTurn(): void {
    this.turnBytes = 0;
  }

  /** The rest of a message is expected of the client. */
  get waitsForRest(): boolean {
    return !this.paused && !this.inbox.assembler.idle;
  }

  /** The server's limits are others now. */
  limitsChanged(): void {
    this.inbox.assembler.messageBytesMax = this.server.limits.messageBytesMax;
    if (this.paused && !this.connection.draining) this.server.atTurnEnd(this.connection);
  }

  /** What arrives from now on is read, and dropped. */
  beginDrain(): void {
    this.inbox.clear();
    this.countKept();
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Nothing is received any more. */
  dispose(): void {
    this.inbox.clear();
    this.server.keptBytes -= this.keptBytes;
    this.keptBytes = 0;
  }
}
