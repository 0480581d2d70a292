import { spawnSync } from "bun";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { projectRoot } from "./server.ts";

const directory = join(projectRoot, "test/e2e/bin");

/** Compiles a C helper of the tests with gcc, once for as long as its source does not change; the path of the result. */
export function compileC(source: string, packages: readonly string[] = [], flags: readonly string[] = []): string {
  const shared = flags.includes("-shared");
  const target = join(directory, basename(source, ".c") + (shared ? ".so" : ""));
  const made = statSync(target, { throwIfNoEntry: false });
  if (made !== undefined && made.mtimeMs > statSync(source).mtimeMs) return target;
  mkdirSync(directory, { recursive: true });
  const libraries = packages.length === 0 ? [] : run(["pkg-config", "--cflags", "--libs", ...packages]).trim().split(/\s+/);
  const partial = `${target}.${process.pid}`;
  run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", ...flags, "-o", partial, source, ...libraries]);
  renameSync(partial, target);
  return target;
}

function run(command: readonly string[]): string {
  const result = spawnSync([...command]);
  if (result.exitCode !== 0) throw new Error(`${command[0]}: ${result.stderr.toString()}`);
  return result.stdout.toString();
}
