import { expect, test } from "bun:test";
import { limitBlocks, openMemoryBlocks, type Rates } from "#blocks/index.ts";
import { waitersMax } from "#blocks/limit/index.ts";
import { type BlockStore, StoreUnavailableError, type SynchronousReads } from "#model/block-store.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const KiB = 1024;
const none: Rates = { requests: null, uploadBytes: null, downloadBytes: null };

function limited(rates: Partial<Rates>): { readonly store: BlockStore; readonly clock: ManualClock } {
  const clock = new ManualClock();
  return { store: limitBlocks(openMemoryBlocks(), { ...none, ...rates }, clock), clock };
}

/** Lets everything happen that needs no time. */
async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

const put = (store: BlockStore, key: string, bytes: number) => store.put(key, { from: "slices", slices: [new Uint8Array(bytes)] });

test("uploads keep to their rate over time, in their order", async () => {
  const { store, clock } = limited({ uploadBytes: 100 * KiB });
  const done: string[] = [];
  for (let i = 0; i < 12; i++) void put(store, `k${i}`, 50 * KiB).then(() => done.push(`k${i}`));
  await turns();
  // What a second brings is there at the beginning.
  expect(done).toEqual(["k0", "k1"]);
  for (let second = 1; second <= 5; second++) {
    for (let i = 0; i < 20; i++) {
      clock.pass(50);
      await turns();
    }
    expect(done.length).toBeLessThanOrEqual(2 + 2 * second + 1);
    expect(done.length).toBeGreaterThanOrEqual(2 + 2 * second - 1);
  }
  expect(done).toEqual(Array.from({ length: done.length }, (_, i) => `k${i}`));
});

test("one that is larger than a second's part goes, and those after it pay for it", async () => {
  const { store, clock } = limited({ downloadBytes: 100 * KiB });
  await put(store, "large", 1000 * KiB);
  await store.get("large", 0, 1000 * KiB);
  let done = false;
  void store.get("large", 0, 1).then(() => (done = true));
  await turns();
  clock.pass(8900);
  await turns();
  expect(done).toBe(false);
  clock.pass(200);
  await turns();
  expect(done).toBe(true);
});

test("requests of every kind are counted, reads at once are not given beyond the limit", async () => {
  const { store, clock } = limited({ requests: 3 });
  const now = store as BlockStore & SynchronousReads;
  await put(store, "k", 10);
  expect(now.getNow("k", 0, new Uint8Array(10))).toBe(true);
  expect(await store.size("k")).toBe(10);
  expect(now.getNow("k", 0, new Uint8Array(10))).toBe(false);
  let listed = false;
  void (async () => {
    for await (const _ of store.list("")) listed = true;
  })();
  await turns();
  expect(listed).toBe(false);
  clock.pass(1000);
  await turns();
  expect(listed).toBe(true);
});

test("who waits in vain is bounded: one too many is told to come again", async () => {
  const { store } = limited({ requests: 1 });
  await put(store, "k", 10);
  const waits = Array.from({ length: waitersMax }, () => store.size("k"));
  for (const wait of waits) wait.catch(() => {});
  await expect(store.size("k")).rejects.toBeInstanceOf(StoreUnavailableError);
});
