import { beforeEach, describe, expect, test } from "bun:test";
import { bucketOf, durationBuckets, otherShares, type ShareRequests, RequestSwitch, RequestWatch, type SlowRequest, type WatchedProtocol, type WatchedRequest, watchedSharesMax } from "#telemetry/requests/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const protocol: WatchedProtocol = { operations: ["LOOK", "WRITE"], statuses: [0, 2, 5, -1], statusName: (_, status) => `status ${status}` };

function request(): WatchedRequest {
  return { beganMs: -1, waitsIn: null };
}

describe("a request watch", () => {
  let clock: ManualClock;
  let watch: RequestWatch;
  const of = (share: string): ShareRequests => [...watch.counted()].find((each) => each.share === share)!;
  const inBucket = (share: string, operation: number, ms: number): number => of(share).durations[operation * durationBuckets + bucketOf(ms)]!;

  beforeEach(() => {
    clock = new ManualClock();
    watch = new RequestWatch(protocol, clock);
  });

  test("counts by operation, status and share; a status it doesn't know is the last", () => {
    for (const [operation, status] of [[0, 0], [0, 0], [0, 2], [1, 5], [1, 77]] as const) {
      const one = request();
      watch.began(one, clock.monotonicMs());
      watch.ended(one, operation, "/a", status, 0);
      expect(one.beganMs).toBe(-1);
    }
    expect([...of("/a").done]).toEqual([2, 1, 0, 0, 0, 0, 1, 1]);
    expect([...of("").done]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("what is answered at once ends when the answers leave, together", () => {
    const takenMs = clock.monotonicMs();
    for (let i = 0; i < 3; i++) {
      const one = request();
      watch.began(one, takenMs);
      watch.ended(one, 0, "/a", 0, 0);
    }
    clock.pass(8);
    watch.answersLeft();
    clock.pass(1000);
    watch.answersLeft();
    expect(inBucket("/a", 0, 8)).toBe(3);
    expect(of("/a").totalMs[0]).toBe(24);
  });

  test("more kinds than are kept lose nothing", () => {
    for (let i = 0; i < 500; i++) {
      const one = request();
      watch.began(one, clock.monotonicMs());
      watch.ended(one, i % 2, `/${i % 100}`, 0, 0);
      clock.pass(1);
    }
    watch.answersLeft();
    const counted = [...watch.counted()];
    expect(counted.reduce((sum, { done }) => sum + done.reduce((a, b) => a + b, 0), 0)).toBe(500);
    expect(counted.reduce((sum, { durations }) => sum + durations.reduce((a, b) => a + b, 0), 0)).toBe(500);
  });

  test("what waits is seen waiting, and timed by itself", () => {
    const [one, other] = [request(), request()];
    for (const each of [one, other]) {
      watch.began(each, clock.monotonicMs());
      watch.waits(each, 1, "/a");
    }
    expect(of("/a").waiting[1]).toBe(2);
    clock.pass(5);
    watch.ended(one, 1, "/a", 0, 4096);
    clock.pass(100);
    watch.ended(other, 1, "/a", 5, 4096);
    expect(of("/a").waiting[1]).toBe(0);
    expect([inBucket("/a", 1, 5), inBucket("/a", 1, 105)]).toEqual([1, 1]);
    // What failed moved nothing.
    expect(of("/a").bytes[1]).toBe(4096);
  });

  test("what is begun late is timed from then on, and never seen waiting", () => {
    clock.pass(1000);
    const one = request();
    watch.beganLate(one);
    clock.pass(3);
    watch.ended(one, 0, "/a", 0, 0);
    expect(inBucket("/a", 0, 3)).toBe(1);
    expect(of("/a").waiting[0]).toBe(0);
  });

  test("shares past the bound are counted together", () => {
    for (let i = 0; i < watchedSharesMax + 50; i++) {
      const one = request();
      watch.began(one, 0);
      watch.ended(one, 0, `/share-${i}`, 0, 0);
    }
    const counted = [...watch.counted()];
    // And what led to no share.
    expect(counted).toHaveLength(watchedSharesMax + 2);
    expect(of(otherShares).done[0]).toBe(50);
  });

  test("a share that is gone gives its place to another, and begins at nothing when it comes again", () => {
    const one = (share: string): void => {
      const each = request();
      watch.began(each, 0);
      watch.ended(each, 0, share, 0, 0);
    };
    for (let i = 0; i < 5 * watchedSharesMax; i++) {
      one(`/share-${i}`);
      watch.forget(`/share-${i}`);
    }
    one("/late");
    one("/late");
    expect([...watch.counted()].map(({ share }) => share)).toEqual(["", "/late"]);
    const waiting = request();
    watch.began(waiting, 0);
    watch.waits(waiting, 0, "/late");
    watch.forget("/late");
    watch.forget("");
    watch.ended(waiting, 0, "/late", 0, 0);
    expect([...watch.counted()].map(({ share, done, waiting: now }) => [share, done[0], now[0]])).toEqual([["", 0, 0], ["/late", 1, 0]]);
  });

  test("tells of what is slow, of each by itself", () => {
    const told: SlowRequest<WatchedRequest>[] = [];
    watch.slow = (slow) => told.push(slow);
    watch.slowMs = 100;
    const [fast, slow] = [request(), request()];
    watch.began(fast, clock.monotonicMs());
    watch.ended(fast, 0, "/a", 0, 0);
    watch.began(slow, clock.monotonicMs());
    clock.pass(100);
    watch.ended(slow, 1, "/a", 2, 10);
    expect(told).toEqual([{ request: slow, operation: "WRITE", share: "/a", status: "status 2", durationMs: 100, bytes: 10 }]);
  });
});

describe("a switch", () => {
  test("watches while at least one asks, and begins anew", () => {
    const all = new RequestSwitch(protocol, new ManualClock());
    expect(all.watch).toBeNull();
    const [one, other] = [all.hold(), all.hold()];
    expect(all.watch).toBe(one.watch);
    expect(other.watch).toBe(one.watch);
    one.end();
    one.end();
    expect(all.watch).toBe(other.watch);
    other.end();
    expect(all.watch).toBeNull();
    expect(all.hold().watch).not.toBe(one.watch);
  });
});
