import { spawn } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileC } from "../support/compile.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { kclient, makeMaterial, roomyMemory, whyNoKernel } from "./kernel/material.ts";

/** A real Linux kernel mounts the server: User-mode Linux as the client, see test/support/kclient.sh. */

const kernelFolder = join(import.meta.dir, "kernel");
const minuteMs = 60_000;

const why = whyNoKernel();
if (why !== null) console.log(`kernel client: skipped, ${why}`);

const material = temporaryDirectory("kernel");
/** In memory where there is room: what is tested here is no matter of disks, and every CREATE would wait for one. */
const data = temporaryDirectory("kernel-data", roomyMemory() ? "/dev/shm" : undefined);
let server: Server;
let guest = "";

const mountPortOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);

/** Boots a guest that mounts `share` and runs `command` there; its output. */
async function inGuest(share: string, command: string): Promise<string> {
  const mountPort = server.port + mountPortOffset;
  const options = `vers=3,tcp,nolock,mountport=${mountPort}`;
  const also = mountPortOffset === 0 ? [] : ["--also-port", String(mountPort)];
  const guest = spawn([kclient, "--nfs", options, "--server-port", String(server.port), ...also, "--export", share, "--timeout", "480", "--", command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, errors, status] = await Promise.all([new Response(guest.stdout).text(), new Response(guest.stderr).text(), guest.exited]);
  if (status !== 0) throw new Error(`guest: exit status ${status}\n${output}\n${errors}`);
  return output;
}

// Skipped where a guest can't be had; the reason is printed above.
describe.skipIf(why !== null)("a Linux kernel", () => {
  beforeAll(async () => {
    makeMaterial(material.path);
    guest = compileC(join(kernelFolder, "guest.c"));
    chmodSync(material.path, 0o755);
    const config = join(material.path, "config.yaml");
    writeFileSync(config, "shares:\n  - name: /export\n  - name: /trusted\n    squash: none\n");
    server = await Server.start({ dataDir: join(data.path, "data"), port: await freePort(), config });
  }, 3 * minuteMs);

  afterAll(async () => {
    await server?.stop();
    material.remove();
    data.remove();
  }, 3 * minuteMs);

  async function works(share: string, who: "root" | "user"): Promise<void> {
    const script = `${join(kernelFolder, "workload.sh")} ${material.path} ${guest} ${who}`;
    const output = await inGuest(share, script);
    console.log(`kernel client as ${who} on ${share}:\n${output}`);
    const steps = output.trim().split("\n").filter((line) => /^(ok|failed) /.test(line));
    expect(steps.filter((line) => line.startsWith("failed"))).toEqual([]);
    expect(steps).toHaveLength(8);
    expect(server.running).toBe(true);
  }

  test("works on a share without squash as root", () => works("/trusted", "root"), 9 * minuteMs);
  test("works on the default share as an ordinary user", () => works("/export", "user"), 9 * minuteMs);

  test("two kernels at once: renames over each other lose and mix nothing", async () => {
    const tokens = 20;
    const make = `mkdir -m 777 storm storm/a storm/b; for i in $(seq 0 ${tokens - 1}); do echo token $i > storm/a/t$i.0; done`;
    await inGuest("/trusted", make);
    const storm = (id: number): Promise<string> => inGuest("/trusted", `${guest} move storm ${id} 60 && ${guest} replace storm ${id} 150`);
    const outputs = await Promise.all([storm(1), storm(2)]);
    console.log(outputs.join(""));
    console.log(await inGuest("/trusted", `${guest} moved storm ${tokens} && rm -r storm && ls -A`));
  }, 9 * minuteMs);
});
