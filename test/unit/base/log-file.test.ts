import { expect, test } from "bun:test";
import { closeSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLogFile } from "#base/log-file.ts";
import { LogOutput } from "#telemetry/logs/output.ts";
import { temporary } from "../../support/temporary.ts";

test("a log file that can't be opened: what is wrong with it, and what to do", () => {
  const directory = temporary("log-file");
  const missing = join(directory, "none", "server.log");
  const said = `the log file ${missing} (--log-file, logging.output) can't be opened: there is no directory ${directory}/none. Make it, so that the user the server runs as may write there, or name another file`;
  expect(() => openLogFile(missing)).toThrow(said);
  expect(() => new LogOutput(missing, { bytesMax: 0, keep: 1 })).toThrow(said);
  mkdirSync(join(directory, "there"));
  expect(() => openLogFile(join(directory, "there"))).toThrow("it is a directory. Name a file in it");
  writeFileSync(join(directory, "file"), "");
  expect(() => openLogFile(join(directory, "file", "server.log"))).toThrow("is no directory. Name another file");
});

test("one that is there is appended to", () => {
  const path = join(temporary("log-file"), "server.log");
  writeFileSync(path, "before\n");
  const fd = openLogFile(path);
  writeFileSync(fd, "after\n");
  closeSync(fd);
  expect(readFileSync(path, "utf8")).toBe("before\nafter\n");
});
