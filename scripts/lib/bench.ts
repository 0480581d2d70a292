import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { root, run } from "./shell.ts";

/** Builds the server and runs the benchmarks against it. */
export async function bench(args: readonly string[]): Promise<number> {
  const driver = join(root, "test/bench/run.ts");
  if (!existsSync(driver)) {
    process.stderr.write(`scripts/bench: no ${driver}\n`);
    return 1;
  }
  if (args.includes("--telemetry")) {
    const bare = await build({ to: join(root, "dist/dittofs-without-hooks"), withoutHooks: true });
    if (bare !== 0) return bare;
  }
  const built = await build();
  return built !== 0 ? built : await run([process.execPath, driver, ...args]);
}
