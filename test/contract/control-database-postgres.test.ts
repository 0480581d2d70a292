import { describe, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { openPostgresControlDatabase } from "#control/database/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { controlDatabaseContract } from "./control-database.ts";

const limits = { maxOpen: 25, maxIdle: 5, clock: systemClock, logger: silentLogger };

if (missingPostgres === null) {
  controlDatabaseContract("postgres", async () => {
    const login = await (await sharedCluster()).database();
    return {
      open: () => openPostgresControlDatabase({ ...login, ...limits, sslmode: "disable", sslRootCert: null }),
      dispose: async () => {},
    };
  });
} else {
  // Skipped without PostgreSQL: the reason stands in the name.
  describe.skip(`control database, postgres: ${missingPostgres}`, () => test("all of it", () => {}));
}
