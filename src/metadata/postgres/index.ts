/**
 * Metadata in PostgreSQL, several shares in one database (docs/formats/metadata-postgres.md). One server has a share at a time and
 * knows its rows exactly (view/): sets are evaluated there by the engine all stores share, and what a batch of them comes to is
 * written by one statement, several on their way at a time (writer.ts). A set is resolved when the database committed its batch.
 *
 * Invariants: batches are committed in order, each once; what a server that lost its share had not had committed was not acknowledged.
 */
import type { Clock } from "#base/clock.ts";
import { nameOf } from "#base/postgres/dial.ts";
import type { PostgresPlace, PostgresSession } from "#base/postgres/session.ts";
import type { Random } from "#base/random.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { MetadataStats } from "../stats.ts";
import { Applier } from "./applier.ts";
import { asStoreError, connect } from "./connect.ts";
import { Fetcher } from "./fetcher.ts";
import { foldNames } from "./fold-names.ts";
import { Holds } from "./holds.ts";
import { type FoundShare, migrate, take, type Taken } from "./open.ts";
import { PageReader } from "./pages.ts";
import { Reader } from "./readers.ts";
import { Reservation } from "./reservation.ts";
import type { ViewLimits } from "./ring.ts";
import { PostgresRows } from "./rows.ts";
import type { Server } from "./sessions.ts";
import { PostgresStore } from "./store.ts";
import { View } from "./view.ts";
import { Writer } from "./writer.ts";

export { checkPostgres, findPostgresShare, type PostgresAccess, removePostgresShare } from "./connect.ts";
export { importIntoPostgres, leftKeysOf, setPostgresShareAside } from "./import.ts";
export type { FoundShare } from "./open.ts";

/** How often a server that has nothing to commit looks whether the share is still its own. */
const checkMs = 2_000;

const defaultLimits: ViewLimits = { inodes: 65_536, names: 65_536, directories: 16_384, files: 8_192, extents: 500_000, packs: 4_096 };

export interface PostgresStoreOptions extends PostgresPlace {
  /** What the share is known by in the database, for good. */
  readonly key: string;
  /** What it is called, for whoever looks into the database. */
  readonly name: string;
  /** Who this server is, for whoever it takes the share from. */
  readonly holder: string;
  /** Told what there is of the share before it is taken, null where it would be made; throws where it is to be left alone. Without it nothing is asked. */
  readonly examine?: (found: FoundShare | null) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What a newer database says it was written by; default "DittoFS". */
  readonly writer?: string;
  /** Called once when nothing more can be committed: the share was taken by another server, or what the database has is not what this server knows. */
  readonly broken: (error: Error) => void;
  /** Bounds of what is held in memory; tests put small ones here. */
  readonly limits?: ViewLimits;
}

/** Opens or makes a share's metadata on a PostgreSQL server, taking it from whatever server has it. Throws a MetadataStoreError, or a StoreUnavailableError where that may work in a moment. */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<MetadataStore> {
  const { server, session } = await connect(options);
  try {
    await migrate(session, server, options.writer ?? "DittoFS");
    const taken = await take(session, { writer: "DittoFS", examine: () => {}, ...options });
    if (taken.before !== null) options.logger.warn({ share: options.name, from: taken.before }, "the share was taken over from a server that had not given it back");
    await foldNames(session, taken.share, () => options.logger.info({ share: options.name }, "names that an older version stored are made to be found whatever their case: this is done once"));
    return assemble(options, server, session, taken);
  } catch (error) {
    session.destroy();
    throw asStoreError(server, error);
  }
}

function assemble(options: PostgresStoreOptions, server: Server, session: PostgresSession, { share, epoch, identity, next, totals }: Taken): MetadataStore {
  const { clock, logger, name } = options;
  const view = new View(options.limits ?? defaultLimits);
  const stats = new MetadataStats();
  const reader = new Reader(server, stats);
  const scans = new Reader(server, stats);
  const fetcher = new Fetcher(view, reader, share, clock);
  const reservation = new Reservation(next, reader, share, epoch, logger);
  const parts = { applier: null as Applier | null };
  const broken = (error: Error): void => {
    parts.applier?.fail(error);
    logger.error({ share: name, database: `${server.login.database} at ${nameOf(server.login)}`, error: error.message }, "the share's metadata can't be served any more");
    options.broken(error);
  };
  const writer = new Writer(session, { server, share, epoch, name, stats, moved: () => parts.applier?.schedule(), renewed: () => [reader, scans].forEach((one) => one.renew()), broken });
  const applier = new Applier({
    view,
    holds: new Holds(view),
    rows: new PostgresRows(view),
    fetcher,
    sequence: reservation.sequence,
    writer,
    share,
    epoch,
    clock,
    totals,
    stats,
    fatal: (error) => broken(error instanceof Error ? error : new Error(String(error))),
  });
  parts.applier = applier;
  const checks = new Checks(writer, clock);
  const release = async (): Promise<void> => {
    checks.end();
    try {
      await writer.giveUp(() => reservation.giveBack());
    } finally {
      await Promise.all([writer.close(), reader.close(), scans.close()]);
    }
  };
  return new PostgresStore({ identity, share, view, fetcher, pages: new PageReader(view, fetcher), applier, reservation, writer, reader, scans, stats, release });
}

/** Looks from time to time whether the share is still this server's. */
class Checks {
  private readonly writer: Writer;
  private readonly clock: Clock;
  private over = false;

  constructor(writer: Writer, clock: Clock) {
    this.writer = writer;
    this.clock = clock;
    this.wait();
  }

  private wait(): void {
    this.clock.after(checkMs, () => {
      if (this.over) return;
      void this.writer.check().finally(() => this.wait());
    });
  }

  end(): void {
    this.over = true;
  }
}
