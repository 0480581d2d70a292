import { join } from "node:path";
import { NfsClient } from "../support/nfs-client.ts";
import { expected, type ExpectedSuite } from "./expected.ts";
import { runSuite, type SuiteRun } from "./smbtorture.ts";
import { type Target, targetPassword, targetShare, targetUser } from "./target.ts";

/** Suites at once, each on a share of its own. */
const lanes = 2;
const triesMax = 3;
/** What a suite may take is for a machine of our own: on a busy or slow one it has so many times as long. */
const patience = 3;

/** Runs suites, the longest first, so that no lane ends with a long one alone; `told` hears of each when it has ended. */
export async function runSuites(target: Target, suites: readonly (readonly [string, ExpectedSuite])[], directory: string, told: (suite: string, run: SuiteRun) => void): Promise<void> {
  for (let lane = 1; lane < lanes; lane++) await target.admin.do("POST", "/api/v1/shares", { name: `/${targetShare}${lane}`, default_permission: "read-write", root_mode: 0o777 });
  await makeFiles(target);
  const left = suites.filter(([, { settings }]) => settings === undefined).sort(([, a], [, b]) => a.limit - b.limit);
  const against = (lane: number) => ({ port: target.port, share: lane === 0 ? targetShare : `${targetShare}${lane}`, user: targetUser, password: targetPassword, directory: join(directory, `lane-${lane}`) });
  const run = async (lane: number, name: string, { limit, options = [] }: ExpectedSuite): Promise<void> => {
    told(name, await withRetries(name, (what) => runSuite(against(lane), what, limit * 1000 * patience, options)));
  };
  const lane = async (number: number): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await run(number, ...next);
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  for (const [name, suite] of suites) {
    if (suite.settings === undefined) continue;
    await target.admin.do("PATCH", "/api/v1/adapters/smb/settings", suite.settings);
    await run(0, name, suite);
    await target.admin.do("POST", "/api/v1/adapters/smb/settings/reset", {});
  }
}

/** Two suites want a file `tf` that is there already. */
async function makeFiles({ server }: Target): Promise<void> {
  const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
  for (let lane = 0; lane < lanes; lane++) await nfs.create(await nfs.mount(lane === 0 ? `/${targetShare}` : `/${targetShare}${lane}`), "tf", { mode: 0o666 });
  nfs.close();
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
