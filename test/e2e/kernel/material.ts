import { spawnSync } from "bun";
import { cpSync, existsSync, mkdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../support/server.ts";

/** What a guest with a real Linux kernel needs, and finds. */

export const kclient: string = join(projectRoot, "test/support/kclient.sh");

/** Why there can be no guest here; null: there can. */
export function whyNoKernel(): string | null {
  if (process.getuid?.() !== 0) return "a network namespace needs root";
  if (process.arch !== "x64") return "User-mode Linux is for x86-64";
  if (!existsSync("/dev/net/tun")) return "there is no /dev/net/tun";
  for (const tool of ["git", "make", "gcc", "sqlite3", "rsync", "python3", "ip"]) if (Bun.which(tool) === null) return `${tool} is not installed`;
  return null;
}

/** Whether data may lie in memory. */
export function roomyMemory(): boolean {
  if (!existsSync("/dev/shm")) return false;
  const { bavail, bsize } = statfsSync("/dev/shm");
  return bavail * bsize > 2 ** 31;
}

function run(command: string[], cwd: string): string {
  const result = spawnSync(command, { cwd, env: { ...Bun.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" } });
  if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr.toString()}`);
  return result.stdout.toString();
}

/** A tree to copy, a repository to clone, a program to build, transactions to run: what the guest finds under `material`. */
export function makeMaterial(directory: string, folders: readonly string[] = ["src", "test"]): void {
  const at = (path: string): string => join(directory, path);
  mkdirSync(at("tree"));
  for (const folder of folders) cpSync(join(projectRoot, folder), at(`tree/${folder}`), { recursive: true, filter: (path) => !path.includes("/bin") });
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
  run(["chmod", "-R", "a+rX", directory], "/");
}
