import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { checkS3 } from "#blocks/s3/index.ts";
import { missingRadosgw, type S3Server, startS3 } from "../../support/radosgw.ts";
import { seedFor } from "../../support/seeded-random.ts";
import { whyNoPowerCut } from "./power-cut.ts";
import { playRounds, type RoundsOptions, type Setting } from "./rounds.ts";

/**
 * Nothing acknowledged is lost of a share whose content lies in a bucket, in any tier: the server is killed, the S3 server is killed
 * and started, the local disk loses its power, or what it holds of the content. FSX_SEED runs a seed again; CRASH_ROUNDS sets how
 * many rounds of each.
 */

const startMs = 240_000;
const minuteMs = 60_000;

if (missingRadosgw !== null) console.log(`crash test on S3: skipped, ${missingRadosgw}`);
const noCut = whyNoPowerCut();
if (noCut !== null) console.log(`crash test on S3, power cut: skipped, ${noCut}`);

type Durability = NonNullable<RoundsOptions["durability"]>;
/** Rounds of each, 50 in all; a tier stands where it promises to survive. */
const plan: readonly (readonly [Setting, Durability, number])[] = [
  ["kill", "writeback", 6],
  ["kill", "local", 6],
  ["kill", "remote", 6],
  ["outage", "writeback", 4],
  ["outage", "local", 4],
  ["outage", "remote", 4],
  ["power cut", "local", 6],
  ["power cut", "remote", 6],
  ["lost disk", "remote", 8],
  ["lost machine", "remote", 6],
];

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("on S3", () => {
  let s3: S3Server;
  let bucket: string;
  beforeAll(async () => {
    s3 = await startS3();
    bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
  }, startMs);
  afterAll(async () => {
    await s3?.stop();
  });

  for (const [setting, durability, count] of plan) {
    const rounds = Number(Bun.env.CRASH_ROUNDS ?? count);
    // Skipped where FUSE can't be had; the reason is printed above.
    test.skipIf(setting === "power cut" && noCut !== null)(
      `${setting}, durability ${durability}: nothing acknowledged is lost`,
      async () => {
        const what = `crash test on S3, ${setting}, ${durability}`;
        const begun = performance.now();
        const result = await playRounds({ setting, durability, s3: { server: s3, bucket, prefix: `${setting}-${durability}`.replace(" ", "-") }, rounds, seed: seedFor(what, "FSX_SEED") });
        console.log(`${what}: ${result.rounds} rounds, ${result.operations} operations, ${Math.round(performance.now() - begun)} ms`);
        expect(result.rounds).toBe(rounds);
      },
      3 * minuteMs + rounds * 20_000,
    );
  }
});
