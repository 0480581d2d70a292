import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryLock, findInstance, waitUntilGone } from "#app/process/instance.ts";
import { systemClock } from "#base/clock.ts";
import { instance } from "../../cli/support.ts";
import { temporary } from "../../../support/temporary.ts";

const fresh = () => temporary("lock");

function taken(directory: string, pid: number): DirectoryLock {
  const lock = DirectoryLock.take(directory, pid);
  if (typeof lock === "number") throw new Error(`held by ${lock}`);
  return lock;
}

test("one server holds a directory; another one learns its process id", () => {
  const directory = fresh();
  expect(findInstance(directory)).toBeNull();
  const lock = taken(directory, 4711);
  expect(DirectoryLock.take(directory, 4712)).toBe(4711);
  expect(readFileSync(join(directory, "dittofs.pid"), "utf8")).toBe("4711\n");
  lock.release();
  expect(findInstance(directory)).toBeNull();
  taken(directory, 4713).release();
});

test("what it published is found while it holds the directory", () => {
  const directory = fresh();
  const lock = taken(directory, instance.pid);
  expect(findInstance(directory)).toMatchObject({ pid: instance.pid, state: "starting", shares: [] });
  lock.publish(instance);
  expect(findInstance(directory)).toEqual(instance);
  expect(waitUntilGone(directory, instance.pid, 0, systemClock)).toBe(false);
  lock.release();
  expect(waitUntilGone(directory, instance.pid, 0, systemClock)).toBe(true);
});

test("a directory that can't be looked into is not one without a server", () => {
  const file = join(fresh(), "file");
  writeFileSync(file, "");
  expect(() => findInstance(file)).toThrow("ENOTDIR");
  expect(findInstance(join(fresh(), "nothing"))).toBeNull();
});

test("what a killed server left behind stands in nobody's way", () => {
  const directory = fresh();
  const killed = `const { DirectoryLock } = await import("#app/process/instance.ts"); DirectoryLock.take(${JSON.stringify(directory)}, process.pid).publish({ pid: process.pid }); process.kill(process.pid, "SIGKILL");`;
  const { signalCode } = Bun.spawnSync([process.execPath, "-e", killed], { cwd: join(import.meta.dir, "../../..") });
  expect(signalCode).toBe("SIGKILL");
  expect(readFileSync(join(directory, "dittofs.pid"), "utf8")).not.toBe("");
  expect(findInstance(directory)).toBeNull();
  taken(directory, 1).release();
});
