import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFramedBlocks } from "#blocks/index.ts";
import { checkS3, openS3Blocks } from "#blocks/s3/index.ts";
import { History, ShareTaken } from "#history/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { ShippedContent } from "#model/history.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { masterKeys } from "../support/master-keys.ts";
import { missingRadosgw, type S3Server, s3StartMsMax, startS3 } from "../support/radosgw.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { temporaryDirectory } from "../support/server.ts";
import { after } from "../support/wait.ts";
import { Disk, instance } from "../unit/history/world.ts";

/** Two machines after one share in a bucket of a real S3 server, one of which encrypts in every other race: exactly one has it. */

if (missingRadosgw !== null) console.log(`races for a share on S3: skipped, ${missingRadosgw}`);

const races = Number(Bun.env.SHARE_RACES ?? 100);
const content: ShippedContent = { reached: Number.POSITIVE_INFINITY, oldestNeeded: () => 1, logged: () => undefined, safe: () => Promise.resolve(), hold: () => ({ store: () => Promise.resolve(true), release: () => {} }), shipped: () => {} };

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("two machines after one share in a bucket", () => {
  const directory = temporaryDirectory("share-races");
  const stores: BlockStore[] = [];
  let s3: S3Server;
  let machines = 0;

  beforeAll(async () => {
    s3 = await startS3();
    const bucket = s3.bucketName();
    await checkS3({ bucket, endpoint: s3.endpoint, credentials: s3.credentials, createBucket: true });
    // Connections of their own, as two machines have.
    for (let i = 0; i < 2; i++) stores.push(await openS3Blocks({ bucket, endpoint: s3.endpoint, credentials: s3.credentials }));
  }, s3StartMsMax);
  afterAll(async () => {
    for (const store of stores) await store.close();
    await s3?.stop();
    directory.remove();
  });

  function machine(at: number, encrypt: boolean, disk: Disk) {
    const blocks = stores[at] as BlockStore;
    const keyring = new Keyring({ blocks, keyPrefix: `${instance}/`, masters: masterKeys("m"), mayBegin: true, random: systemRandom });
    const framed = openFramedBlocks({ blocks, keyPrefix: `${instance}/`, compress: false, encrypt, keyring, acceptPlain: true, raced: `${instance}/history/`, clock: systemClock, random: systemRandom });
    const host = `machine-${++machines}`;
    const lost: Error[] = [];
    const history = new History({
      blocks: framed, unwrapped: blocks, journal: disk, instance, share: "/share", host, lagMs: 20, unshippedBytesMax: 2 ** 30, snapshotPath: join(directory.path, host),
      clock: systemClock, random: systemRandom, logger: silentLogger, lost: (error) => lost.push(error),
    });
    return { history, disk, lost, host };
  }

  type Machine = ReturnType<typeof machine>;

  const copyOf = (disk: Disk): Disk => Object.assign(new Disk(), { rows: [...disk.rows], turn: disk.turn, mark: disk.mark });

  async function publish({ history, disk }: Machine): Promise<boolean> {
    disk.commit(0);
    for (;;) {
      const outcome = await history.published(10_000);
      if (outcome === null) return true;
      if (outcome.code === "io") return false;
    }
  }

  test(`exactly one wins, in ${races} races`, async () => {
    const random = new SeededRandom(seedFor("races on S3", "HISTORY_RACES_SEED"));
    const begun = machine(0, false, new Disk());
    await begun.history.start(content, 10_000);
    expect(await publish(begun)).toBe(true);
    await begun.history.close();
    let { disk } = begun;
    const wins = [0, 0];
    for (let race = 0; race < races; race++) {
      const both = [0, 1].map((at) => machine(at, race % 2 === 1 && at === random.below(2), copyOf(disk))) as [Machine, Machine];
      const headMs = random.below(6) - 3;
      const tried = await Promise.all(both.map(async (one, at) => {
        await after(Math.max(0, at === 0 ? headMs : -headMs));
        const started = await one.history.start(content, 60_000).then(() => true, (error: unknown) => {
          expect(error).toBeInstanceOf(ShareTaken);
          return false;
        });
        return started && (await publish(one));
      }));
      expect(tried.filter((won) => won), `race ${race}`).toHaveLength(1);
      const at = tried.indexOf(true);
      const [winner, loser] = [both[at], both[1 - at]] as [Machine, Machine];
      expect(winner.lost).toEqual([]);
      expect(loser.lost[0]?.message).toContain(`the server on ${winner.host}`);
      expect(loser.history.published(1)).toMatchObject({ code: "io" });
      // It has the share still after the other has tried.
      expect(await publish(winner)).toBe(true);
      for (const { history } of both) await history.close();
      wins[at] = (wins[at] ?? 0) + 1;
      disk = winner.disk;
    }
    console.log(`races on S3: ${wins[0]} and ${wins[1]} wins`);
  }, 20_000 + races * 2_000);
});
