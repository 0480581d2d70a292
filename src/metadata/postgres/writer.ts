import type { PostgresSession } from "#base/postgres/session.ts";
import { MetadataStoreError, MetadataTakenError } from "../errors.ts";
import type { MetadataStats } from "../stats.ts";
import { inWords, verdictOf } from "./errors.ts";
import { openSession, run, type Server, type Value } from "./sessions.ts";
import { statements } from "./statements.ts";
import { outside, type Span } from "#telemetry/tracing/index.ts";

const pauseMsMin = 20;
const pauseMsMax = 5_000;
/** Conflicts in a row after which somebody is told. */
const conflictsMax = 20;

/** Whoever waits for a batch. */
export interface Waiter {
  committed(): void;
  /** It never will be. */
  failed(error: Error): void;
}

/** A batch on its way. */
export interface Outgoing {
  readonly number: number;
  readonly values: readonly Value[];
  /** Told in this order, batches in the order of their numbers. */
  readonly waiters: Waiter[];
  /** Where it is done for a request that is followed. */
  readonly span: Span | null;
}

/** A batch, and when it was sent first. */
interface Sent extends Outgoing {
  readonly sentMs: number;
}

export interface WriterOptions {
  readonly server: Server;
  readonly share: number;
  readonly epoch: number;
  readonly name: string;
  readonly stats: MetadataStats;
  /** Something became possible: a batch was committed, or the server is back. */
  readonly moved: () => void;
  /** Batches go to another session from here on: it may be that of another server, and a session of the old one would read what is no longer so. */
  readonly renewed: () => void;
  /** Nothing more will be committed: another server took the share, or what the database has is not what it acknowledged. */
  readonly broken: (error: Error) => void;
}

/**
 * Sends batches, several on their way at a time, and has each committed once: the statement of a batch moves the writer's row from
 * the batch before to this one, so that whichever of two attempts comes second finds nothing to move; and after every doubt the row says
 * what was committed.
 */
export class Writer {
  private readonly options: WriterOptions;
  private session: PostgresSession | null;
  private inFlight: Sent[] = [];
  /** The last batch known to be committed. */
  private acked = 0;
  /** Statements without an answer. */
  private running = 0;
  private quiet: (() => void) | null = null;
  private recovering = false;
  private failures = 0;
  private over = false;
  private drained: (() => void)[] = [];
  /** Since when the server has not done what it was asked, by the monotonic clock; null: it does. */
  awaySinceMs: number | null = null;

  constructor(session: PostgresSession, options: WriterOptions) {
    this.session = session;
    this.options = options;
  }

  /** Batches on their way. */
  get depth(): number {
    return this.inFlight.length;
  }

  /** Statements without an answer. */
  get unanswered(): number {
    return this.running;
  }

  get connected(): boolean {
    return this.session?.lost === false;
  }

  get away(): boolean {
    return this.recovering;
  }

  send(outgoing: Outgoing): void {
    const batch: Sent = { ...outgoing, sentMs: this.options.server.clock.monotonicMs() };
    this.inFlight.push(batch);
    if (!this.recovering) this.dispatch(batch);
  }

  /** Told once everything on its way is committed; at once where nothing is. */
  afterLast(waiter: Waiter): void {
    const last = this.inFlight.at(-1);
    if (last === undefined) waiter.committed();
    else last.waiters.push(waiter);
  }

  private dispatch(batch: Outgoing): void {
    const { session } = this;
    if (session === null || this.over) return;
    this.running++;
    const send = (): Promise<unknown> => run(session, statements.apply, batch.values);
    (batch.span === null ? outside(send) : batch.span.run(send)).then(
      () => this.answered(null, batch),
      (error: unknown) => this.answered(error, batch),
    );
  }

  private answered(error: unknown, batch: Outgoing): void {
    this.running--;
    if (error === null) this.committed(batch.number);
    else this.failed(error);
    if (this.running > 0) return;
    this.quiet?.();
    this.quiet = null;
  }

  private committed(number: number): void {
    const { stats, server } = this.options;
    this.failures = 0;
    this.acked = Math.max(this.acked, number);
    this.awaySinceMs = null;
    while (this.inFlight.length > 0 && (this.inFlight[0] as Sent).number <= number) {
      const batch = this.inFlight.shift() as Sent;
      batch.span?.end();
      stats.commits.add(server.clock.monotonicMs() - batch.sentMs);
      for (const waiter of batch.waiters) waiter.committed();
    }
    if (this.inFlight.length === 0) this.empty();
    this.options.moved();
  }

  private empty(): void {
    const waiting = this.drained;
    this.drained = [];
    for (const go of waiting) go();
  }

  private failed(error: unknown): void {
    if (this.over) return;
    if (verdictOf(error) === "broken") return this.break(new MetadataStoreError(`the metadata of share ${this.options.name} can't be written any more: ${inWords(this.options.server.login, error)}. Nothing of it was acknowledged; start the server anew`));
    if (!this.recovering) void this.recover(error);
  }

  private break(error: Error): void {
    if (this.over) return;
    this.over = true;
    this.session?.destroy();
    const lost = this.inFlight;
    this.inFlight = [];
    this.options.broken(error);
    for (const batch of lost) {
      batch.span?.failWith(error);
      batch.span?.end();
      for (const waiter of batch.waiters) waiter.failed(error);
    }
    this.empty();
  }

  /** Finds out what was committed, and sends the rest again. */
  private async recover(cause: unknown): Promise<void> {
    const { server, moved } = this.options;
    this.recovering = true;
    this.awaySinceMs ??= server.clock.monotonicMs();
    let error = cause;
    while (!this.over) {
      this.note(error);
      if (this.running > 0) await new Promise<void>((resolve) => (this.quiet = resolve));
      await this.pause();
      if (this.over) return;
      try {
        if (this.session === null || this.session.lost) {
          this.session = await openSession(server);
          this.options.renewed();
        }
        await this.settle(this.session);
      } catch (thrown) {
        error = thrown;
        if (verdictOf(thrown) === "broken") return this.failed(thrown);
        continue;
      }
      this.recovering = false;
      for (const batch of this.inFlight) this.dispatch(batch);
      moved();
      return;
    }
    this.session?.destroy();
  }

  private note(error: unknown): void {
    const { server, name } = this.options;
    this.failures++;
    const verdict = verdictOf(error);
    const quiet = verdict === "conflict" && this.failures < conflictsMax;
    server.logger[quiet ? "debug" : "warn"]({ share: name, error: inWords(server.login, error) }, "the metadata's database does not take changes for now; nothing is lost, they are sent again");
  }

  private pause(): Promise<void> {
    const ms = this.failures <= 1 ? 0 : Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(this.failures, 16));
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => this.options.server.clock.after(ms, resolve));
  }

  /** What the database says of this writer, and with it of the batches on their way. */
  private async settle(session: PostgresSession): Promise<void> {
    const { share, epoch, name } = this.options;
    const { acked } = this;
    const rows = (await run(session, statements.writers, [share])) as readonly (readonly [number, number, string, string])[];
    if (this.over) return;
    const own = rows.find(([its]) => its === epoch);
    if (own === undefined) return this.break(takenError(name, rows.at(-1)));
    const last = own[1];
    // Looked at also where nothing is on its way: what is cached would be mixed with what was put back.
    if (last < acked) return this.break(behindError(name, last, acked));
    const first = this.inFlight[0];
    const sent = this.inFlight.at(-1)?.number ?? this.acked;
    if (last > sent) return this.break(strangeError(name, last, sent));
    if (first !== undefined && last >= first.number) this.committed(last);
  }

  /** Whether this writer still has the share; tells `broken` where not. */
  async check(): Promise<void> {
    if (this.recovering || this.over || this.running > 0 || this.session === null) return;
    try {
      await this.settle(this.session);
    } catch (error) {
      this.failed(error);
    }
  }

  /** Resolves when what is on its way now is committed. */
  drainNow(): Promise<void> {
    return new Promise((resolve, reject) => this.afterLast({ committed: resolve, failed: reject }));
  }

  /** At an orderly end: has `last` done, and gives the share back. */
  async giveUp(last: () => Promise<void>): Promise<void> {
    const { session } = this;
    if (this.over || this.recovering || session === null || session.lost) return;
    const { share, epoch } = this.options;
    await last();
    await run(session, statements.giveUp, [share, epoch]);
  }

  /** Resolves when nothing is on its way any more. */
  async drain(): Promise<void> {
    if (this.inFlight.length > 0) await new Promise<void>((resolve) => this.drained.push(resolve));
  }

  async close(): Promise<void> {
    this.over = true;
    this.empty();
    await this.session?.close();
  }
}

function behindError(name: string, last: number, acked: number): MetadataStoreError {
  return new MetadataStoreError(
    `the database of share ${name} is at batch ${last}, but ${acked} were committed: it has lost what it acknowledged (a backup put back, or a standby that lagged behind). The share is stopped so that nothing is made worse; start the server anew to go on from what the database has`,
  );
}

function strangeError(name: string, last: number, sent: number): MetadataStoreError {
  return new MetadataStoreError(`the database of share ${name} is at batch ${last}, but this server sent ${sent}: somebody else has written in its place (two databases put together, or rows that were edited). The share is stopped so that nothing is made worse; start the server anew to go on from what the database has`);
}

function takenError(name: string, now: readonly [number, number, string, string] | undefined): MetadataTakenError {
  const who = now === undefined ? "was removed from its database" : `was taken over by ${now[2]} at ${now[3]}`;
  return new MetadataTakenError(`share ${name} ${who}: this server serves it no longer. What this server had not had committed was not acknowledged and is not there`);
}
