import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import type { ControlDatabase } from "#control/database/port.ts";
import { openPostgresControlDatabase, openSqliteControlDatabase } from "#control/database/index.ts";
import { followIntervalMs } from "#control/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { missingPostgres, sharedCluster } from "../../support/postgres.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { until } from "../../support/wait.ts";
import { openKit } from "./kit.ts";
import { changeAtRandom, everything, expectSound } from "./random-changes.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { temporary } from "../../support/temporary.ts";

const seed = seedFor("random changes of the control plane", "CONTROL_SEED");

async function againAndAgain(database: ControlDatabase, rounds: number, changes: number): Promise<void> {
  const random = new SeededRandom(seed);
  const kit = await openKit({ database, seed });
  for (let round = 0; round < rounds; round++) {
    const outcomes = await changeAtRandom([kit], random, changes);
    expect([...outcomes.keys()].filter((code) => ["unavailable", "busy"].includes(code))).toEqual([]);
    expect(outcomes.get("done")).toBeGreaterThan(0);
    expectSound(kit);
    expect(everything(kit)).toEqual(everything(await openKit({ database, seed: seed + 1 })));
  }
}

describe("after changes drawn at random, memory is what the database holds", () => {
  test("in memory", () => againAndAgain(new MemoryDatabase(), 20, 60), 30_000);

  test("in SQLite", async () => {
    const directory = temporary("control");
    const database = await openSqliteControlDatabase({ path: join(directory, "controlplane.db"), clock: systemClock, logger: silentLogger });
    try {
      await againAndAgain(database, 5, 60);
    } finally {
      await database.close();
      rmSync(directory, { recursive: true });
    }
  }, 60_000);

  // Without Debian's package postgresql there is no server to run this on.
  test.skipIf(missingPostgres !== null)("in PostgreSQL, by two nodes at once", async () => {
    const cluster = await sharedCluster();
    const login = await cluster.database();
    const open = () => openPostgresControlDatabase({ ...login, sslmode: "disable", sslRootCert: null, clock: systemClock, logger: silentLogger, maxOpen: 4, maxIdle: 1 });
    const databases = [await open(), await open()];
    try {
      const kits = await Promise.all(databases.map((database, i) => openKit({ database, seed: seed + i })));
      const random = new SeededRandom(seed);
      for (let round = 0; round < 4; round++) {
        await changeAtRandom(kits, random, 30);
        const fresh = everything(await openKit({ database: databases[0] as ControlDatabase, seed: seed + 2 }));
        for (const kit of kits) {
          await until("the node follows", 20_000, () => {
            kit.clock.pass(followIntervalMs);
            return Bun.deepEquals(everything(kit), fresh) ? true : null;
          });
          expectSound(kit);
        }
      }
    } finally {
      await Promise.all(databases.map((database) => database.close()));
    }
  }, 120_000);
});
