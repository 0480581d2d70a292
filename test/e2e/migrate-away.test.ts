import { afterAll, beforeAll, describe, test } from "bun:test";
import { join } from "node:path";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { bucketConfig, missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../support/radosgw.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { temporaryDirectory } from "../support/server.ts";
import { KilledMoves } from "./killed-moves.ts";

/**
 * Moves that are killed at any moment where one end of them is not of this machine: metadata in PostgreSQL, content in S3. MIGRATE_SEED runs a seed
 * again, CRASH_ROUNDS sets how many moves there are of each.
 */

const missing = missingRadosgw ?? missingPostgres;
if (missing !== null) console.log(`moves to PostgreSQL and S3: skipped, ${missing}`);

const rounds = Number(Bun.env.CRASH_ROUNDS ?? 4);
const files = 12;
const killMsMax = 450;

// Skips where PostgreSQL or Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missing !== null)("a share that is killed at any moment of a move", () => {
  const directory = temporaryDirectory("migrate-away");
  let s3: S3Server;
  let moves: KilledMoves;

  beforeAll(async () => {
    s3 = await startS3();
    const login = await (await sharedCluster()).database();
    const config = bucketConfig(s3, s3.bucketName());
    moves = await KilledMoves.begin(join(directory.path, "data"), files, async (admin) => {
      await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...login, sslmode: "disable" } });
      await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "s3", config });
      await admin.do("POST", "/api/v1/store/block", { name: "near", type: "filesystem", config: { path: join(directory.path, "near"), history: true } });
    });
  }, s3StartMsMax + 60_000);

  afterAll(async () => {
    await moves?.end();
    await s3?.stop();
    directory.remove();
  });

  // Where each begins, the one before ends.
  const ways = [
    ["between this machine, and PostgreSQL with S3", { blocks: "cloud", metadata: "pg" }, { blocks: "default", metadata: "default" }],
    ["between SQLite with a history in S3, and PostgreSQL with a directory", { blocks: "near", metadata: "pg" }, { blocks: "cloud", metadata: "default" }],
  ] as const;
  for (const [name, there, back] of ways) {
    test(name, async () => {
      const random = new SeededRandom(seedFor(`moves ${name}`, "MIGRATE_SEED"));
      const begun = performance.now();
      const interrupted = await moves.play(rounds, (round) => (round % 2 === 0 ? there : back), random, killMsMax);
      console.log(`moves ${name}: ${interrupted} of ${rounds} were cut off and went on, ${Math.round(performance.now() - begun)} ms`);
    }, 60_000 + rounds * 30_000);
  }
});
