/** The work around the source: `scripts/<name>` finds Bun and calls this with the name and what follows it. */
import { bench } from "./lib/bench.ts";
import { build } from "./lib/build.ts";
import { docs } from "./lib/docs.ts";
import { run } from "./lib/run.ts";
import { soak } from "./lib/soak.ts";
import { test } from "./lib/test.ts";

/** drizzle-kit is large, and only this needs it. */
const migrations = async (args: readonly string[]): Promise<number> => (await import("./lib/migrations.ts")).migrations(args);

const subcommands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { bench, build, docs, migrations, run, soak, test };

const [name = "", ...rest] = process.argv.slice(2);
const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
if (subcommand === undefined) {
  process.stderr.write(`scripts: ${name === "" ? "what?" : `no ${name}`}; there are ${Object.keys(subcommands).join(", ")}\n`);
  process.exit(2);
}
process.exitCode = await subcommand(rest);
