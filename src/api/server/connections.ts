import type { Socket } from "node:net";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "./limits.ts";

const second = 1000;

/** A client's connection, from its arrival to its end. */
export class ApiConnection {
  /** What was accepted: closing it closes whatever runs over it. */
  readonly socket: Socket;
  /** Calls that are not answered to the end. */
  calls = 0;
  /** The last of them has left: the next is answered then, so that a client that reads nothing is owed one answer and no more. */
  left: Promise<void> = Promise.resolve();
  /** It has sent a whole request: its head. */
  spoke = false;
  /** One of its calls goes on for as long as it makes progress. */
  unhurried = false;
  /** Since when it is as it is: silent, resting or with calls in hand. */
  sinceMs: number;

  constructor(socket: Socket, nowMs: number) {
    this.socket = socket;
    this.sinceMs = nowMs;
  }
}

/** Counters since the start, and the connections there are. */
export interface ConnectionStats {
  readonly connections: number;
  readonly accepted: number;
  readonly refused: number;
  /** Closed by this server before their clients did. */
  readonly forceClosed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/**
 * The connections there are, of which there may be so many and no more: each takes a descriptor that the file service may need. Where
 * there are too many, the one longest without a call is closed, of those that never made one first; then the one whose call waits
 * longest for its own body. None whose call is being worked on is closed for another.
 */
export class Connections {
  private readonly max: number;
  private readonly clock: Clock;
  private readonly all = new Set<ApiConnection>();
  /** Those without a call in hand, longest so first: those that never made one, and those that did. */
  private readonly silent = new Set<ApiConnection>();
  private readonly resting = new Set<ApiConnection>();
  /** Those with a call whose body has not come to its end. */
  private readonly sending = new Set<ApiConnection>();
  private timer: Timer | null = null;
  private stopping = false;
  private readonly waiting: (() => void)[] = [];
  /** Since the start; bytes of connections that are closed. */
  private readonly counted = { accepted: 0, refused: 0, forceClosed: 0, bytesIn: 0, bytesOut: 0 };

  constructor(max: number, clock: Clock) {
    this.max = max;
    this.clock = clock;
  }

  get size(): number {
    return this.all.size;
  }

  stats(): ConnectionStats {
    let { bytesIn, bytesOut } = this.counted;
    for (const { socket } of this.all) {
      bytesIn += socket.bytesRead;
      bytesOut += socket.bytesWritten;
    }
    return { ...this.counted, bytesIn, bytesOut, connections: this.all.size };
  }

  /** A connection is there. Null: there is no room, and it was closed. */
  add(socket: Socket): ApiConnection | null {
    if (this.stopping || (this.all.size >= this.max && !this.makeRoom())) {
      socket.destroy();
      this.counted.refused++;
      return null;
    }
    this.counted.accepted++;
    const connection = new ApiConnection(socket, this.clock.monotonicMs());
    this.all.add(connection);
    this.silent.add(connection);
    this.timer ??= this.clock.after(limits.sweepMs, () => this.sweep());
    return connection;
  }

  private makeRoom(): boolean {
    for (const idle of [this.silent, this.resting, this.sending]) {
      for (const oldest of idle) {
        this.close(oldest);
        return true;
      }
    }
    return false;
  }

  close(connection: ApiConnection): void {
    if (this.all.has(connection)) this.counted.forceClosed++;
    this.lost(connection);
  }

  /** As `close`, of one whose client is gone. */
  lost(connection: ApiConnection): void {
    this.forget(connection);
    connection.socket.destroy();
  }

  /** It is closed. */
  forget(connection: ApiConnection): void {
    if (!this.all.delete(connection)) return;
    this.counted.bytesIn += connection.socket.bytesRead;
    this.counted.bytesOut += connection.socket.bytesWritten;
    this.silent.delete(connection);
    this.resting.delete(connection);
    this.sending.delete(connection);
    if (this.all.size > 0) return;
    this.timer?.cancel();
    this.timer = null;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** A call begins, `whole` or with its body on its way. False: the client sends them without waiting for answers, more than anybody needs to, and was closed. */
  begin(connection: ApiConnection, whole: boolean): boolean {
    if (!this.all.has(connection)) return false;
    if (connection.calls >= limits.pipelinedMax) {
      this.close(connection);
      return false;
    }
    connection.calls++;
    connection.spoke = true;
    connection.sinceMs = this.clock.monotonicMs();
    this.silent.delete(connection);
    this.resting.delete(connection);
    if (!whole) this.sending.add(connection);
    return true;
  }

  /** The body of its call is whole. */
  received(connection: ApiConnection): void {
    this.sending.delete(connection);
  }

  /** The answer is known: from now on it's the client that is waited for. */
  answered(connection: ApiConnection): void {
    connection.unhurried = false;
    connection.sinceMs = this.clock.monotonicMs();
  }

  /** The answer has left. */
  end(connection: ApiConnection): void {
    connection.calls--;
    if (connection.calls > 0 || !this.all.has(connection)) return;
    connection.sinceMs = this.clock.monotonicMs();
    if (this.stopping) connection.socket.end();
    else this.resting.add(connection);
  }

  private sweep(): void {
    this.timer = null;
    const now = this.clock.monotonicMs();
    for (const connection of [...this.all]) {
      if (connection.unhurried) continue;
      const limitMs = connection.spoke ? limits.idleSec * second : limits.firstCallMs;
      if (now - connection.sinceMs >= limitMs) this.close(connection);
    }
    if (this.all.size > 0) this.timer ??= this.clock.after(limits.sweepMs, () => this.sweep());
  }

  /** Takes no more, closes those without a call in hand at once and the others after it; resolves when none is left. */
  drain(): Promise<void> {
    this.stopping = true;
    for (const connection of [...this.silent, ...this.resting]) this.close(connection);
    return this.all.size === 0 ? Promise.resolve() : new Promise((resolve) => this.waiting.push(resolve));
  }

  closeAll(): void {
    for (const connection of [...this.all]) this.close(connection);
  }
}
