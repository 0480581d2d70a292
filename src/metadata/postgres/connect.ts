import postgres from "postgres";
import type { Clock } from "#base/clock.ts";
import { isOfConnection } from "#base/postgres/errors.ts";
import type { Login, PostgresPlace, PostgresSession } from "#base/postgres/session.ts";
import { PostgresFailure } from "#base/postgres/terms.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { MetadataStoreError } from "../errors.ts";
import { inWords, storeTerms, verdictOf } from "./errors.ts";
import { migrate } from "./open.ts";
import { openSession, run, type Server } from "./sessions.ts";

/** A place, and what a session is handed. */
export type PostgresAccess = PostgresPlace & { readonly clock: Clock; readonly logger: Logger };

/** What the server or the connection to it said, in words for whoever runs this one. */
export function asStoreError({ login }: Server, error: unknown): unknown {
  if (verdictOf(error) === "away" || isOfConnection(error)) return new StoreUnavailableError(inWords(login, error));
  return error instanceof postgres.PostgresError ? new MetadataStoreError(inWords(login, error)) : error;
}

export async function connect({ clock, logger, host, port, database, user, password, sslmode, sslRootCert }: PostgresAccess): Promise<{ server: Server; session: PostgresSession }> {
  const login: Login = { host, port, database, user, password, sslmode, sslRootCert, terms: storeTerms };
  const server = { login, clock, logger };
  try {
    return { server, session: await openSession(server) };
  } catch (error) {
    if (!(error instanceof PostgresFailure)) throw error;
    throw error.passing ? new StoreUnavailableError(error.message) : new MetadataStoreError(error.message);
  }
}

/** Whether shares can be kept there: connects, logs in, and where `writing` makes the tables. Throws a MetadataStoreError that says what to do. */
export async function checkPostgres(options: PostgresAccess & { readonly writing: boolean }): Promise<void> {
  const { server, session } = await connect(options);
  try {
    if (options.writing) await migrate(session, server, "DittoFS");
    await session.execute("select 1");
  } catch (error) {
    throw asStoreError(server, error);
  } finally {
    session.destroy();
  }
}

/** Rows that one statement of a removal takes, so that none runs for too long. */
const removedAtOnce = 20_000;

/** Runs `work` on a session of its own. Throws a MetadataStoreError where the server can't do it. */
export async function withSession<T>(access: PostgresAccess, work: (session: PostgresSession, server: Server) => Promise<T>): Promise<T> {
  const { server, session } = await connect(access);
  try {
    return await work(session, server);
  } catch (error) {
    throw asStoreError(server, error);
  } finally {
    session.destroy();
  }
}

async function hasTables(session: PostgresSession): Promise<boolean> {
  return (await session.execute("select where to_regclass('dittofs_share') is not null")).length > 0;
}

/** What a database has of a share, for whoever is about to remove it; null: nothing. */
export function findPostgresShare(access: PostgresAccess, key: string): Promise<{ readonly instance: Uint8Array; readonly hasPacks: boolean } | null> {
  return withSession(access, async (session) => {
    if (!(await hasTables(session))) return null;
    const [row] = await run(session, "select s.instance, exists (select from dittofs_pack p where p.share = s.share) from dittofs_share s where s.key = $1", [key]);
    return row === undefined ? null : { instance: row[0] as Uint8Array, hasPacks: row[1] as boolean };
  });
}

/** Removes a share from a database, bit by bit; whatever server has it stops serving it. It can be cut off and be repeated. */
export function removePostgresShare(access: PostgresAccess, key: string): Promise<void> {
  return withSession(access, async (session) => {
    if (!(await hasTables(session))) return;
    const [row] = await run(session, "select share from dittofs_share where key = $1", [key]);
    if (row === undefined) return;
    const share = row[0] as number;
    await run(session, "delete from dittofs_writer where share = $1", [share]);
    for (const table of ["dittofs_dirent", "dittofs_extent", "dittofs_xattr", "dittofs_orphan", "dittofs_pack", "dittofs_inode"]) {
      let removed: number;
      do {
        const statement = `with gone as (delete from ${table} where ctid = any(array(select ctid from ${table} where share = $1 limit ${removedAtOnce})) returning 1) select count(*) from gone`;
        removed = (await run(session, statement, [share]))[0]?.[0] as number;
      } while (removed === removedAtOnce);
    }
    await run(session, "delete from dittofs_share where share = $1", [share]);
  });
}
