import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { NfsError, Stable, Status } from "../support/nfs-types.ts";
import { missingRadosgw } from "../support/radosgw.ts";
import { RemoteShare, remoteStartMsMax, type ShareStatus } from "../support/remote-share.ts";
import { until } from "../support/wait.ts";

/** Durability `remote` over a real S3 server: what a COMMIT costs and waits for, and what an operator sees while the bucket fails. */

if (missingRadosgw !== null) console.log(`durability remote: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const committers = 64;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("durability remote", () => {
  const share = new RemoteShare();

  beforeAll(() => share.begin({ DITTOFS_CACHE_FLUSH_AGE: "1h", DITTOFS_CONTROLPLANE_DRAIN_STALL_TIMEOUT: "30s" }, { history_lag_ms: 3_600_000 }), remoteStartMsMax);
  afterAll(() => share.end());

  const status = (): Promise<ShareStatus> => share.status();
  const objects = async (): Promise<number> => JSON.parse(await share.s3.admin("bucket", "list", `--bucket=${share.bucket}`)).length;
  const made = async (name: string, at = share.root): Promise<Uint8Array> => (await share.client.create(at, name, { mode: 0o644 })).handle as Uint8Array;

  test("64 files made, written and committed at the same time cost a few objects", async () => {
    // Those that come together share: where this process is held up they don't, and it is tried again.
    let round = 0;
    await until("them to cost a few objects", minuteMs / 4, async () => {
      const [before, begun] = [await objects(), performance.now()];
      round++;
      await Promise.all(
        Array.from({ length: committers }, async (_, i) => {
          const handle = await made(`together-${round}-${i}`);
          await share.client.write(handle, 0, Buffer.alloc(4096, i + 1), Stable.unstable);
          await share.client.commit(handle);
        }),
      );
      const cost = (await objects()) - before;
      console.log(`${committers} files committed in ${Math.round(performance.now() - begun)} ms by ${cost} objects`);
      return cost <= 8 ? true : null;
    });
    expect(await status()).toMatchObject({ durability: "remote", history: { lag_segments: 0, lag_bytes: 0, lag_ms: null, error: null }, store_error: null });
    await share.admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");
    // What the drain changed is published before anything else is counted.
    await share.client.commit(await made("last"));
  });

  test("a FILE_SYNC write is in the bucket, an UNSTABLE one need not be", async () => {
    const handle = await made("stable");
    const before = await objects();
    await share.client.write(handle, 0, Buffer.alloc(5000, 1), Stable.unstable);
    expect(await objects()).toBe(before);
    expect((await status()).unstored_bytes).toBe(5000);
    expect((await status()).oldest_unstored_ms).toBeGreaterThanOrEqual(0);
    expect((await share.client.write(handle, 0, Buffer.alloc(100, 2), Stable.fileSync)).committed).toBe(Stable.fileSync);
    expect(await objects()).toBe(before + 1);
    expect((await status()).history.lag_segments).toBe(0);
  });

  test(
    "while the S3 server is down a COMMIT is told to come back within seconds, another share works as ever, and the status says why; then it heals",
    async () => {
      const other = await share.client.mount("/export");
      const handle = await made("late");
      const elsewhere = async (names: string): Promise<number> => {
        const from = performance.now();
        for (let i = 0; i < 20; i++) await share.client.write(await made(`${names}-${i}`, other), 0, Buffer.alloc(10_000, 1), Stable.fileSync);
        return performance.now() - from;
      };
      const usual = await elsewhere("before");
      await share.s3.kill();
      await share.client.write(handle, 0, Buffer.alloc(200_000, 7), Stable.unstable);
      const begun = performance.now();
      const outcome = share.client.commit(handle).then(
        () => null,
        (error: unknown) => error,
      );
      expect(await elsewhere("meanwhile")).toBeLessThan(5_000 + 4 * usual);
      const refused = await outcome;
      expect(refused).toBeInstanceOf(NfsError);
      expect((refused as NfsError).status).toBe(Status.jukebox);
      expect(performance.now() - begun).toBeGreaterThan(9_000);
      expect(performance.now() - begun).toBeLessThan(30_000);
      const seen = await status();
      expect(seen).toMatchObject({ state: "serving", unstored_bytes: 205_000, store_error: expect.stringMatching(/can't be reached/) });
      expect(seen.oldest_unstored_ms).toBeGreaterThan(9_000);
      expect((await share.client.read(handle, 0, 100)).data).toEqual(Buffer.alloc(100, 7));
      await share.s3.start();
      await until("the share to heal", minuteMs, async () => ((await status()).history.error === null ? true : null));
      await share.client.commit(handle);
      await share.admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");
      expect((await status()).store_error).toBeNull();
    },
    2 * minuteMs,
  );

  test(
    "a key that may nothing any more is named in the status, writes go on in the tier local, and all is stored once it may again",
    async () => {
      const handle = await made("forbidden");
      await share.s3.admin("user", "suspend", "--uid=test");
      await share.admin.do("PUT", "/api/v1/shares/cloud", { durability: "local" });
      await share.client.write(handle, 0, Buffer.alloc(100_000, 8), Stable.unstable);
      await share.client.commit(handle);
      await share.admin.do("PUT", "/api/v1/shares/cloud", { durability: "remote" });
      const committed = share.client.commit(handle).then(
        () => null,
        (error: unknown) => error,
      );
      const error = await until("the reason", minuteMs, async () => (await status()).store_error);
      expect(error).toMatch(/key may not do this/);
      const { troubled_stores: troubled } = (await share.admin.do("GET", "/api/v1/status")) as { troubled_stores: { name: string; error: string; since: string; shares: string[] }[] };
      expect(troubled).toEqual([{ name: "cloud", error: expect.stringMatching(/it needs s3:ListBucket and s3:ListBucketMultipartUploads/) as unknown as string, since: expect.any(String) as unknown as string, shares: ["/cloud"] }]);
      expect(Math.abs(Date.now() - Date.parse((troubled[0] as { since: string }).since))).toBeLessThan(minuteMs);
      expect((await status()).state).toBe("serving");
      expect((await committed) ?? "answered").toBeInstanceOf(NfsError);
      await share.s3.admin("user", "enable", "--uid=test");
      await share.admin.do("POST", "/api/v1/system/drain-uploads?share=%2Fcloud");
      await until("the history to go on", minuteMs, async () => ((await status()).history.error === null ? true : null));
      expect(await status()).toMatchObject({ store_error: null, store_error_ms: null });
      expect(await share.admin.do("GET", "/api/v1/status")).toMatchObject({ troubled_stores: [] });
      await share.client.commit(handle);
    },
    3 * minuteMs,
  );

  test("the log says each change of the store's state once", async () => {
    const said = (what: RegExp): number => share.server.output.split("\n").filter((line) => what.test(line)).length;
    const balanced = (): boolean => said(/content can't be stored at present/) === said(/content is stored again/) && said(/history goes on/) === 2;
    await until("the last of them", 5_000, () => balanced() || null);
    expect(said(/history can't be published at present/)).toBe(2);
    expect(said(/history goes on/)).toBe(2);
  });
});
