/** The work around the source: `scripts/<name>` finds Bun and calls this with the name and what follows it. */
import { bench } from "./lib/bench.ts";
import { build } from "./lib/build.ts";
import { docs } from "./lib/docs.ts";
import { run } from "./lib/run.ts";
import { soak } from "./lib/soak.ts";
import { test } from "./lib/test.ts";

/** drizzle-kit is large, and only this needs it. */
const migrations = async (args: readonly string[]): Promise<number> => (await import("./lib/migrations.ts")).migrations(args);

const subcommands: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = { bench, build: () => build(), docs, migrations, run, soak, test };

/** Those without words of their own. */
const help: Readonly<Record<string, string>> = {
  build: "scripts/build: makes dist/dittofs\n",
  docs: "scripts/docs: writes the generated pages of docs/ anew, from the declarations\n",
  soak: "scripts/soak [--rounds N | --smb]: the crash tests for N rounds (1000), or all of smbtorture\n  scripts/soak --rounds 200\n",
  test: "scripts/test [SUITE...]: installs what the tests need and runs them, all or those suites; the last line is `N passed, N failed`\n  scripts/test unit contract\n",
};

const [name = "", ...rest] = process.argv.slice(2);
const words = Object.hasOwn(help, name) ? help[name] : undefined;
if (words !== undefined && (rest.includes("--help") || rest.includes("-h"))) {
  process.stdout.write(words);
  process.exit(0);
}
const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
if (subcommand === undefined) {
  process.stderr.write(`scripts: ${name === "" ? "what?" : `no ${name}`}; there are ${Object.keys(subcommands).join(", ")}\n`);
  process.exit(2);
}
process.exitCode = await subcommand(rest);
