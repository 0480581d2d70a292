import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { baseBytes } from "#cache/disk/room.ts";
import { pageBytes } from "#cache/pages/index.ts";
import { BucketWorld } from "../../support/bucket-world.ts";
import type { Handle } from "../../support/nfs-client.ts";
import { missingRadosgw } from "../../support/radosgw.ts";
import { risen } from "../../support/scrape.ts";

/** Caches too small for what is read, copies and objects that are damaged, and packs that are mostly dead: what the compiled server's metrics say of them. */

if (missingRadosgw !== null) console.log(`metrics of caches: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const MiB = 2 ** 20;
const part = 64 * 1024;
const quarter = 512 * 1024;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("metrics of caches and packs", () => {
  let world: BucketWorld;
  const share = "/cloud";
  const memory = { share, tier: "memory" };
  const disk = { share, tier: "disk" };

  beforeAll(async () => {
    // /export and /cloud have a half of each.
    world = await BucketWorld.open("metrics-caches", { DITTOFS_CACHE_SIZE: "16MiB", DITTOFS_CACHE_DIRTY_LIMIT: "12MiB", DITTOFS_CACHE_DISK_SIZE: "24MiB" }, { history: false });
  }, 3 * minuteMs);

  afterAll(() => world?.close());

  /** All of it, a page at a time. */
  async function readPages(handle: Handle, bytes: number): Promise<void> {
    for (let at = 0; at < bytes; at += part) expect((await world.client.read(handle, at, part)).data.length).toBe(part);
  }

  test("pages that make room for others are counted with their bytes", async () => {
    const bytes = 8 * MiB;
    const handle = await world.stored("large", bytes, 2);
    const before = await world.scrape();
    await readPages(handle, bytes);
    const after = await world.scrape();
    const rose = risen(before, after);
    const gone = bytes / pageBytes - rose("dittofs_cache_bytes", memory) / pageBytes;
    expect(rose("dittofs_cache_evictions_total", memory)).toBe(gone);
    expect(rose("dittofs_cache_evicted_bytes_total", memory)).toBe(gone * pageBytes);
    expect(rose("dittofs_cache_misses_total", memory)).toBe(bytes / part);
    // As full as it may be, by whole pages.
    expect(after.value("dittofs_cache_bytes", memory)).toBe(Math.floor(after.value("dittofs_cache_limit_bytes", memory) / pageBytes) * pageBytes);
  });

  test("copies on the disk that make room for others are counted with their bytes", async () => {
    const before = await world.scrape();
    expect(before.value("dittofs_disk_cache_objects", { share })).toBe(2);
    // 2 MiB of the 12 are for the index, and the file that is there takes 8: the third of these takes the place of its one copy, the sixth of its other.
    const files = 7;
    for (let i = 0; i < files; i++) await world.stored(`copied-${i}`, MiB, i);
    const after = await world.scrape();
    const rose = risen(before, after);
    expect(after.value("dittofs_disk_cache_objects", { share })).toBe(files);
    expect(rose("dittofs_cache_evictions_total", disk)).toBe(2);
    expect(rose("dittofs_cache_evicted_bytes_total", disk)).toBe(before.value("dittofs_cache_bytes", disk) - baseBytes);
    const copies = after.value("dittofs_cache_bytes", disk) - baseBytes;
    expect(copies).toBeWithin(files * MiB, files * (MiB + 64 * 1024));
  });

  test("a file that is read in order is fetched ahead of its reader; what it reads is from the bucket, and then from the disk", async () => {
    const handle = await world.stored("ordered", MiB, 5);
    await world.admin.do("POST", "/api/v1/shares/cloud/evict");
    const before = await world.scrape();
    expect(before.value("dittofs_cache_bytes", disk)).toBe(baseBytes);
    await world.client.read(handle, 0, 4 * part);
    const ahead = await world.settled("what is ahead", (now) => risen(before, now)("dittofs_disk_cache_prefetched_bytes_total", { share }) >= MiB - 4 * part);
    const first = risen(before, ahead);
    expect(first("dittofs_disk_cache_prefetched_bytes_total", { share })).toBe(MiB - 4 * part);
    expect(first("dittofs_disk_cache_read_bytes_total", { share, result: "miss" })).toBe(4 * part);
    expect([first("dittofs_cache_misses_total", memory), first("dittofs_cache_misses_total", disk)]).toEqual([1, 1]);
    await readPages(handle, MiB);
    const rest = risen(ahead, await world.scrape());
    expect([rest("dittofs_cache_hits_total", memory), rest("dittofs_cache_misses_total", memory)]).toEqual([4, 12]);
    expect([rest("dittofs_cache_hits_total", disk), rest("dittofs_cache_misses_total", disk)]).toEqual([12, 0]);
    expect(rest("dittofs_disk_cache_read_bytes_total", { share, result: "hit" })).toBe(MiB - 4 * part);
    expect(rest("dittofs_disk_cache_prefetched_bytes_total", { share })).toBe(0);
  });

  test("a copy on the disk that is damaged is counted, and the reader gets what the bucket has", async () => {
    const handle = await world.stored("damaged-copy", MiB, 6);
    const before = await world.scrape();
    const copies = readdirSync(join(world.dataDir, "shares/cloud/disk/files"), { recursive: true, encoding: "utf8" }).map((name) => join(world.dataDir, "shares/cloud/disk/files", name)).filter((path) => statSync(path).isFile());
    const copy = copies.toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs).at(-1)!;
    const content = readFileSync(copy);
    const fd = openSync(copy, "r+");
    writeSync(fd, Buffer.alloc(100, 0xee), 0, 100, content.indexOf(Buffer.alloc(part, 6)));
    closeSync(fd);
    expect((await world.client.read(handle, 0, part)).data).toEqual(Buffer.alloc(part, 6));
    const rose = risen(before, await world.scrape());
    expect(rose("dittofs_disk_cache_damaged_copies_total", { share })).toBe(1);
    expect(rose("dittofs_damage_found_total", { share })).toBe(0);
  });

  test("packs: what lives in them and what does not, and that one that is mostly dead is rewritten", async () => {
    const { client, root } = world;
    // What is dead already goes, so that the rest is this test's.
    for (const { name } of await client.list(root)) await client.remove(root, name);
    await world.job("gc", { delete: true });
    expect((await world.scrape()).value("dittofs_packs", { share })).toBe(0);
    // A quarter of one pack is dead, and three quarters of another.
    await world.written("a", 3 * quarter);
    const kept = await world.stored("b", quarter);
    const most = await world.written("c", quarter, 3);
    await world.stored("d", 3 * quarter);
    await client.remove(root, "b");
    await client.remove(root, "d");
    const before = await world.scrape();
    expect(before.value("dittofs_share_stored_bytes", { share })).toBe(4 * quarter);
    const begunMs = performance.now();
    await world.job("gc", { delete: true });
    const after = await world.scrape();
    const rose = risen(before, after);
    expect(rose("dittofs_gc_rewritten_packs_total", { share })).toBe(1);
    expect(rose("dittofs_packs_stored_total", { share })).toBe(1);
    expect(rose("dittofs_gc_deleted_packs_total", { share })).toBe(1);
    expect(rose("dittofs_gc_freed_bytes_total", { share })).toBe(4 * quarter);
    expect(after.value("dittofs_packs", { share })).toBe(2);
    expect(after.value("dittofs_packs_live_bytes", { share })).toBe(4 * quarter);
    expect(after.value("dittofs_packs_garbage_bytes", { share })).toBe(quarter);
    expect(rose("dittofs_gc_runs_total", { share, result: "done" })).toBe(1);
    expect(rose("dittofs_gc_duration_seconds_count", { share })).toBe(1);
    expect(rose("dittofs_gc_duration_seconds_sum", { share })).toBeWithin(0, (performance.now() - begunMs) / 1000);
    expect(after.value("dittofs_gc_last_run_timestamp_seconds", { share })).toBeWithin(Date.now() / 1000 - 60, Date.now() / 1000 + 1);
    expect(rose("dittofs_jobs_ended_total", { kind: "gc", state: "done" })).toBe(1);
    expect((await client.readAll(most)).equals(Buffer.alloc(quarter, 3)) && kept.length > 0).toBe(true);
  }, 3 * minuteMs);

  test("an object that is gone is counted by each read that finds it so, and once as what is lost; a scrub finds it, too", async () => {
    const { client, root } = world;
    const handle = await world.stored("gone", MiB, 6);
    const { contents = [] } = await world.bucket.list();
    const [lost] = contents.filter(({ size = 0 }) => size > MiB && size < 2 * MiB);
    await world.bucket.delete(lost!.key);
    await world.stored("last", 5 * MiB, 7);
    await world.admin.do("POST", "/api/v1/shares/cloud/evict");
    const before = await world.scrape();
    for (let i = 0; i < 3; i++) await expect(client.read(handle, 0, part)).rejects.toThrow("io");
    const after = await world.scrape();
    expect(risen(before, after)("dittofs_damage_found_total", { share })).toBe(3);
    expect(after.value("dittofs_damaged_objects", { share })).toBe(1);
    // In the background it takes five seconds for the last pack; what is found before is the object, and the file that lies in it.
    const rate = (scrub_rate: number | null): Promise<unknown> => world.admin.do("PUT", "/api/v1/shares/cloud", { scrub_rate });
    await rate(MiB);
    const running = await world.settled("the scrub to find it", (now) => now.value("dittofs_scrub_damaged", { share }) > 1);
    expect(running.value("dittofs_scrub_running", { share })).toBe(1);
    expect(running.value("dittofs_scrub_damaged", { share })).toBe(2);
    expect(running.value("dittofs_scrub_checked_bytes", { share })).toBe(5 * quarter + MiB);
    expect(running.has("dittofs_scrub_last_end_timestamp_seconds", { share })).toBe(false);
    await rate(null);
    await world.settled("the scrub to end", (now) => now.value("dittofs_scrub_running", { share }) === 0);
    // A job of it that would take half a minute goes on from there, until it is cancelled.
    const { id } = await world.admin.do("POST", "/api/v1/shares/cloud/scrub", { rate: 65_536 });
    const slow = await world.settled("the job to run", (now) => now.value("dittofs_jobs_running", { kind: "scrub" }) > 0);
    expect(slow.value("dittofs_jobs_running", { kind: "scrub" })).toBe(1);
    await world.admin.do("DELETE", `/api/v1/jobs/${id}`);
    const ended = await world.settled("the job to end", (now) => now.value("dittofs_jobs_running", { kind: "scrub" }) === 0);
    expect(risen(before, ended)("dittofs_jobs_ended_total", { kind: "scrub", state: "cancelled" })).toBe(1);
    await world.job("scrub", {});
    const scrubbed = await world.scrape();
    expect(scrubbed.value("dittofs_scrub_last_damaged", { share })).toBe(2);
    expect(scrubbed.value("dittofs_scrub_last_end_timestamp_seconds", { share })).toBeWithin(Date.now() / 1000 - 60, Date.now() / 1000 + 1);
    expect([scrubbed.value("dittofs_scrub_checked_bytes", { share }), scrubbed.value("dittofs_scrub_damaged", { share })]).toEqual([0, 0]);
    expect(risen(before, scrubbed)("dittofs_jobs_ended_total", { kind: "scrub", state: "done" })).toBe(1);
    // What nobody needs any more is not lost.
    await client.remove(root, "gone");
    await world.job("gc", { delete: true });
    expect((await world.scrape()).value("dittofs_damaged_objects", { share })).toBe(0);
  }, 3 * minuteMs);
});
