import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { installTestPackages } from "./packages.ts";
import { root, run, say } from "./shell.ts";

const roundsDefault = 1000;
const hours = 3_600_000;

/** Runs the crash tests for many more rounds than `scripts/test` has time for (`--rounds N`), or all of smbtorture (`--smb`). */
export async function soak(args: readonly string[]): Promise<number> {
  if (args.includes("--smb")) return await soakSmb();
  const at = args.indexOf("--rounds");
  const rounds = at < 0 ? roundsDefault : Number(args[at + 1]);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    process.stderr.write("scripts/soak: --rounds takes a whole number above 0\n");
    return 2;
  }
  const suite = "test/e2e/crash";
  if (!existsSync(join(root, suite))) {
    process.stderr.write(`scripts/soak: no ${suite}\n`);
    return 1;
  }
  const { missing } = await installTestPackages();
  if (missing !== null) say(`packages: ${missing}`);
  const built = await build();
  if (built !== 0) return built;
  const env = { CRASH_ROUNDS: String(rounds) };
  return await run([process.execPath, "test", `./${suite}/`, `--timeout=${24 * hours}`], { env });
}

/** Every suite of smbtorture, those that take too long for each run too. */
async function soakSmb(): Promise<number> {
  const { missing } = await installTestPackages();
  if (missing !== null) say(`packages: ${missing}`);
  const built = await build();
  if (built !== 0) return built;
  return await run([process.execPath, "test", "./test/conformance/", `--timeout=${hours}`], { env: { SMB_CONFORMANCE: "all" } });
}
