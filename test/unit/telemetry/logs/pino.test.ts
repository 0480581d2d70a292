import { expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { openPinoLogger } from "#telemetry/logs/index.ts";
import { temporary } from "../../../support/temporary.ts";

const fresh = () => join(temporary("log"), "log");

test("json: a line an event, with level, time, the logger's fields and the event's own", () => {
  const output = fresh();
  const logger = openPinoLogger({ level: "info", format: "json", output });
  logger.debug({ secret: 1 }, "not asked for");
  logger.child({ share: "/export" }).warn({ bytes: 12, err: new Error("disk on fire"), error: new TypeError("again") }, "slow");
  const lines = readFileSync(output, "utf8").trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] ?? "");
  expect(line).toMatchObject({ level: "warn", share: "/export", bytes: 12, msg: "slow", err: { message: "disk on fire" }, error: { type: "TypeError", message: "again" } });
  expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("text: for people, without colours where there is no terminal; auto is json there", () => {
  const output = fresh();
  openPinoLogger({ level: "debug", format: "text", output }).error({ part: "nfs" }, "no");
  expect(readFileSync(output, "utf8")).toMatch(/^\[\d{4}-\d\d-\d\d [\d:.]+\] ERROR: no \{"part":"nfs"\}\n$/);
  openPinoLogger({ level: "debug", format: "auto", output }).info({}, "appended");
  expect(readFileSync(output, "utf8").split("\n")[1]).toStartWith('{"level":"info"');
});

test("a rotated file is let go of when told to", () => {
  const output = fresh();
  const logger = openPinoLogger({ level: "info", format: "json", output });
  logger.info({}, "one");
  renameSync(output, `${output}.1`);
  logger.info({}, "two");
  expect(existsSync(output)).toBe(false);
  logger.reopen();
  logger.info({}, "three");
  expect(readFileSync(`${output}.1`, "utf8").trimEnd().split("\n")).toHaveLength(2);
  expect(readFileSync(output, "utf8")).toContain('"three"');
});

test("a text from a client stays on its line and says nothing to the terminal", () => {
  const output = fresh();
  const logger = openPinoLogger({ level: "info", format: "text", output });
  logger.info({ name: "a\nINFO: forged\u001b[2J", deep: [{ "k\r": "\u009b" }] }, "seen\nINFO: forged");
  const text = readFileSync(output, "utf8");
  expect(text.split("\n")).toHaveLength(2);
  expect(text).toContain("seen\u240aINFO: forged");
  expect(text).toContain("\u241b[2J");
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  logger.error({ err: new Error("x") }, "stack");
  expect(readFileSync(output, "utf8").split("\n").length).toBeGreaterThan(5);
});

test("a file that can't be opened is an error", () => {
  expect(() => openPinoLogger({ level: "info", format: "json", output: "/nowhere/at/all" })).toThrow("/nowhere/at/all");
});
