import { describe, expect, test } from "bun:test";
import { withRetries } from "#blocks/s3/retry.ts";
import { UploadLimit } from "#blocks/s3/upload-limit.ts";
import { failureOf } from "./kit.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe("trying again", () => {
  const backoff = (high: number) => ({ attemptsMax: 6, backoffMsMin: 100, backoffMsMax: 1000, random: { bytes: (length: number) => new Uint8Array(length).fill(high) }, counts: { retries: 0 } });

  test("waits up to twice as long each time, up to a bound, and ends", async () => {
    const clock = new ManualClock();
    const at: number[] = [];
    const failed = failureOf(
      withRetries({ ...backoff(255), clock }, () => true, async () => {
        at.push(Math.round(clock.monotonicMs()));
        throw new Error("no");
      }),
    );
    for (let i = 0; i < 100; i++) {
      await settle();
      clock.pass(50);
    }
    expect((await failed).message).toBe("no");
    expect(at.slice(1).map((ms, i) => ms - (at[i] as number))).toEqual([100, 200, 400, 800, 1000]);
    expect(clock.pending).toBe(0);
  });

  test("at once where chance says so, and not for what will not heal", async () => {
    const clock = new ManualClock();
    let tries = 0;
    const done = withRetries({ ...backoff(0), clock }, () => true, async () => {
      if (++tries < 3) throw new Error("no");
      return tries;
    });
    for (let i = 0; i < 5; i++) {
      await settle();
      clock.pass(0);
    }
    expect(await done).toBe(3);
    tries = 0;
    const refused = failureOf(withRetries({ ...backoff(0), clock }, () => false, async () => Promise.reject(new Error(`${++tries}`))));
    expect((await refused).message).toBe("1");
  });
});

describe("the number of uploads at a time", () => {
  const bounds = { uploadsMin: 2, uploadsStart: 8, uploadsMax: 20 };

  /** Uploads to a store that takes `ms(n)` for each of n at a time, until `count` are done. */
  async function uploads(limit: UploadLimit, clock: ManualClock, count: number, ms: (busy: number) => number, fails: () => boolean = () => false): Promise<number> {
    let most = 0;
    const all = Array.from({ length: count }, () =>
      limit
        .run(1_000_000, () => true, async () => {
          most = Math.max(most, limit.busy);
          await new Promise<void>((resolve) => clock.after(ms(limit.busy), resolve));
          if (fails()) throw new Error("slow down");
        })
        .catch(() => {}),
    );
    let done = false;
    const end = Promise.all(all).then(() => void (done = true));
    while (!done) {
      await settle();
      clock.pass(5);
    }
    await end;
    return most;
  }

  test("rises to its bound where the store has room, and never above", async () => {
    const clock = new ManualClock();
    const limit = new UploadLimit({ ...bounds, clock });
    expect(await uploads(limit, clock, 1000, () => 100)).toBe(20);
    expect(limit.limit).toBe(20);
    expect(limit.busy).toBe(0);
  });

  test("stays where more would only wait in the store", async () => {
    const clock = new ManualClock();
    const limit = new UploadLimit({ ...bounds, uploadsMax: 60, clock });
    await uploads(limit, clock, 1, () => 100);
    // Four at a time is all it can do.
    await uploads(limit, clock, 3000, (busy) => 100 * Math.max(1, busy / 4));
    expect(limit.limit).toBeGreaterThanOrEqual(4);
    expect(limit.limit).toBeLessThanOrEqual(15);
  });

  test("halves when the store says so, once for a burst, down to its bound, and comes back", async () => {
    const clock = new ManualClock();
    const limit = new UploadLimit({ ...bounds, clock });
    await uploads(limit, clock, 8, () => 100, () => true);
    expect(limit.limit).toBe(4);
    await uploads(limit, clock, 100, () => 100, () => true);
    expect(limit.limit).toBe(2);
    await uploads(limit, clock, 1000, () => 100);
    expect(limit.limit).toBe(20);
  });
});
