import { beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, Time } from "#base/index.ts";
import { parseLine, timeOfLine } from "#cli/commands/logs/entry.ts";
import { cli, instance, type World } from "./support.ts";
import { temporary } from "../../support/temporary.ts";

let directory = "";
let file = "";
const clock = { ...systemClock, now: () => new Time(Date.UTC(2026, 0, 2, 12) / 1000, 0) };
const run = (args: readonly string[], world: World = {}) => cli(["logs", "--data-dir", directory, ...args], { clock, ...world });
const json = (time: string, msg: string) => JSON.stringify({ level: "info", time, share: "/a", msg });

beforeEach(() => {
  directory = temporary("logs");
  file = join(directory, "dittofs.log");
});

describe("a line", () => {
  test("of JSON and of text is the same entry", () => {
    const of = { time: "2026-01-02T03:04:05.678Z", level: "warn", message: "slow {disk}", fields: { ms: 7 } };
    expect(parseLine('{"level":"warn","time":"2026-01-02T03:04:05.678Z","ms":7,"msg":"slow {disk}"}')).toEqual(of);
    const local = new Date("2026-01-02T03:04:05.678Z");
    const pad = (n: number, width = 2) => String(n).padStart(width, "0");
    const stamp = `${local.getFullYear()}-${pad(local.getMonth() + 1)}-${pad(local.getDate())} ${pad(local.getHours())}:${pad(local.getMinutes())}:${pad(local.getSeconds())}.${pad(local.getMilliseconds(), 3)}`;
    expect(parseLine(`[${stamp}] WARN: slow {disk} {"ms":7}`)).toEqual(of);
    expect(parseLine(`[${stamp}] \u001b[33mWARN\u001b[39m (4711): \u001b[36mslow {disk}\u001b[39m {"ms":7}`)).toEqual(of);
    expect(timeOfLine(`[${stamp}] WARN: x`)).toBe(local.getTime());
  });
  test("that is none of the logger's is its text", () => {
    for (const text of ["panic: oh no", '{"level":"info","ti', "", "[not a time] X: y"]) {
      expect(parseLine(text)).toEqual({ time: null, level: null, message: text, fields: {} });
      expect(timeOfLine(text)).toBeNull();
    }
  });
});

test("the last lines, however long the log", async () => {
  const lines = Array.from({ length: 5000 }, (_, i) => json("2026-01-02T11:00:00Z", `line ${i} ${"x".repeat(i % 90)}`));
  writeFileSync(file, `${lines.join("\n")}\n`);
  expect((await run([])).out).toBe(`${lines.slice(-100).join("\n")}\n`);
  expect((await run(["-n", "3000"])).out).toBe(`${lines.slice(-3000).join("\n")}\n`);
  expect((await run(["-n", "9999"])).out).toBe(`${lines.join("\n")}\n`);
  expect((await run(["-n", "0"])).out).toBe("");
  expect((await run(["-n", "x"])).status).toBe(2);
});

test("a last line without an end is printed, too", async () => {
  writeFileSync(file, "one\ntwo");
  expect((await run(["-n", "1"])).out).toBe("two\n");
  expect((await run(["-n", "2"])).out).toBe("one\ntwo\n");
  writeFileSync(file, "");
  expect(await run([])).toMatchObject({ status: 0, out: "" });
});

test("nothing older than --since, with the lines that belong to an entry", async () => {
  writeFileSync(file, [json("2026-01-02T10:00:00Z", "old"), "  of the old", json("2026-01-02T11:30:00Z", "new"), "  of the new", ""].join("\n"));
  expect((await run(["--since", "1h"])).out).toBe(`${json("2026-01-02T11:30:00Z", "new")}\n  of the new\n`);
  expect((await run(["--since", "1m"])).out).toBe("");
  expect((await run(["--since", "1d"])).out.split("\n")).toHaveLength(5);
  expect((await run(["--since", "1d", "-n", "2", "-o", "json"])).out).toBe(
    '{"time":"2026-01-02T11:30:00Z","level":"info","message":"new","fields":{"share":"/a"}}\n{"time":null,"level":null,"message":"  of the new","fields":{}}\n',
  );
  expect((await run(["--since", "whenever"])).status).toBe(2);
});

test("--follow goes on through a rotation and a truncation, and ends when nobody reads any more", async () => {
  writeFileSync(file, "1\n");
  const steps = [
    () => appendFileSync(file, "2\nha"),
    () => appendFileSync(file, "lf\n"),
    () => {
      appendFileSync(file, "last of the old\n");
      renameSync(file, `${file}.1`);
    },
    () => writeFileSync(file, "first of the new\n"),
    () => {},
    () => {
      truncateSync(file);
    },
    () => {},
    () => appendFileSync(file, "after the cut\n"),
    () => {},
  ];
  const done = await run(["-f"], { wait: async () => steps.shift()?.(), gone: () => steps.length === 0 });
  expect(done.out).toBe("1\n2\nhalf\nlast of the old\nfirst of the new\nafter the cut\n");
});

describe("which log", () => {
  test("the one the running server names", async () => {
    const other = join(directory, "other.log");
    writeFileSync(other, "from the other\n");
    writeFileSync(file, "stale\n");
    expect((await run([], { running: { ...instance, logFile: other } })).out).toBe("from the other\n");
    expect(await run([], { running: { ...instance, logFile: null } })).toMatchObject({ status: 1, err: expect.stringContaining("the server with pid 4711 logs to the terminal or the pipe it was started with") });
  });
  test("of one that ended, the configured one, or that of a detached one", async () => {
    const configured = join(directory, "configured.log");
    writeFileSync(configured, "configured\n");
    expect((await run([], { environment: { DITTOFS_LOGGING_OUTPUT: configured } })).out).toBe("configured\n");
    expect(await run([])).toMatchObject({ status: 1, err: expect.stringContaining(`error: there is no log ${file}: the server of ${directory} logs to the terminal it is started on\nhint: `) });
  });
});
