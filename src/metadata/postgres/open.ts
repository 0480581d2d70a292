import type { Random } from "#base/random.ts";
import { nameOf } from "#base/postgres/dial.ts";
import type { PostgresSession } from "#base/postgres/session.ts";
import { firstDrawn } from "#model/ids.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";
import { MetadataStoreError } from "../errors.ts";
import { newIdentity } from "../identity.ts";
import type { Totals } from "../rows.ts";
import { verdictOf } from "./errors.ts";
import { reservedNumbers } from "./reservation.ts";
import { migrations } from "./schema.ts";
import { run, type Server } from "./sessions.ts";

/** Of the advisory lock that migrations are made and shares are taken under, in this database: "DtFM". */
const lockKey = 0x4474464d;
/** How long another server may be at it, and how long a step may take here. */
const stepMsMax = 600_000;
/** Attempts to take a share that collide with its present writer. */
const takesMax = 10;

/** What a server has to know of the share it took. */
export interface Taken {
  readonly share: number;
  readonly epoch: number;
  readonly identity: ShareIdentity;
  /** The first number of the sequence that nobody has drawn. */
  readonly next: number;
  readonly totals: Totals;
  /** Who had it, where somebody did and did not end in order. */
  readonly before: string | null;
}

export interface TakeOptions {
  readonly key: string;
  readonly name: string;
  readonly holder: string;
  readonly writer: string;
  readonly random: Random;
  /** Told what there is of the share before anything is changed, null where it would be made; throws where it is to be left alone. */
  readonly examine: (found: FoundShare | null) => void;
}

/** A share in a database. */
export interface FoundShare {
  readonly instance: Uint8Array;
  /** Live ones. */
  readonly inodes: number;
}

/** Brings the tables up to date, under a lock, in one transaction; refuses those of a newer program. */
export async function migrate(session: PostgresSession, server: Server, writer: string): Promise<void> {
  if ((await version(session, server)) === migrations.length) return;
  await session.execute(`begin; set local statement_timeout = ${stepMsMax}; set local lock_timeout = ${stepMsMax}`);
  await session.execute(`select pg_advisory_xact_lock(${lockKey})`, stepMsMax);
  const from = await version(session, server);
  if (from === 0) await session.execute("create table dittofs_format (version integer primary key, writer text not null, made timestamptz not null default now())");
  for (let i = from; i < migrations.length; i++) {
    for (const statement of migrations[i] ?? []) await session.execute(statement, stepMsMax);
    await run(session, "insert into dittofs_format (version, writer) values ($1, $2)", [i + 1, writer]);
  }
  await session.execute("commit");
}

/** The format's version in this database; 0 where there is none yet. */
async function version(session: PostgresSession, { login }: Server): Promise<number> {
  // Read as rows: to_regclass would answer from the session's cache, which another session's commit need not have reached yet.
  const found = await session.execute("select from pg_class where relname = 'dittofs_format' and relnamespace in (select oid from pg_namespace where nspname = any(current_schemas(false)))");
  if (found.length === 0) return 0;
  const [row] = await session.execute("select version, writer from dittofs_format order by version desc limit 1");
  const newest = Number(row?.["version"] ?? 0);
  if (newest > migrations.length) {
    throw new MetadataStoreError(
      `database "${login.database}" at ${nameOf(login)} has metadata format ${newest}, written by ${row?.["writer"]}; this program reads formats up to ${migrations.length}. Start the newer program, or put back a backup that this one made`,
    );
  }
  return newest;
}

/** Takes a share for this server alone: whoever had it finds at its next batch that it has it no longer. */
export async function take(session: PostgresSession, options: TakeOptions): Promise<Taken> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await takeOnce(session, options);
    } catch (error) {
      if (!session.lost) await session.execute("rollback");
      if (verdictOf(error) !== "conflict" || attempt === takesMax) throw error;
    }
  }
}

async function takeOnce(session: PostgresSession, { key, name, holder, random, examine }: TakeOptions): Promise<Taken> {
  await session.execute("begin");
  await session.execute(`select pg_advisory_xact_lock(${lockKey})`);
  const [found] = (await run(session, "select instance, inodes from dittofs_share where key = $1", [key])) as readonly (readonly [Uint8Array, number])[];
  examine(found === undefined ? null : { instance: found[0], inodes: found[1] });
  if (found === undefined) {
    const { instance, handleKey } = newIdentity(random);
    await run(session, "insert into dittofs_share (key, name, instance, handle_key, epoch, reserved, tree_version, inodes, bytes) values ($1, $2, $3, $4, 0, $5, 0, 0, 0)", [key, name, instance, handleKey, firstDrawn]);
  }
  // The writer's row before the share's, as a batch has it.
  const before = await run(session, "delete from dittofs_writer w using dittofs_share s where s.key = $1 and w.share = s.share returning w.holder", [key]);
  // Of the time, too: in a database that was put back, the next number may be that of a writer which still runs.
  const [row] = await run(
    session,
    "update dittofs_share set epoch = greatest(epoch + 1, (extract(epoch from clock_timestamp()) * 1000)::bigint), reserved = reserved + $2, name = $3 where key = $1 returning share, epoch, instance, handle_key, reserved, tree_version, inodes, bytes",
    [key, reservedNumbers, name],
  );
  const [share, epoch, instance, handleKey, reserved, treeVersion, inodes, bytes] = row as unknown as [number, number, Uint8Array, Uint8Array, number, number, number, number];
  await run(session, "insert into dittofs_writer (share, epoch, batch, holder, since) values ($1, $2, 0, $3, now())", [share, epoch, holder]);
  await session.execute("commit");
  return { share, epoch, identity: { instance, handleKey }, next: reserved - reservedNumbers, totals: { treeVersion, inodes, bytes }, before: (before[0]?.[0] as string | undefined) ?? null };
}
