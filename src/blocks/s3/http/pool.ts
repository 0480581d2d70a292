import type { Clock, Timer } from "#base/clock.ts";
import { type DirectReceive, linuxDirectReceive } from "#base/direct-receive.ts";
import { Connection } from "./connection.ts";
import { DirectBodies } from "./direct-bodies.ts";
import { Failure, type HttpAnswer, type HttpRequest, TransportError } from "./message.ts";

export interface PoolOptions {
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly ca: string | null;
  readonly insecure: boolean;
  readonly clock: Clock;
  /** How bodies are received that have a place; the system's way unless told, null for none. */
  readonly receiver?: DirectReceive | null;
}

/** Servers close idle connections after some 20 s; ours are closed earlier, so that few requests meet a connection that is going. */
const idleMsMax = 15_000;
/** Most requests that wait for a connection. */
const waitingMax = 10_000;

interface Idle {
  readonly connection: Connection;
  readonly sinceMs: number;
}

export interface Authority {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** Connections to the hosts of one store, at most so many in all, kept for the next request. */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #bodies: DirectBodies | null;
  readonly #idle = new Map<string, Idle[]>();
  readonly #open = new Set<Connection>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    const receiver = options.receiver === undefined ? linuxDirectReceive() : options.receiver;
    this.#bodies = receiver === null ? null : new DirectBodies(receiver, options.clock);
  }

  /** Requests on their way. */
  get busy(): number {
    return this.#busy;
  }

  async send(to: Authority, request: HttpRequest): Promise<HttpAnswer> {
    await this.#place();
    try {
      const first = await this.#connection(to);
      try {
        return await this.#on(first, to, request);
      } catch (error) {
        // An idle connection that the server was just closing: once more, on a new one.
        if (!(error instanceof TransportError) || !first.unanswered || this.#closed || error.code === Failure.stalled) throw error;
        return await this.#on(await this.#newConnection(to), to, request);
      }
    } finally {
      this.#leave();
    }
  }

  /** The place goes to who waits longest, without being free in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy--;
    else next();
  }

  async #on(connection: Connection, to: Authority, request: HttpRequest): Promise<HttpAnswer> {
    try {
      const answer = await connection.send(request, request.headers["host"] ?? hostHeaderOf(to));
      if (!connection.closed) this.#keep(nameOf(to), connection);
      return answer;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Waits for its turn to use a connection. */
  async #place(): Promise<void> {
    if (this.#closed) throw new TransportError(Failure.closed, "the store is closed");
    if (this.#busy < this.#options.connectionsMax) {
      this.#busy++;
      return;
    }
    if (this.#waiting.length >= waitingMax) throw new TransportError(Failure.queueFull, "too many requests wait for a connection");
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (!this.#closed) return;
    this.#leave();
    throw new TransportError(Failure.closed, "the store is closed");
  }

  async #connection(to: Authority): Promise<Connection> {
    const idle = this.#idle.get(nameOf(to));
    for (let last = idle?.pop(); last !== undefined; last = idle?.pop()) if (!last.connection.closed) return last.connection;
    return await this.#newConnection(to);
  }

  async #newConnection(to: Authority): Promise<Connection> {
    const { connectTimeoutMs, stallTimeoutMs, clock, ca, insecure } = this.#options;
    const tls = to.secure ? { ca, insecure } : null;
    const connection = await Connection.open({ host: to.host, port: to.port, tls, connectTimeoutMs, stallTimeoutMs, clock, bodies: this.#bodies });
    this.#open.add(connection);
    connection.onClose = () => this.#open.delete(connection);
    if (this.#closed) connection.close();
    return connection;
  }

  #keep(name: string, connection: Connection): void {
    const idle = this.#idle.get(name) ?? [];
    this.#idle.set(name, idle);
    idle.push({ connection, sinceMs: this.#options.clock.monotonicMs() });
    this.#sweep ??= this.#options.clock.after(idleMsMax, () => this.#closeIdle());
  }

  #closeIdle(): void {
    this.#sweep = null;
    const before = this.#options.clock.monotonicMs() - idleMsMax;
    for (const [name, idle] of this.#idle) {
      // The oldest stand first.
      while (idle.length > 0 && (idle[0] as Idle).sinceMs <= before) idle.shift()?.connection.close();
      if (idle.length === 0) this.#idle.delete(name);
    }
    if (this.#idle.size > 0 && !this.#closed) this.#sweep = this.#options.clock.after(idleMsMax, () => this.#closeIdle());
  }

  /** Ends every connection; requests on their way fail. */
  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const connection of [...this.#open]) connection.close();
    this.#idle.clear();
  }
}

function hostHeaderOf({ secure, host, port }: Authority): string {
  const name = host.includes(":") ? `[${host}]` : host;
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`;
}

function nameOf(to: Authority): string {
  return `${to.secure ? "https" : "http"}://${to.host}:${to.port}`;
}
