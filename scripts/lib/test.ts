import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.ts";
import { readJunit, type TestCase } from "./junit.ts";
import { installTestPackages } from "./packages.ts";
import { root, run, say } from "./shell.ts";
import { leftIn, withTemporary } from "./temporary.ts";

const minute = 60_000;

/** The suites in the order they run: what is fast and says most first. Those not named here come before e2e. */
const first = ["rules", "unit", "wire", "contract", "sim"];
const last = ["conformance", "e2e"];
const suiteMsMax = 20 * minute;
const clientSuiteMsMax = 60 * minute;
/** Servers that a suite's files share clean up when the suite has ended. */
const leavingMsMax = 20_000;

/** Folders under test/ with tests in them. */
function suites(): readonly string[] {
  const folders = readdirSync(join(root, "test"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .filter((name) => readdirSync(join(root, "test", name), { recursive: true }).some((file) => String(file).endsWith(".test.ts")));
  const rank = (name: string) => (first.includes(name) ? first.indexOf(name) : last.includes(name) ? 200 + last.indexOf(name) : 100);
  return folders.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

async function checkTypes(): Promise<TestCase> {
  say("\n== types");
  const status = await run([process.execPath, "x", "tsc", "--noEmit", "-p", "."]);
  return { name: "the compiler has no complaint", file: "tsconfig.json", outcome: status === 0 ? "passed" : "failed", note: "" };
}

async function runSuite(name: string, temporary: string): Promise<readonly TestCase[]> {
  say(`\n== ${name}`);
  const report = join(root, ".tmp", `junit-${name}.xml`);
  rmSync(report, { force: true });
  const withClients = last.includes(name);
  const timeoutMs = withClients ? clientSuiteMsMax : suiteMsMax;
  const perTest = withClients ? 5 * minute : minute;
  const status = await run(
    [process.execPath, "test", `./test/${name}/`, "--only-failures", `--timeout=${perTest}`, "--reporter=junit", `--reporter-outfile=${report}`],
    { timeoutMs, env: { TMPDIR: temporary } },
  );
  const cases = [...(existsSync(report) ? readJunit(readFileSync(report, "utf8")) : []), await checkLeft(name, temporary)];
  const failed = cases.some((one) => one.outcome === "failed");
  // A runner that fails without a failed test (a file that doesn't load, a crash, the time limit) must not pass unseen.
  if (status === 0 || failed) return cases;
  const note = status === 124 ? `took longer than ${timeoutMs / minute} minutes` : `ended with status ${status}`;
  return [...cases, { name: `the suite ${name} runs to its end`, file: `test/${name}`, outcome: "failed", note }];
}

/** An open share's log alone is large: what every run leaves fills the disk of a machine that runs many. */
async function checkLeft(suite: string, temporary: string): Promise<TestCase> {
  const left = await leftIn(temporary, leavingMsMax);
  for (const name of left) rmSync(join(temporary, name), { recursive: true, force: true });
  const note = left.length === 0 ? "" : `left ${left.length}: ${left.slice(0, 5).join(", ")}`;
  return { name: `the suite ${suite} leaves nothing in the temporary directory`, file: `test/${suite}`, outcome: left.length === 0 ? "passed" : "failed", note };
}

/** Installs what the tests need, builds, runs every suite, and ends with one line that counts. Words name suites to run alone. */
export async function test(args: readonly string[]): Promise<number> {
  mkdirSync(join(root, ".tmp"), { recursive: true });
  const { missing } = await installTestPackages();
  if (missing !== null) say(`packages: ${missing}`);
  const all = suites();
  const unknown = args.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`scripts/test: no suite ${unknown.join(", ")}; there are ${all.join(", ")}\n`);
    return 2;
  }
  say("\n== build");
  const built = await build();
  const cases: TestCase[] = [{ name: "dist/dittofs compiles", file: "src/main.ts", outcome: built === 0 ? "passed" : "failed", note: "" }, await checkTypes()];
  const wanted = all.filter((name) => args.length === 0 || args.includes(name));
  await withTemporary(async (temporary) => {
    for (const name of wanted) cases.push(...(await runSuite(name, temporary)));
  });
  return summarize(cases);
}

function summarize(cases: readonly TestCase[]): number {
  const of = (outcome: TestCase["outcome"]) => cases.filter((one) => one.outcome === outcome);
  const line = (one: TestCase) => `  ${one.file}: ${one.name}${one.note === "" ? "" : `: ${one.note.split("\n")[0]}`}`;
  const failed = of("failed");
  const skipped = of("skipped");
  say("");
  if (failed.length > 0) say(`failed:\n${failed.map(line).join("\n")}`);
  if (skipped.length > 0) say(`skipped:\n${skipped.map(line).join("\n")}`);
  say(`${of("passed").length} passed, ${failed.length} failed${skipped.length === 0 ? "" : `, ${skipped.length} skipped`}`);
  return failed.length === 0 ? 0 : 1;
}
