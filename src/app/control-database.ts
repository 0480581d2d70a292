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
  return await openPostgresControlDatabase({
    host: postgres.host,
    port: postgres.port,
    database: postgres.database,
    user: postgres.user,
    password: postgres.password,
    sslmode: postgres.sslmode,
    sslRootCert: postgres.ssl_root_cert === "" ? "system" : postgres.ssl_root_cert,
    maxOpen: postgres.max_open_conns,
    maxIdle: postgres.max_idle_conns,
    clock,
    logger,
  });
}
