import { existsSync } from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Config } from "#config/index.ts";
import type { ControlDatabase } from "#control/database/port.ts";
import type { Logger } from "#telemetry/logger.ts";

/** Opens the control plane's database, as the configuration says, and brings it up to date. */
export async function openControlDatabase({ database }: Config, { clock, logger }: { readonly clock: Clock; readonly logger: Logger }): Promise<ControlDatabase> {
  if (database.type === "sqlite") {
    const { openSqliteControlDatabase } = await import("#control/database/sqlite.ts");
    return await openSqliteControlDatabase({ path: database.sqlite.path, clock, logger });
  }
  const { postgres } = database;
  const { openPostgresControlDatabase } = await import("#control/database/postgres.ts");
  return await openPostgresControlDatabase({ ...loginOf(database), maxOpen: postgres.max_open_conns, maxIdle: postgres.max_idle_conns, clock, logger });
}

/** Looks at it without changing anything: the schema's steps it lacks; null: it isn't there yet. Throws where it can't be used. */
export async function examineControlDatabase({ database }: Config, clock: Clock): Promise<number | null> {
  if (database.type === "sqlite" && !existsSync(database.sqlite.path)) return null;
  const { examinePostgres, examineSqlite } = await import("#control/database/examine.ts");
  return database.type === "sqlite" ? await examineSqlite(database.sqlite.path, clock) : await examinePostgres({ ...loginOf(database), clock });
}

function loginOf({ postgres }: Config["database"]) {
  return {
    host: postgres.host,
    port: postgres.port,
    database: postgres.database,
    user: postgres.user,
    password: postgres.password,
    sslmode: postgres.sslmode,
    sslRootCert: postgres.ssl_root_cert === "" ? "system" : postgres.ssl_root_cert,
  };
}
