import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import type { ServerRuntime } from "#app/server/runtime.ts";
import type { Watch } from "#check/index.ts";
import type { JobRequest } from "#control/index.ts";
import { rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { bytesOf, make, write } from "../../../support/damaged-share.ts";
import { desired, runtimeOn, sharePlan, storePlan, temporary } from "../kit.ts";
import { filled, inside } from "./moving.ts";

/** What jobs say of how far they are: each step comes to its end, counted in the unit of its total. */

const running: ServerRuntime[] = [];
afterEach(async () => {
  for (const runtime of running.splice(0)) await runtime.stopShares(5000);
});

interface Step {
  readonly name: string;
  readonly total: number | null;
  readonly unit: string;
  done: number;
}

/** The steps of a job, as whoever follows it hears of them. */
async function stepsOf(runtime: ServerRuntime, request: JobRequest): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const table = runtime.jobs as unknown as { work: (request: JobRequest, watch: Watch) => Promise<unknown> };
  const { work } = table;
  table.work = (asked, watch) => {
    const told: Watch = {
      get cancelled() {
        return watch.cancelled;
      },
      step: (name, total, unit) => void steps.push({ name, total, unit, done: 0 }),
      advance: (by) => {
        const step = steps.at(-1);
        if (step === undefined) throw new Error("progress of no step");
        step.done += by;
      },
      found: (finding) => watch.found(finding),
    };
    return work(asked, told);
  };
  const { id } = runtime.jobs.start(request, "test");
  expect(await runtime.jobs.ended(id)).toMatchObject({ state: "done", error: null });
  table.work = work;
  for (const { name, total, done } of steps) if (total !== null) expect([name, done]).toEqual([name, total]);
  return steps;
}

test("a check, a scrub and a move count what they say they count, to its end", async () => {
  const dataDir = temporary();
  const { runtime } = runtimeOn(dataDir);
  running.push(runtime);
  const from = sharePlan("/export");
  await runtime.reconcile(desired([from]));
  const share = inside(runtime, "/export") as never;
  await filled(runtime, "/export");
  // More bytes in objects than in files.
  const twice = await make(share, rootId, "twice", FileType.regular);
  await write(share, twice, bytesOf(1, 300_000));
  await runtime.drain("/export");
  await write(share, twice, bytesOf(2, 100_000));
  await runtime.drain("/export");

  const fsck = await stepsOf(runtime, { kind: "fsck", share: "/export", data: true, repair: false });
  expect(fsck.find(({ name }) => name === "content")).toMatchObject({ unit: "bytes" });
  const scrub = await stepsOf(runtime, { kind: "scrub", share: "/export", bytesPerSecond: null });
  expect(scrub.map(({ name, unit }) => [name, unit])).toEqual([["content", "bytes"]]);
  const to = { ...from, metadata: storePlan("metadata", "sqlite", { name: "other", config: { path: join(dataDir, "other") } }), blocks: storePlan("block", "filesystem", { name: "other", config: { path: join(dataDir, "other-blocks") } }) };
  const moved = await stepsOf(runtime, { kind: "migrate", share: "/export", plan: to, commit: async () => expect(await runtime.reconcile(desired([to]))).toEqual([]) });
  const rows = moved.find(({ name }) => name === "reading metadata")?.done;
  for (const name of ["copying metadata", "comparing metadata"]) expect(moved.find((step) => step.name === name)).toMatchObject({ total: rows, unit: "rows" });
}, 60_000);
