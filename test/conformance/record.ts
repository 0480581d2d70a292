import { writeFileSync } from "node:fs";
import { temporaryDirectory } from "../support/server.ts";
import { expected, type ExpectedSuite } from "./expected.ts";
import { runSuites } from "./lanes.ts";
import { startTarget } from "./target.ts";

/**
 * What every suite says of the server as it is, for whoever brings smbtorture-expected.json up to date:
 *
 *     bun test/conformance/record.ts FILE [SUITE...]
 *
 * writes `{suite: {seconds, verdicts: {test: verdict}, said: {test: text}}}` to FILE and a line a suite to standard output.
 */

const [file = "", ...names] = process.argv.slice(2);
if (file === "") throw new Error("usage: bun test/conformance/record.ts FILE [SUITE...]");
const suites: readonly (readonly [string, ExpectedSuite])[] = names.length === 0 ? Object.entries(expected.suites) : names.map((name) => [name, expected.suites[name] ?? { limit: 120, passes: 0 }]);
const directory = temporaryDirectory("smbtorture");
const target = await startTarget();
const all: Record<string, unknown> = {};
let passed = 0;
let total = 0;
try {
  await runSuites(target, suites, directory.path, (name, { verdicts, said, seconds }) => {
    all[name] = { seconds, verdicts: Object.fromEntries(verdicts), said: Object.fromEntries(said) };
    const passes = [...verdicts.values()].filter((verdict) => verdict === "success").length;
    passed += passes;
    total += verdicts.size;
    process.stdout.write(`${name.padEnd(36)} ${String(passes).padStart(3)} of ${String(verdicts.size).padStart(3)}  ${seconds.toFixed(1)} s\n`);
    writeFileSync(file, `${JSON.stringify(all, null, 1)}\n`);
  });
  process.stdout.write(`${passed} of ${total}; the server ${target.server.running ? "still runs" : "is gone"}\n`);
} finally {
  await target.stop();
  directory.remove();
}
process.exit(0);
