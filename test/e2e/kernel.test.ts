import { spawn, spawnSync } from "bun";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileC } from "../support/compile.ts";
import { freePort, projectRoot, Server, temporaryDirectory } from "../support/server.ts";

/** A real Linux kernel mounts the server: User-mode Linux as the client, see test/support/kclient.sh. */

const kernelFolder = join(import.meta.dir, "kernel");
const kclient = join(projectRoot, "test/support/kclient.sh");
const minuteMs = 60_000;

function whyNoKernel(): string | null {
  if (process.getuid?.() !== 0) return "a network namespace needs root";
  if (process.arch !== "x64") return "User-mode Linux is for x86-64";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  for (const tool of ["git", "make", "gcc", "sqlite3", "rsync", "python3", "ip"]) if (Bun.which(tool) === null) return `${tool} is not installed`;
  return null;
}

function roomyMemory(): boolean {
  if (!existsSync("/dev/shm")) return false;
  const { bavail, bsize } = statfsSync("/dev/shm");
  return bavail * bsize > 2 ** 31;
}

const why = whyNoKernel();
if (why !== null) console.log(`kernel client: skipped, ${why}`);

const material = temporaryDirectory("kernel");
/** In memory where there is room: what is tested here is no matter of disks, and every CREATE would wait for one. */
const data = temporaryDirectory("kernel-data", roomyMemory() ? "/dev/shm" : undefined);
let server: Server;
let guest = "";

function run(command: string[], cwd: string): string {
  const result = spawnSync(command, { cwd, env: { ...Bun.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" } });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString()}`);
  return result.stdout.toString();
}

/** A tree to copy, a repository to clone, a program to build, transactions to run: what the guest finds under `material`. */
function makeMaterial(): void {
  const at = (path: string): string => join(material.path, path);
  mkdirSync(at("tree"));
  for (const folder of ["src", "test"]) cpSync(join(projectRoot, folder), at(`tree/${folder}`), { recursive: true, filter: (path) => !path.includes("/bin") });
  writeFileSync(at("tree/large"), Buffer.alloc(5_000_000, "not quite a page of text. "));
  mkdirSync(at("repo/content"), { recursive: true });
  run(["git", "init", "-q", "-b", "main"], at("repo"));
  for (let version = 0; version < 3; version++) {
    for (let i = 0; i < 60; i++) writeFileSync(at(`repo/content/file-${i}`), `version ${version} of ${i}\n`.repeat(i * 7 + 1));
    run(["git", "add", "-A"], at("repo"));
    run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", `version ${version}`], at("repo"));
  }
  cpSync(at("repo/content"), at("repo-tree"), { recursive: true });
  mkdirSync(at("build"));
  const parts = Array.from({ length: 6 }, (_, i) => i);
  for (const i of parts) writeFileSync(at(`build/part${i}.c`), `int part${i}(void) { return ${i * 2 + 2}; }\n`);
  writeFileSync(at("build/main.c"), `#include <stdio.h>\n${parts.map((i) => `int part${i}(void);\n`).join("")}int main(void) { printf("%d\\n", ${parts.map((i) => `part${i}()`).join(" + ")}); return 0; }\n`);
  const objects = ["main.o", ...parts.map((i) => `part${i}.o`)].join(" ");
  writeFileSync(at("build/Makefile"), `program: ${objects}\n\t$(CC) -o $@ $^\nclean:\n\trm -f *.o program\n`);
  const inserts = Array.from({ length: 1000 }, (_, i) => `INSERT INTO t VALUES (${i + 1}, 'row ${i + 1}');\n`);
  writeFileSync(at("transactions.sql"), `CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT);\n${inserts.join("")}`);
  run(["chmod", "-R", "a+rX", material.path], "/");
}

const mountPortOffset = Number(Bun.env.DITTOFS_TEST_MOUNT_OFFSET ?? 0);

/** Boots a guest that mounts `share` and runs `command` there; its output. */
async function inGuest(share: string, command: string): Promise<string> {
  const mountPort = server.port + mountPortOffset;
  const options = `vers=3,tcp,nolock,mountport=${mountPort}`;
  const also = mountPortOffset === 0 ? [] : ["--also-port", String(mountPort)];
  const guest = spawn([kclient, "--nfs", options, "--server-port", String(server.port), ...also, "--export", share, "--timeout", "170", "--", command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, errors, status] = await Promise.all([new Response(guest.stdout).text(), new Response(guest.stderr).text(), guest.exited]);
  if (status !== 0) throw new Error(`guest: exit status ${status}\n${output}\n${errors}`);
  return output;
}

// Skipped where a guest can't be had; the reason is printed above.
describe.skipIf(why !== null)("a Linux kernel", () => {
  beforeAll(async () => {
    makeMaterial();
    guest = compileC(join(kernelFolder, "guest.c"));
    chmodSync(material.path, 0o755);
    const config = join(material.path, "config.yaml");
    writeFileSync(config, "shares:\n  - name: /export\n  - name: /trusted\n    squash: none\n");
    server = await Server.start({ dataDir: join(data.path, "data"), port: await freePort(), config });
  }, minuteMs);

  afterAll(async () => {
    await server?.stop();
    material.remove();
    data.remove();
  }, minuteMs);

  async function works(share: string, who: "root" | "user"): Promise<void> {
    const script = `${join(kernelFolder, "workload.sh")} ${material.path} ${guest} ${who}`;
    const output = await inGuest(share, script);
    console.log(`kernel client as ${who} on ${share}:\n${output}`);
    const steps = output.trim().split("\n").filter((line) => /^(ok|failed) /.test(line));
    expect(steps.filter((line) => line.startsWith("failed"))).toEqual([]);
    expect(steps).toHaveLength(8);
    expect(server.running).toBe(true);
  }

  test("works on a share without squash as root", () => works("/trusted", "root"), 3 * minuteMs);
  test("works on the default share as an ordinary user", () => works("/export", "user"), 3 * minuteMs);

  test("two kernels at once: renames over each other lose and mix nothing", async () => {
    const tokens = 20;
    const make = `mkdir -m 777 storm storm/a storm/b; for i in $(seq 0 ${tokens - 1}); do echo token $i > storm/a/t$i.0; done`;
    await inGuest("/trusted", make);
    const storm = (id: number): Promise<string> => inGuest("/trusted", `${guest} move storm ${id} 60 && ${guest} replace storm ${id} 150`);
    const outputs = await Promise.all([storm(1), storm(2)]);
    console.log(outputs.join(""));
    console.log(await inGuest("/trusted", `${guest} moved storm ${tokens} && rm -r storm && ls -A`));
  }, 3 * minuteMs);
});
