import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { openSqliteControlDatabase } from "#control/database/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { controlDatabaseContract } from "./control-database.ts";

controlDatabaseContract("sqlite", async () => {
  const directory = mkdtempSync(join(tmpdir(), "dittofs-control-"));
  return {
    open: () => openSqliteControlDatabase({ path: join(directory, "made/controlplane.db"), clock: systemClock, logger: silentLogger }),
    dispose: async () => rmSync(directory, { recursive: true, force: true }),
  };
});
