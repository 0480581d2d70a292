import type { Socket } from "node:net";
import { Socket as NetSocket } from "node:net";
import postgres from "postgres";
import type { Clock } from "../clock.ts";
import { dial, nameOf } from "./dial.ts";
import { type Account, loginError } from "./errors.ts";
import { ConnectionLost, PostgresFailure } from "./terms.ts";

/** After this the server gives up a statement. */
const statementMsMax = 30_000;
/** What the answer may take longer than that: beyond it the network or the server is taken for dead. */
export const answerMsMore = 5_000;
const loginMsMax = 10_000;
const closeSecondsMax = 2;
/** Oldest major version whose SQL ours is (identity columns; what PostgreSQL itself no longer cares for is not tried). */
const majorVersionMin = 12;

export interface Login extends Account {
  readonly password: string;
}

/** Where a database is and how to get in, whatever it is used for. */
export type PostgresPlace = Omit<Login, "terms">;

export interface SessionOptions {
  readonly login: Login;
  readonly clock: Clock;
  /** SQL that sets what the session needs besides its statement timeout; ends without a semicolon. */
  readonly settings: string;
  /** A value of a type's OID as text, as something else than postgres.js would give. */
  readonly parsers?: Readonly<Record<number, (text: string) => unknown>>;
  readonly onNotice: (message: string) => void;
}

/**
 * One session of the server. A client of postgres.js with a pool of one, which is handed one socket and never a second: a client
 * that reconnected unseen within a transaction would run the rest of its statements outside of any.
 */
export class PostgresSession {
  readonly client: postgres.Sql;
  private readonly socket: Socket;
  private readonly clock: Clock;
  private gone = false;
  /** Cut for want of an answer. */
  private late = false;
  /** What to call for each statement that waits for its answer when the connection is gone. */
  private readonly unanswered = new Set<(error: Error) => void>();

  private constructor(socket: Socket, options: SessionOptions) {
    const { clock } = options;
    this.socket = socket;
    this.clock = clock;
    socket.once("error", () => {
      this.gone = true;
    });
    socket.once("close", () => {
      this.gone = true;
      // The driver says why, if it does; it forgets statements begun between a socket's error and its close.
      clock.atTurnEnd(() => this.unanswered.forEach((lost) => lost(new ConnectionLost("the connection was lost"))));
    });
    this.client = clientOver(socket, options);
  }

  /** Connects, logs in and sets the session's limits; throws PostgresFailure. */
  static async open(options: SessionOptions): Promise<PostgresSession> {
    const { login, clock, settings } = options;
    const session = new PostgresSession(await dial(login, clock), options);
    try {
      const setting = `set statement_timeout = ${statementMsMax}; ${settings}; select current_setting('server_version_num') as version`;
      const results = await session.execute(setting, loginMsMax - answerMsMore);
      const major = Math.floor(Number((results.at(-1) as unknown as readonly { version: string }[])[0]?.version) / 10_000);
      if (major < majorVersionMin) throw new PostgresFailure(`PostgreSQL at ${nameOf(login)} is of version ${major}; DittoFS needs ${majorVersionMin} or later`);
      return session;
    } catch (error) {
      const { late } = session;
      session.destroy();
      throw late
        ? new PostgresFailure(`PostgreSQL at ${nameOf(login)} did not finish the log-in of user "${login.user}" within ${loginMsMax / 1000} s. Check that it is PostgreSQL that listens there, and look into its log`, true)
        : loginError(login, error);
    }
  }

  /** Whether no statement can be run here any more. */
  get lost(): boolean {
    return this.gone || this.socket.destroyed;
  }

  /** Runs a statement; cuts the connection where no answer comes, so that nobody waits for a network that is dead. */
  async run<T>(statement: () => PromiseLike<T>, serverMsMax = statementMsMax): Promise<T> {
    if (this.lost) throw new ConnectionLost("the connection was lost");
    const gone = Promise.withResolvers<never>();
    this.unanswered.add(gone.reject);
    const timer = this.clock.after(serverMsMax + answerMsMore, () => {
      this.late = true;
      this.destroy();
    });
    try {
      return await Promise.race([statement(), gone.promise]);
    } finally {
      this.unanswered.delete(gone.reject);
      timer.cancel();
    }
  }

  /** Runs SQL of ours, without values. */
  execute(sql: string, serverMsMax?: number): Promise<postgres.RowList<postgres.Row[]>> {
    return this.run(() => this.client.unsafe(sql), serverMsMax);
  }

  destroy(): void {
    this.gone = true;
    this.socket.destroy();
  }

  async close(): Promise<void> {
    if (!this.gone) await this.client.end({ timeout: closeSecondsMax });
    this.destroy();
  }
}

function clientOver(socket: Socket, { login, clock, parsers = {}, onNotice }: SessionOptions): postgres.Sql {
  let handedOut = false;
  const options = {
    host: [login.host],
    port: [login.port],
    database: login.database,
    user: login.user,
    // As a function: the driver would take PGPASSWORD from the environment in place of an empty one.
    pass: () => login.password,
    ssl: false,
    max: 1,
    idle_timeout: null,
    max_lifetime: null,
    // Only behind the limit of `open`, which is by our clock.
    connect_timeout: (2 * loginMsMax) / 1000,
    fetch_types: false,
    connection: { application_name: "dittofs" },
    types: Object.fromEntries(Object.entries(parsers).map(([oid, parse]) => [`oid${oid}`, { to: Number(oid), from: [Number(oid)], serialize, parse }])),
    onnotice: (notice: postgres.Notice) => onNotice(String(notice["message"])),
    socket: () => {
      if (handedOut) return brokenSocket(clock);
      handedOut = true;
      return socket;
    },
  };
  return postgres(options as unknown as postgres.Options<Record<string, never>>);
}

function serialize(value: unknown): string {
  return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString("hex")}` : String(value);
}

/** The driver takes no for an answer only from a socket that fails after it was handed over. */
function brokenSocket(clock: Clock): Socket {
  const socket = new NetSocket();
  clock.atTurnEnd(() => socket.destroy(new ConnectionLost("the connection was lost")));
  return socket;
}
