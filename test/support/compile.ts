import { spawnSync } from "bun";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { projectRoot } from "./server.ts";

const directory = join(projectRoot, "test/e2e/bin");

export interface CompileOptions {
  /** More sources, next to the first. */
  readonly with?: readonly string[];
  /** Names pkg-config knows. */
  readonly packages?: readonly string[];
  readonly flags?: readonly string[];
}

/** Compiles a C helper of the tests with gcc, once for as long as the C files next to it do not change; the path of the result. */
export function compileC(source: string, options: CompileOptions = {}): string {
  const { with: others = [], packages = [], flags = [] } = options;
  const target = join(directory, basename(source, ".c") + (flags.includes("-shared") ? ".so" : ""));
  const made = statSync(target, { throwIfNoEntry: false });
  const folder = dirname(source);
  const newest = Math.max(...readdirSync(folder).filter((name) => /\.[ch]$/.test(name)).map((name) => statSync(join(folder, name)).mtimeMs));
  if (made !== undefined && made.mtimeMs > newest) return target;
  mkdirSync(directory, { recursive: true });
  const libraries = packages.length === 0 ? [] : run(["pkg-config", "--cflags", "--libs", ...packages]).trim().split(/\s+/);
  const partial = `${target}.${process.pid}`;
  run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", ...flags, "-o", partial, source, ...others.map((name) => join(folder, name)), ...libraries]);
  renameSync(partial, target);
  return target;
}

function run(command: readonly string[]): string {
  const result = spawnSync([...command]);
  if (result.exitCode !== 0) throw new Error(`${command[0]}: ${result.stderr.toString()}`);
  return result.stdout.toString();
}
