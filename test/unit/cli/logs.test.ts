import { beforeEach, describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, renameSync, truncateSync, writeFileSync } from "node:fs";
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

const at = (minute: number, level: string, msg: string) => JSON.stringify({ level, time: `2026-01-02T11:${String(minute).padStart(2, "0")}:00Z`, msg });

describe("a log that was rotated", () => {
  beforeEach(() => {
    for (const [name, minutes] of [["dittofs.log.3", [1, 2]], ["dittofs.log.2", [11, 12]], ["dittofs.log.1", [21, 22]], ["dittofs.log", [31, 32]]] as const) {
      writeFileSync(join(directory, name), minutes.map((minute) => `${at(minute, minute % 10 === 1 ? "warn" : "info", `line ${minute}`)}\n`).join(""));
    }
  });
  const found = async (...args: readonly string[]) => [...(await run(args)).out.matchAll(/line (\d+)/g)].map(([, minute]) => Number(minute));

  test("is read as far back as lines or time ask for", async () => {
    expect(await found()).toEqual([1, 2, 11, 12, 21, 22, 31, 32]);
    expect(await found("-n", "1")).toEqual([32]);
    expect(await found("-n", "2")).toEqual([31, 32]);
    expect(await found("-n", "5")).toEqual([12, 21, 22, 31, 32]);
    expect(await found("--since", "2026-01-02T11:12:00Z")).toEqual([12, 21, 22, 31, 32]);
    expect(await found("--since", "2026-01-02T11:25:00Z")).toEqual([31, 32]);
    expect(await found("--since", "2026-01-02T11:05:00Z", "-n", "3")).toEqual([22, 31, 32]);
  });

  test("of one level and worse has so many of those, and what belongs to them", async () => {
    expect(await found("--level", "warn")).toEqual([1, 11, 21, 31]);
    expect(await found("--level", "warn", "-n", "3")).toEqual([11, 21, 31]);
    expect(await found("--level", "warn", "--since", "2026-01-02T11:15:00Z")).toEqual([21, 31]);
    expect(await found("--level", "error")).toEqual([]);
    expect(await found("--level", "debug", "-n", "2")).toEqual([31, 32]);
    expect((await run(["--level", "warning"])).err).toContain("allowed: debug, info, warn, error");
    writeFileSync(file, ["[2026-01-02 12:00:00.000] INFO: fine", "    of the info", "[2026-01-02 12:00:01.000] ERROR: bad", "    err: {", "    }", "panic: a crash", "[2026-01-02 12:00:02.000] DEBUG: detail", ""].join("\n"));
    expect((await run(["--level", "warn", "-n", "2"])).out).toBe("[2026-01-02 12:00:01.000] ERROR: bad\n    err: {\n    }\npanic: a crash\n");
    expect((await run(["--level", "warn", "-n", "1"])).out).toBe("panic: a crash\n");
  });

  test("is followed through several rotations between two looks, each line once and in order", async () => {
    const rotate = () => {
      for (let i = 4; i >= 1; i--) if (existsSync(`${file}.${i}`)) renameSync(`${file}.${i}`, `${file}.${i + 1}`);
      renameSync(file, `${file}.1`);
    };
    const steps = [
      () => {
        appendFileSync(file, `${at(33, "info", "line 33")}\n`);
        for (const minute of [41, 42, 43]) {
          rotate();
          writeFileSync(file, `${at(minute, "warn", `line ${minute}`)}\n`);
        }
      },
      () => appendFileSync(file, `${at(44, "error", "line 44")}\n`),
      () => {
        // As logrotate does it: the server writes to the old file until it is told.
        rotate();
        writeFileSync(file, "");
      },
      () => appendFileSync(`${file}.1`, `${at(45, "error", "line 45")}\n`),
      () => appendFileSync(file, `${at(46, "error", "line 46")}\n`),
      () => {},
    ];
    const done = await run(["-f", "-n", "1"], { wait: async () => steps.shift()?.(), gone: () => steps.length === 0 });
    expect([...done.out.matchAll(/line (\d+)/g)].map(([, minute]) => Number(minute))).toEqual([32, 33, 41, 42, 43, 44, 45, 46]);
  });
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
