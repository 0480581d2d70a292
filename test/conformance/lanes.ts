import { join } from "node:path";
import { expected, type ExpectedSuite } from "./expected.ts";
import { runSuite, type SuiteRun } from "./smbtorture.ts";
import { type Target, targetPassword, targetShare, targetUser } from "./target.ts";

/** Suites at once, each on a share of its own. */
const lanes = 2;
const triesMax = 3;

/** Runs suites, the longest first, so that no lane ends with a long one alone; `told` hears of each when it has ended. */
export async function runSuites(target: Target, suites: readonly (readonly [string, ExpectedSuite])[], directory: string, told: (suite: string, run: SuiteRun) => void): Promise<void> {
  for (let lane = 1; lane < lanes; lane++) await target.admin.do("POST", "/api/v1/shares", { name: `/${targetShare}${lane}`, default_permission: "read-write", root_mode: 0o777 });
  const left = [...suites].sort(([, a], [, b]) => a.limit - b.limit);
  const lane = async (number: number): Promise<void> => {
    const share = number === 0 ? targetShare : `${targetShare}${number}`;
    const against = { port: target.port, share, user: targetUser, password: targetPassword, directory: join(directory, `lane-${number}`) };
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [name, { limit, options = [] }] = next;
      told(name, await withRetries(name, (what) => runSuite(against, what, limit * 1000, options)));
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
}

/** A flaky test that failed is run again alone. */
async function withRetries(suite: string, run: (name: string) => Promise<SuiteRun>): Promise<SuiteRun> {
  const first = await run(suite);
  const verdicts = new Map(first.verdicts);
  for (const name of Object.keys(expected.flaky)) {
    for (let tries = 1; tries < triesMax && verdicts.has(name) && verdicts.get(name) !== "success"; tries++) {
      verdicts.set(name, (await run(name)).verdicts.get(name) ?? "crash");
    }
  }
  return { ...first, verdicts };
}
