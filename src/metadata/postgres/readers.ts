import type { PostgresSession } from "#base/postgres/session.ts";
import { StoreFailedError, StoreUnavailableError } from "#model/block-store.ts";
import type { Row } from "./decode.ts";
import type { MetadataStats } from "../stats.ts";
import { inWords, verdictOf } from "./errors.ts";
import { openSession, run, type Server, type Value } from "./sessions.ts";

/** How long a read waits for a server that is away. */
const readMsMax = 10_000;
const pauseMsMin = 50;
const pauseMsMax = 1_000;

/** A session for reads: any number of them at a time, each run again where the connection breaks. */
export class Reader {
  private readonly server: Server;
  private readonly stats: MetadataStats;
  /** Reads that wait for their answer. */
  running = 0;
  private opening: Promise<PostgresSession> | null = null;
  private session: PostgresSession | null = null;
  private closed = false;

  constructor(server: Server, stats: MetadataStats) {
    this.server = server;
    this.stats = stats;
  }

  /** Rows of a prepared statement; throws a StoreUnavailableError where the server stays away, a StoreFailedError where it refuses. */
  async rows(statement: string, values: readonly Value[], serverMsMax?: number): Promise<readonly Row[]> {
    const { clock } = this.server;
    const begunMs = clock.monotonicMs();
    this.running++;
    try {
      const rows = await this.answered(statement, values, serverMsMax);
      this.stats.queries.add(clock.monotonicMs() - begunMs);
      return rows;
    } catch (error) {
      this.stats.queriesFailed++;
      throw error;
    } finally {
      this.running--;
    }
  }

  private async answered(statement: string, values: readonly Value[], serverMsMax?: number): Promise<readonly Row[]> {
    const { clock, login } = this.server;
    const begun = clock.monotonicMs();
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(pauseMsMax, pauseMs * 2)) {
      try {
        return await run(await this.ready(), statement, values, serverMsMax);
      } catch (error) {
        if (this.closed) throw new Error("the metadata store is closed");
        if (verdictOf(error) === "broken") throw new StoreFailedError(`the metadata can't be read: ${inWords(login, error)}`);
        if (clock.monotonicMs() + pauseMs - begun > readMsMax) throw new StoreUnavailableError(`the metadata can't be read for now: ${inWords(login, error)}`);
      }
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
    }
  }

  get connected(): boolean {
    return this.session?.lost === false;
  }

  private ready(): Promise<PostgresSession> {
    if (this.session?.lost === false) return Promise.resolve(this.session);
    if (this.opening === null) {
      this.opening = openSession(this.server);
      this.opening.then(
        (session) => {
          this.opening = null;
          this.session = session;
          if (this.closed) session.destroy();
        },
        () => {
          this.opening = null;
        },
      );
    }
    return this.opening;
  }

  /** Leaves its session: what waits is asked again on another. */
  renew(): void {
    this.session?.destroy();
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.session?.close();
  }
}
