import type { Clock, Timer } from "#base/clock.ts";
import { DatabaseError } from "./port.ts";
import type { PostgresConnection } from "./postgres-connection.ts";

/** Transactions that may wait for a connection, and how long. */
const waitingMax = 1000;
const waitMsMax = 30_000;

interface Waiting {
  readonly resolve: (connection: PostgresConnection) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer;
}

export interface PoolLimits {
  readonly maxOpen: number;
  readonly maxIdle: number;
}

/**
 * At most `maxOpen` connections, of which at most `maxIdle` are kept while nobody needs them. postgres.js's own pool knows a
 * maximum and an idle time, but not how many may stay; so each connection is a pool of one of its, and this here is the pool.
 */
export class PostgresPool {
  private readonly connect: () => Promise<PostgresConnection>;
  private readonly limits: PoolLimits;
  private readonly clock: Clock;
  private readonly idle: PostgresConnection[] = [];
  private readonly waiting: Waiting[] = [];
  private opened = 0;
  private closed = false;
  private emptied: () => void = () => {};

  constructor(connect: () => Promise<PostgresConnection>, limits: PoolLimits, clock: Clock) {
    this.connect = connect;
    this.limits = limits;
    this.clock = clock;
  }

  /** Connections there are, in use or idle. */
  get size(): number {
    return this.opened;
  }

  async take(): Promise<PostgresConnection> {
    if (this.closed) throw new DatabaseError("the control plane's database is closed: the server is stopping");
    for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
      if (!connection.lost) return connection;
      this.opened--;
    }
    if (this.opened < this.limits.maxOpen) return await this.open();
    if (this.waiting.length >= waitingMax) throw new DatabaseError(`more than ${waitingMax} changes wait for a connection to PostgreSQL. Try again in a moment`);
    return await new Promise<PostgresConnection>((resolve, reject) => {
      const timer = this.clock.after(waitMsMax, () => {
        this.waiting.splice(this.waiting.indexOf(waiting), 1);
        reject(new DatabaseError(`all ${this.limits.maxOpen} connections to PostgreSQL were busy for ${waitMsMax / 1000} s. Raise database.max-open, or see what its sessions wait for (pg_stat_activity)`));
      });
      const waiting: Waiting = { resolve, reject, timer };
      this.waiting.push(waiting);
    });
  }

  private async open(): Promise<PostgresConnection> {
    this.opened++;
    try {
      return await this.connect();
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** One connection less: whoever waits may open another. */
  private forget(): void {
    this.opened--;
    const next = this.waiting.shift();
    if (next !== undefined) {
      next.timer.cancel();
      this.open().then(next.resolve, next.reject);
    } else if (this.opened === 0) this.emptied();
  }

  give(connection: PostgresConnection): void {
    if (connection.lost) return this.forget();
    const next = this.waiting.shift();
    if (next !== undefined) {
      next.timer.cancel();
      next.resolve(connection);
    } else if (this.closed || this.idle.length >= this.limits.maxIdle) {
      void connection.close().finally(() => this.forget());
    } else this.idle.push(connection);
  }

  /** Where one connection was found dead, those that lie idle may be, too. */
  dropIdle(): void {
    for (const connection of this.idle.splice(0)) {
      connection.destroy();
      this.forget();
    }
  }

  /** Lets those in use and those that wait for one finish. */
  async close(): Promise<void> {
    this.closed = true;
    const empty = new Promise<void>((resolve) => {
      this.emptied = resolve;
    });
    for (const connection of this.idle.splice(0)) void connection.close().finally(() => this.forget());
    if (this.opened > 0) await empty;
  }
}
