import { expect, test } from "bun:test";
import { findingsMax, JobTable, type JobWork } from "#app/server/jobs.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Cancelled, finding, FindingKind } from "#check/index.ts";
import { silentLogger } from "#telemetry/logger.ts";

const around = { clock: systemClock, random: systemRandom, logger: silentLogger };
const gcOf = (share: string) => ({ kind: "gc", share, remove: false }) as const;

function table(work: JobWork): JobTable {
  return new JobTable(work, (share) => share !== "/away", around);
}

test("a job goes from running to done, with its progress, findings and result", async () => {
  const finish = Promise.withResolvers<void>();
  const jobs = table(async (_, watch) => {
    watch.step("objects", 10, "objects");
    watch.advance(3);
    watch.advance(4);
    for (let i = 0; i < findingsMax + 5; i++) watch.found(finding({ kind: FindingKind.lostFile, message: `${i}`, file: i }));
    await finish.promise;
    return { objects: 10 };
  });
  const { id } = jobs.start(gcOf("/a"), "alice");
  const running = jobs.get(id);
  expect(running).toMatchObject({ kind: "gc", share: "/a", state: "running", startedBy: "alice", endedAt: null, result: null, error: null, progress: { step: "objects", done: 7, total: 10, unit: "objects" } });
  expect(running.findings.length).toBe(findingsMax);
  expect(running.findingsTotal).toBe(findingsMax + 5);
  finish.resolve();
  expect(await jobs.ended(id)).toMatchObject({ state: "done", result: { objects: 10 } });
  expect(jobs.list().map((job) => job.id)).toEqual([id]);
});

test("a share has one job at a time, a server four, and one that isn't served none", async () => {
  const finish = Promise.withResolvers<void>();
  const jobs = table(async () => {
    await finish.promise;
    return {};
  });
  const first = jobs.start(gcOf("/a"), "x");
  expect(() => jobs.start(gcOf("/a"), "x")).toThrow(first.id);
  for (const share of ["/b", "/c", "/d"]) jobs.start(gcOf(share), "x");
  expect(() => jobs.start(gcOf("/e"), "x")).toThrow("4 jobs are under way");
  expect(() => jobs.start(gcOf("/away"), "x")).toThrow("not being served");
  finish.resolve();
  await jobs.ended(first.id);
  jobs.start(gcOf("/a"), "x");
});

test("a cancelled job says so, one that fails says why, and neither takes the server along", async () => {
  const jobs = table(async ({ share }, watch) => {
    if (share === "/fails") throw new Error("the store is away");
    while (!watch.cancelled) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
    throw new Cancelled();
  });
  const { id } = jobs.start(gcOf("/a"), "x");
  jobs.cancel(id);
  expect(await jobs.ended(id)).toMatchObject({ state: "cancelled", error: null });
  expect(await jobs.ended(jobs.start(gcOf("/fails"), "x").id)).toMatchObject({ state: "failed", error: "the store is away" });
  expect(() => jobs.get("0000000000000000")).toThrow("There is no job");
});

test("before a share is closed its job ends", async () => {
  let ended = false;
  const jobs = table(async (_, watch) => {
    while (!watch.cancelled) await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
    ended = true;
    throw new Cancelled();
  });
  jobs.start(gcOf("/a"), "x");
  await jobs.stop("/b");
  expect(ended).toBeFalse();
  await jobs.stop("/a");
  expect(ended).toBeTrue();
});

test("of jobs that ended the last fifty are known", async () => {
  const jobs = table(async () => ({}));
  const ids: string[] = [];
  for (let i = 0; i < 60; i++) {
    ids.push(jobs.start(gcOf("/a"), "x").id);
    await jobs.ended(ids.at(-1) as string);
  }
  expect(jobs.list().length).toBeLessThanOrEqual(51);
  expect(jobs.list()[0]?.id).toBe(ids.at(-1) as string);
});
