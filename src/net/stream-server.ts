import type { Socket, SocketHandler } from "bun";
import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import { Connection } from "./connection.ts";
import { type DirectReceive, linuxDirectReceive } from "#base/direct-receive.ts";
import type { Framing } from "./framing.ts";
import { type GatheredWrite, linuxGatheredWrite } from "./gathered-write.ts";
import { type ListenAddress, Listening } from "./listening.ts";
import { OutBufferPool } from "./out-buffer.ts";
import { ReceiveGarbage } from "./receive-garbage.ts";
import { cutStalled } from "./stop-stalled.ts";
import type { MessageHandler, StreamLimits, StreamServerOptions, StreamStats } from "./stream-options.ts";

const keepAliveMs = 120_000;
/** Looks at waiting connections per time-out. */
const sweepsPerTimeout = 4;

/** A TCP listener that cuts streams into messages and bounds what every client may cost. */
export class StreamServer<C> {
  readonly framing: Framing;
  limits: StreamLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly handler: MessageHandler<C>;
  readonly gather: GatheredWrite | null;
  readonly receiver: DirectReceive | null;
  readonly pool = new OutBufferPool();
  readonly garbage: ReceiveGarbage;
  readonly stats: StreamStats = {
    connections: 0,
    accepted: 0,
    refused: 0,
    evicted: 0,
    forceClosed: 0,
    stalled: 0,
    malformed: 0,
    pauses: 0,
    messagesIn: 0,
    messagesOut: 0,
    bytesIn: 0,
    bytesOut: 0,
  };
  /** Over all connections: requests unfinished, what is received and not handed on, what is not sent. */
  unfinishedBytes = 0;
  keptBytes = 0;
  unsentBytes = 0;
  stopping = false;

  private readonly listening: Listening<Connection<C>>;
  private readonly connections = new Set<Connection<C>>();
  /** Connections to lose when there are too many, the oldest first: that never sent a whole message, or that their protocol says it of. */
  readonly expendable = new Set<Connection<C>>();
  /** Connections that keep something of ours waiting: a reply not taken or a message not complete. */
  private readonly watched = new Set<Connection<C>>();
  /** Paused because of the bound over all connections. */
  private readonly waiting = new Set<Connection<C>>();
  private ids = 0;
  private sweepTimer: Timer | null = null;
  private turn: Connection<C>[] = [];
  private stopped: Promise<void> | null = null;
  private whenEmpty: (() => void) | null = null;

  constructor(options: StreamServerOptions<C>) {
    this.listening = new Listening({ bind: options.bind, port: options.port }, this.handlers());
    this.framing = options.framing;
    this.limits = options.limits;
    this.garbage = new ReceiveGarbage(options.clock, options.collect);
    this.clock = options.clock;
    this.logger = options.logger;
    this.handler = options.handler;
    this.gather = options.gather === undefined ? linuxGatheredWrite() : options.gather;
    this.receiver = options.receiver === undefined ? linuxDirectReceive() : options.receiver;
  }

  /** Starts to accept. Gives the port. Throws where the address can't be bound. */
  start(): number {
    return this.listening.open();
  }

  /**
   * Listens elsewhere. Gives the port. Throws where that can't be, and goes on as it was. The connections there are take no more
   * requests, and end when those they have are answered, at the latest after `deadlineMs`.
   */
  move(to: ListenAddress, deadlineMs: number): number {
    if (this.stopping) throw new Error("a server that was stopped can't listen elsewhere");
    const port = this.listening.move(to);
    const connections = [...this.connections];
    for (const connection of connections) connection.beginDrain();
    if (connections.length > 0) this.clock.after(deadlineMs, () => connections.forEach((connection) => connection.close()));
    return port;
  }

  isAt(address: ListenAddress): boolean {
    return this.listening.isAt(address);
  }

  private handlers(): SocketHandler<Connection<C>> {
    return {
      open: (socket) => this.opened(socket),
      data(socket, chunk) {
        socket.data.receive(chunk);
      },
      drain(socket) {
        socket.data?.drained();
      },
      close(socket) {
        socket.data?.onClosed();
      },
      error(socket) {
        socket.data?.lost();
      },
    };
  }

  /** From now on these limits hold, for the connections there are too. */
  setLimits(limits: StreamLimits): void {
    this.limits = limits;
    for (const connection of this.connections) connection.limitsChanged();
  }

  /** The connections open now, in order of arrival. */
  list(): readonly Connection<C>[] {
    return [...this.connections];
  }

  private opened(socket: Socket<Connection<C>>): void {
    const connection = new Connection<C>(this, socket, ++this.ids);
    socket.data = connection;
    if (this.stopping || !this.makeRoom(connection.address)) {
      this.stats.refused++;
      connection.close();
      return;
    }
    socket.setKeepAlive(true, keepAliveMs);
    this.connections.add(connection);
    this.expendable.add(connection);
    this.stats.accepted++;
    this.stats.connections++;
  }

  private makeRoom(client: string): boolean {
    if (this.connections.size < this.limits.connectionsMax) return true;
    for (const oldest of this.expendable) {
      this.stats.evicted++;
      oldest.close();
      return true;
    }
    this.logger.warn({ client, connectionsMax: this.limits.connectionsMax }, "refused a connection: as many as may be are open, and in use; raise max_connections (and ulimit -n) if they are wanted");
    return false;
  }

  /** A connection sent its first whole message. */
  heard(connection: Connection<C>): void {
    connection.spoke = true;
    this.expendable.delete(connection);
  }

  /** A connection is about to be closed, and not because its client is gone. */
  closing(connection: Connection<C>): void {
    if (this.connections.has(connection)) this.stats.forceClosed++;
  }

  forget(connection: Connection<C>): void {
    if (!this.connections.delete(connection)) return;
    this.expendable.delete(connection);
    this.watched.delete(connection);
    this.waiting.delete(connection);
    this.stats.connections--;
    this.handler.closed?.(connection);
    if (this.connections.size === 0) this.whenEmpty?.();
  }

  // Turns

  /** Has the connection's replies sent, and reading resumed, at the end of this event-loop turn. */
  atTurnEnd(connection: Connection<C>): void {
    if (connection.inTurn) return;
    connection.inTurn = true;
    if (this.turn.push(connection) === 1) this.clock.atTurnEnd(this.endTurn);
  }

  private readonly endTurn = (): void => {
    const turn = this.turn;
    this.turn = [];
    for (let i = 0; i < turn.length; i++) {
      const connection = turn[i]!;
      connection.inTurn = false;
      connection.settle();
    }
    if (this.waiting.size > 0) this.resumeWaiting();
  };

  /** A connection is paused: where the bound over all is the reason, it goes on when that is met again. */
  wait(connection: Connection<C>): void {
    if (this.unfinishedBytes >= this.limits.totalUnfinishedBytesMax) this.waiting.add(connection);
  }

  private resumeWaiting(): void {
    for (const connection of [...this.waiting]) {
      if (this.unfinishedBytes >= this.limits.totalUnfinishedBytesMax) return;
      this.waiting.delete(connection);
      connection.resume();
    }
  }

  // Clients that don't get on

  /** Has the sweep look at the connection until it waits for its client no more. */
  watch(connection: Connection<C>): void {
    const state = connection.waitsForClient;
    if (state === null) {
      connection.watched = false;
      this.watched.delete(connection);
      return;
    }
    if (state === "send") connection.progressMs = this.clock.monotonicMs();
    connection.watched = true;
    this.watched.add(connection);
    if (this.sweepTimer === null) this.armSweep();
  }

  private armSweep(): void {
    const ms = Math.min(this.limits.unsentStalledMs, this.limits.messageStalledMs) / sweepsPerTimeout;
    this.sweepTimer = this.clock.after(ms, () => this.sweep());
  }

  private sweep(): void {
    this.sweepTimer = null;
    const now = this.clock.monotonicMs();
    for (const connection of [...this.watched]) {
      const state = connection.waitsForClient;
      if (state === null) {
        connection.watched = false;
        this.watched.delete(connection);
        continue;
      }
      const limit = state === "send" ? this.limits.messageStalledMs : this.limits.unsentStalledMs;
      if (now - connection.progressMs < limit) continue;
      this.stats.stalled++;
      this.logger.info(
        { client: connection.address, connection: connection.id, stalledMs: Math.round(now - connection.progressMs) },
        state === "send" ? "closed a connection: its message never ended" : "closed a connection: it takes no replies",
      );
      connection.close();
    }
    if (this.watched.size > 0) this.armSweep();
  }

  /** Messages begun or held back take too much memory: the connection that is longest without progress is closed. */
  boundKept(current: Connection<C>): void {
    this.evictStalest(current, () => this.keptBytes - this.limits.totalKeptBytesMax, (each) => each.keptBytes);
  }

  /** So is one whose replies wait, when waiting replies take too much. */
  boundUnsent(current: Connection<C>): void {
    this.evictStalest(current, () => this.unsentBytes - this.limits.totalUnsentBytesMax, (each) => each.unsentBytes);
  }

  private evictStalest(current: Connection<C>, excess: () => number, cost: (each: Connection<C>) => number): void {
    while (excess() > 0) {
      let stalest = current;
      for (const each of this.connections) {
        if (each === current || cost(each) === 0) continue;
        if (stalest === current || each.progressMs < stalest.progressMs) stalest = each;
      }
      this.stats.evicted++;
      const fields = { client: stalest.address, connection: stalest.id, bytes: cost(stalest) };
      this.logger.info(fields, "closed a connection: too much memory is kept for clients that don't get on");
      stalest.close();
      if (stalest === current) return;
    }
  }

  // The end

  /** Accepts and reads no more, answers what was asked, and closes; cut off is who takes no replies, and after `deadlineMs` whatever is left. */
  stop(deadlineMs: number): Promise<void> {
    this.stopped ??= this.drain(deadlineMs);
    return this.stopped;
  }

  private async drain(deadlineMs: number): Promise<void> {
    this.stopping = true;
    this.listening.close();
    for (const connection of [...this.connections]) connection.beginDrain();
    if (this.connections.size > 0) {
      const emptied = Promise.withResolvers<void>();
      this.whenEmpty = emptied.resolve;
      const timer = this.clock.after(deadlineMs, () => {
        for (const connection of [...this.connections]) connection.close();
        emptied.resolve();
      });
      const cutting = cutStalled(this);
      await emptied.promise;
      cutting.cancel();
      timer.cancel();
    }
    this.sweepTimer?.cancel();
  }
}
