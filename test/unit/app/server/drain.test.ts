import { expect, test } from "bun:test";
import { drainShare } from "#app/server/drain.ts";
import type { OpenShare } from "#app/share/open-share.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

/** A share whose block store takes what the test says, when it says so. */
class SlowShare {
  readonly plan: { readonly name: string; readonly metadata: { readonly type: string } };
  progress = { accepted: 10, oldest: 1 };
  unstoredBytes = 1000;
  readonly report = { storeError: 'there is no bucket "b"' };
  givenUp: () => boolean = () => false;
  readonly finished = Promise.withResolvers<void>();

  constructor(metadata = "sqlite") {
    this.plan = { name: "/slow", metadata: { type: metadata } };
  }

  drain(givenUp: () => boolean): Promise<void> {
    this.givenUp = givenUp;
    return this.finished.promise;
  }

  stored(bytes: number): void {
    this.unstoredBytes -= bytes;
    this.progress = { ...this.progress, oldest: this.progress.oldest + 1 };
  }
}

const stallMs = 60_000;

async function passes(clock: ManualClock, ms: number): Promise<void> {
  for (let i = 0; i < 20; i++) {
    clock.pass(ms / 20);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}

test("a drain that gets on is waited for, however long it takes; it gives what there was to store", async () => {
  const clock = new ManualClock();
  const share = new SlowShare();
  const drained = drainShare(share as unknown as OpenShare, stallMs, clock);
  for (let i = 0; i < 8; i++) {
    await passes(clock, stallMs * 0.9);
    share.stored(100);
  }
  share.finished.resolve();
  expect(await drained).toBe(1000);
});

test("one that stores nothing for the time-out is given up, and says how much waits", async () => {
  const clock = new ManualClock();
  const share = new SlowShare();
  const outcome = drainShare(share as unknown as OpenShare, stallMs, clock).catch((error: unknown) => error);
  await passes(clock, stallMs * 0.5);
  share.stored(400);
  await passes(clock, stallMs * 0.9);
  expect(share.givenUp()).toBe(false);
  // Writers go on meanwhile: what is accepted later is no progress.
  share.unstoredBytes += 5000;
  await passes(clock, stallMs * 0.3);
  expect(await outcome).toMatchObject({ code: "no_progress", message: "nothing of share /slow was stored for 60 s; 5.47 KiB wait: there is no bucket \"b\"" });
  expect(share.givenUp()).toBe(true);
});

test("what was accepted later is not waited for", async () => {
  const clock = new ManualClock();
  const share = new SlowShare();
  const drained = drainShare(share as unknown as OpenShare, stallMs, clock);
  share.progress = { accepted: 20, oldest: 11 };
  await passes(clock, stallMs * 0.2);
  expect(await drained).toBe(1000);
});

test("what waits is said to be safe of a share alone whose log outlives the server", async () => {
  for (const [metadata, hint] of [["sqlite", "is not lost"], ["memory", "is lost when the server stops"]]) {
    const clock = new ManualClock();
    const outcome = drainShare(new SlowShare(metadata) as unknown as OpenShare, stallMs, clock).catch((error: unknown) => error);
    await passes(clock, stallMs * 1.1);
    expect(await outcome).toMatchObject({ hint: expect.stringContaining(hint as string) });
  }
});
