import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { silentLogger } from "#telemetry/logger.ts";

/** Opens a database, which brings it up to date, and says so; whoever started it may kill it before. */
const store = openSqliteStore({ path: process.argv[2] as string, clock: systemClock, random: systemRandom, logger: silentLogger });
process.stdout.write("open");
await store.close();
