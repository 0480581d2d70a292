import { mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { binary, outputOf, root, run, say } from "./shell.ts";

/** The commit the tree is at, with a mark where files differ from it; "" outside a repository. */
function commit(): string {
  if (outputOf(["git", "rev-parse", "--show-toplevel"]) !== root) return "";
  const id = outputOf(["git", "rev-parse", "--short=10", "HEAD"]);
  if (id === null) return "";
  return outputOf(["git", "status", "--porcelain", "--untracked-files=no"]) === "" ? id : `${id}, modified`;
}

export interface BuildOptions {
  /** dist/dittofs unless told. */
  readonly to?: string;
  /** Hot paths don't look for whoever watches, to measure what that costs. */
  readonly withoutHooks?: boolean;
}

/**
 * Compiles dist/dittofs. Names stay as they are in the source (no --minify-identifiers), so that profiles and stack traces
 * can be read; ESM, because with bytecode's default, CommonJS, paths of the building machine end up in the executable.
 */
export async function build(options: BuildOptions = {}): Promise<number> {
  const { to = binary, withoutHooks = false } = options;
  mkdirSync(dirname(to), { recursive: true });
  const workshop = join(root, ".tmp", "build");
  rmSync(workshop, { recursive: true, force: true });
  const fresh = join(workshop, "dittofs");
  const status = await run([
    process.execPath,
    "build",
    "--compile",
    "--minify-syntax",
    "--minify-whitespace",
    "--bytecode",
    "--format=esm",
    "--splitting",
    "--sourcemap",
    "--define",
    `DITTOFS_COMMIT=${JSON.stringify(commit())}`,
    ...(withoutHooks ? ["--define", "DITTOFS_WITHOUT_HOOKS=true"] : []),
    "src/main.ts",
    "--outfile",
    fresh,
  ]);
  if (status !== 0) return status;
  // A server that runs from the old one goes on running from it. The source maps beside the new one are inside it, too.
  renameSync(fresh, to);
  say(`built ${to}`);
  return 0;
}
