import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BucketWorld, Gate } from "../../support/bucket-world.ts";
import type { SeenRequest } from "../../support/faulty-proxy.ts";
import { missingRadosgw } from "../../support/radosgw.ts";
import { risen } from "../../support/scrape.ts";

/** A share whose history is published once a second, and what the compiled server's metrics say of what waits and of what was published. */

if (missingRadosgw !== null) console.log(`metrics of histories: skipped, ${missingRadosgw}`);

const minuteMs = 60_000;
const lagMs = 1000;

// Skips where Ceph's gateway is not installed: the reason is printed.
describe.skipIf(missingRadosgw !== null)("metrics of histories", () => {
  let world: BucketWorld;
  const share = "/cloud";

  beforeAll(async () => {
    world = await BucketWorld.open("metrics-history", {}, { history_lag_ms: lagMs });
  }, 3 * minuteMs);

  afterAll(() => world?.close());

  const isSegment = ({ method, target }: SeenRequest): boolean => method === "PUT" && /\/history\/\d{14}\/\d{14}/.test(target);
  /** Of the segments that were put since. */
  const lengthsFrom = (at: number): readonly number[] => world.proxy.requests.slice(at).filter(isSegment).map(({ headers }) => Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1]));

  test("what waits to be published, and since when; and what was, to the byte", async () => {
    const { client, root, proxy } = world;
    const based = await world.settled("the share to be recoverable, and nothing to wait", (now) => now.value("dittofs_history_ready", { share }) === 1 && now.value("dittofs_history_waiting_segments", { share }) === 0, minuteMs);
    expect(based.value("dittofs_history_owner_epoch", { share })).toBe(1);
    expect(based.value("dittofs_history_lag_seconds", { share })).toBe(0);
    const from = proxy.requests.length;
    const gate = new Gate(proxy, isSegment);
    // Together: what comes later than the publishing of the first would be another segment's.
    await Promise.all(Array.from({ length: 5 }, (_, i) => client.create(root, `file-${i}`, { mode: 0o644 })));
    const gathered = await world.scrape();
    expect(gathered.value("dittofs_history_waiting_segments", { share })).toBe(1);
    const held = await world.settled("the segment to be on its way", () => gate.held === 1);
    const [first] = lengthsFrom(from);
    expect(held.value("dittofs_history_waiting_bytes", { share })).toBe(first!);
    expect(held.value("dittofs_history_lag_seconds", { share })).toBeWithin(lagMs / 1000, 20);
    // Another is gathered behind it.
    await client.create(root, "behind", { mode: 0o644 });
    const both = await world.scrape();
    expect(both.value("dittofs_history_waiting_segments", { share })).toBe(2);
    expect(both.value("dittofs_history_waiting_bytes", { share })).toBeGreaterThan(first!);
    expect(risen(based, both)("dittofs_history_published_segments_total", { share })).toBe(0);
    gate.open();
    const after = await world.settled("both to be published", (now) => now.value("dittofs_history_waiting_segments", { share }) === 0);
    const lengths = lengthsFrom(from);
    expect(risen(based, after)("dittofs_history_published_segments_total", { share })).toBe(2);
    expect(lengths.length).toBe(2);
    expect(risen(based, after)("dittofs_history_published_bytes_total", { share })).toBe(lengths[0]! + lengths[1]!);
    expect([after.value("dittofs_history_lag_seconds", { share }), after.value("dittofs_history_waiting_bytes", { share })]).toEqual([0, 0]);
    expect(after.value("dittofs_history_ready", { share })).toBe(1);
  }, 3 * minuteMs);
});
