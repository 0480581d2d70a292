import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LogOptions, openPinoLogger } from "#telemetry/logs/index.ts";
import { kindsMax, Repeats } from "#telemetry/logs/repeats.ts";
import { temporary } from "../../../support/temporary.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function opened(options: Partial<LogOptions> = {}) {
  const output = join(temporary("repeats"), "log");
  const clock = new ManualClock();
  const logger = openPinoLogger({ level: "debug", format: "json", output, repeatsPerSecond: 3, ...options }, clock);
  const lines = () => readFileSync(output, "utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Record<string, unknown>);
  return { clock, logger, lines };
}

class Away extends Error {
  readonly code = "ECONNREFUSED";
}

test("the first of a second are written, the rest is one line with their number, and the next second begins anew", async () => {
  const { clock, logger, lines } = opened();
  const share = logger.child({ share: "/export" });
  for (let i = 0; i < 1000; i++) share.error({ error: new Away("no"), attempt: i }, "the store is away");
  expect(lines().map(({ attempt }) => attempt)).toEqual([0, 1, 2]);
  await clock.passInTurns(999);
  expect(lines()).toHaveLength(3);
  await clock.passInTurns(1);
  const { time: _, ...summary } = lines()[3] ?? {};
  expect(summary).toEqual({ level: "error", share: "/export", code: "ECONNREFUSED", repeated: 997, msg: "the store is away" });
  share.error({ attempt: 1000 }, "the store is away");
  expect(lines()).toHaveLength(5);
  await clock.passInTurns(5000);
  expect(lines()).toHaveLength(5);
});

test("what differs in message, code, severity or origin, or in what was called where, is not the same", () => {
  const { logger, lines } = opened({ repeatsPerSecond: 1 });
  const ways = [
    () => logger.error({}, "a"),
    () => logger.error({}, "b"),
    () => logger.warn({}, "a"),
    () => logger.error({ code: 5 }, "a"),
    () => logger.error({ err: new Away("no") }, "a"),
    () => logger.error({ route: "users.list" }, "a"),
    () => logger.error({ procedure: "READ" }, "a"),
    () => logger.error({ command: "READ", share: "/c" }, "a"),
    () => logger.error({ command: "READ", share: "/d" }, "a"),
    () => logger.child({ share: "/b" }).error({}, "a"),
  ];
  for (const way of ways) way();
  expect(lines()).toHaveLength(ways.length);
  for (const way of ways) way();
  expect(lines()).toHaveLength(ways.length);
  logger.flush();
  expect(lines().slice(ways.length).map(({ repeated }) => repeated)).toEqual(ways.map(() => 1));
});

test("debug is asked for by who wants all of it; 0 leaves nothing out", () => {
  const sampled = opened();
  for (let i = 0; i < 50; i++) sampled.logger.debug({}, "detail");
  expect(sampled.lines()).toHaveLength(50);
  const all = opened({ repeatsPerSecond: 0 });
  for (let i = 0; i < 50; i++) all.logger.error({}, "no");
  expect(all.lines()).toHaveLength(50);
});

test("what is not severe enough is neither written nor counted, also after the level was changed", () => {
  const { logger, lines } = opened({ level: "error" });
  const child = logger.child({ part: "nfs" });
  for (let i = 0; i < 9; i++) child.warn({}, "slow");
  logger.flush();
  expect(lines()).toHaveLength(0);
  logger.setLevel("warn");
  child.warn({}, "slow");
  expect(lines()).toMatchObject([{ level: "warn", part: "nfs" }]);
});

test("who invents messages fills no memory: the oldest is summed up early", async () => {
  const clock = new ManualClock();
  const repeats = new Repeats(1, clock);
  const said: string[] = [];
  const say = (kind: string) => repeats.admits(kind, (count) => said.push(`${kind} ${count}`));
  expect([say("first"), say("first"), say("first")]).toEqual([true, false, false]);
  for (let i = 0; i < 10 * kindsMax; i++) say(`kind ${i}`);
  expect(repeats.kinds).toBe(kindsMax);
  expect(said).toEqual(["first 2"]);
  await clock.passInTurns(10_000);
  expect(said).toEqual(["first 2"]);
});
