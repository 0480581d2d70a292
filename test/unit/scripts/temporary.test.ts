import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { leftIn } from "../../../scripts/lib/temporary.ts";
import { temporary } from "../../support/temporary.ts";
import { until, within } from "../../support/wait.ts";

const child = join(import.meta.dir, "temporary-child.ts");

async function ended(how: string, signal: NodeJS.Signals | null): Promise<{ readonly status: number | null; readonly left: readonly string[] }> {
  const home = temporary("home");
  let command = "none";
  const running = Bun.spawn([process.execPath, child, how], { env: { ...Bun.env, TMPDIR: home }, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  if (signal !== null) {
    const { value } = await within("the command's number", 10_000, running.stdout.getReader().read());
    command = new TextDecoder().decode(value).trim();
    expect(readdirSync(home)).toHaveLength(1);
    running.kill(signal);
  }
  const status = await within("the end", 10_000, running.exited);
  await until("the end of the command", 5000, () => (existsSync(`/proc/${command}`) ? null : true));
  return { status: running.signalCode === null ? status : null, left: readdirSync(home) };
}

test.each([
  ["ends", null, 0],
  ["throws", null, 1],
  ["waits", "SIGINT", 130],
  ["waits", "SIGTERM", 143],
  ["waits", "SIGHUP", 129],
] as const)("the temporary directory of a run goes with it: it %s (%p)", async (how, signal, status) => {
  expect(await ended(how, signal)).toEqual({ status, left: [] });
});

test("what a run left that was killed goes with the next", async () => {
  const home = temporary("home");
  const start = (how: string) => Bun.spawn([process.execPath, child, how], { env: { ...Bun.env, TMPDIR: home }, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const first = start("waits");
  await within("the directory", 10_000, first.stdout.getReader().read());
  mkdirSync(join(home, `dittofs-run-${process.pid}-alive`));
  first.kill("SIGKILL");
  await first.exited;
  expect(readdirSync(home)).toHaveLength(2);
  await start("ends").exited;
  expect(readdirSync(home)).toEqual([`dittofs-run-${process.pid}-alive`]);
});

test("what tests leave in it is named", async () => {
  const home = temporary("home");
  mkdirSync(join(home, "dittofs-x"));
  mkdirSync(join(home, "other"));
  expect(await leftIn(home, 1)).toEqual(["dittofs-x"]);
});
