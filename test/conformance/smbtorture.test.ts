import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { temporaryDirectory } from "../support/server.ts";
import { complaint, expected } from "./expected.ts";
import { runSuites } from "./lanes.ts";
import { parsed, smbtortureMissing, type SuiteRun, testsOf } from "./smbtorture.ts";
import { startTarget, type Target } from "./target.ts";

/**
 * smbtorture against the compiled server. smbtorture-expected.json names each test that does not pass, with the reason; one that
 * passes against expectation fails here until its line is removed. SMB_CONFORMANCE=all runs the long suites, too; names of suites with
 * commas between run those alone.
 */

const wanted = Bun.env["SMB_CONFORMANCE"] ?? "";
const chosen = Object.entries(expected.suites).filter(([name, { long }]) => (wanted === "" ? long !== true : wanted === "all" || wanted.split(",").includes(name)));

if (smbtortureMissing !== null) console.log(`smbtorture: skipped, ${smbtortureMissing}`);

/** All of them together. */
const suitesMsMax = 30 * 60_000;
const directory = temporaryDirectory("smbtorture");
let target: Target;
const runs = new Map<string, PromiseWithResolvers<SuiteRun>>(chosen.map(([name]) => [name, Promise.withResolvers<SuiteRun>()]));

test("the file of expectations names tests there are, each once, with a reason", () => {
  const { failures, flaky, suites, notRun } = expected;
  for (const reason of [...Object.values(failures), ...Object.values(flaky), ...Object.values(notRun)]) expect(reason.length).toBeGreaterThan(10);
  expect(Object.keys(failures).filter((name) => name in flaky)).toEqual([]);
  expect(Object.keys(suites).filter((name) => name in notRun)).toEqual([]);
  const inSuites = (name: string): boolean => Object.keys(suites).some((suite) => name === suite || name.startsWith(`${suite}.`));
  expect([...Object.keys(failures), ...Object.keys(flaky)].filter((name) => !inSuites(name))).toEqual([]);
});

test("a stream of verdicts is read, with what was said, and what did not end", () => {
  const stream = "test: smb2.a.one\ntime: 1\nsuccess: smb2.a.one\ntest: smb2.a.two words\nfailure: smb2.a.two words [\nfile.c:1: success: not this\n]\nskip: smb2.a.three [\nno such thing\n]\ntest: smb2.a.four\n";
  const { verdicts, said } = parsed(stream, "timeout", false);
  expect([...verdicts]).toEqual([["smb2.a.one", "success"], ["smb2.a.two words", "failure"], ["smb2.a.three", "skip"], ["smb2.a.four", "timeout"]]);
  expect(said.get("smb2.a.two words")).toBe("file.c:1: success: not this");
  expect(complaint("smb2.a.two words", "failure", "file.c:1")).toEqual(["smb2.a.two words: failure: file.c:1"]);
  const [known] = Object.keys(expected.failures);
  expect(known === undefined ? [""] : complaint(known, "success", "")).toHaveLength(1);
});

// Skipped where smbtorture is not installed; the reason is printed above.
describe.skipIf(smbtortureMissing !== null)("smbtorture", () => {
  let done: Promise<void> | null = null;

  /** All suites begin with the first that is waited for. */
  function begun(): Promise<void> {
    if (done !== null) return done;
    for (const { promise } of runs.values()) promise.catch(() => {});
    done = runSuites(target, chosen, directory.path, (name, run) => runs.get(name)?.resolve(run));
    done.catch((error: unknown) => {
      for (const { reject } of runs.values()) reject(error);
    });
    return done;
  }

  beforeAll(async () => {
    target = await startTarget();
  }, suitesMsMax);

  afterAll(async () => {
    await done?.catch(() => {});
    await target?.stop();
    directory.remove();
  }, suitesMsMax);

  test("every suite there is, is run or said why not", () => {
    const known = new Set([...Object.keys(expected.suites), ...Object.keys(expected.notRun)]);
    expect([...testsOf("smb2"), ...testsOf("vfs")].filter((name) => ![...known].some((suite) => name === suite || name.startsWith(`${suite}.`)))).toEqual([]);
  });

  for (const [name, { passes }] of chosen) {
    test(name, async () => {
      begun().catch(() => {});
      const { verdicts, said, seconds } = await runs.get(name)!.promise;
      const wrong: string[] = [];
      for (const [one, verdict] of verdicts) wrong.push(...complaint(one, verdict, said.get(one) ?? ""));
      const passed = [...verdicts.values()].filter((verdict) => verdict === "success").length;
      console.log(`${name}: ${passed} of ${verdicts.size} in ${seconds} s`);
      expect(wrong).toEqual([]);
      expect(passed).toBeGreaterThanOrEqual(passes);
    }, suitesMsMax);
  }

  test("the server is still there", async () => {
    await begun();
    expect(target.server.running).toBe(true);
  }, suitesMsMax);
});
