import { spawn } from "node:child_process";
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { freePort, projectRoot, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { within } from "../support/wait.ts";

/** The command a newcomer types. */

const directory = temporaryDirectory("scripts");
afterAll(() => directory.remove());
const msMax = 60_000;

/** A directory with every program of the PATH but Bun. */
function programsWithoutBun(): string {
  const path = join(directory.path, "bin");
  mkdirSync(path);
  const programs = new Map<string, string>();
  for (const folder of (Bun.env["PATH"] ?? "").split(":").filter((one) => existsSync(one)).reverse()) {
    for (const name of readdirSync(folder)) programs.set(name, join(folder, name));
  }
  for (const name of ["bun", "bunx"]) programs.delete(name);
  for (const [name, target] of programs) symlinkSync(target, join(path, name));
  return path;
}

test("scripts/run serves from any directory, without a Bun on the PATH; Ctrl-C is one signal to the server", async () => {
  const port = await freePort();
  const args = ["--data-dir", "here", "--nfs-port", String(port), "--bind", "127.0.0.1"];
  const server = spawn(join(projectRoot, "scripts/run"), args, { cwd: directory.path, env: { ...process.env, ...serverEnvironment, PATH: programsWithoutBun() }, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const ready = Promise.withResolvers<void>();
  const take = (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes("\nready\n")) ready.resolve();
  };
  server.stdout.on("data", take);
  server.stderr.on("data", take);
  const ended = new Promise<number | null>((done) => server.once("close", done));
  try {
    await within("the server", msMax, Promise.race([ready.promise, ended]));
    expect(output).toContain(`nfs: accepting on 127.0.0.1:${port}\n`);
    // A terminal's Ctrl-C goes to every process of the group: one that passed it on would make it the second signal.
    expect(readFileSync(join(directory.path, "here/dittofs.pid"), "utf8")).toBe(`${server.pid}\n`);
    process.kill(-(server.pid as number), "SIGINT");
    expect(await within("the end", msMax, ended)).toBe(0);
    expect(output).not.toContain("a second time");
  } finally {
    if (server.exitCode === null) process.kill(-(server.pid as number), "SIGKILL");
  }
}, 2 * msMax);
