import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Verdict } from "./smbtorture.ts";

export interface ExpectedSuite {
  /** Seconds that the whole suite may take. */
  readonly limit: number;
  /** Too long for every run: `scripts/soak --smb` runs it. */
  readonly long?: boolean;
  /** Tests that pass. */
  readonly passes: number;
  /** Settings of the adapter that the suite is about; it is run when the others have ended. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Options of smbtorture's own. */
  readonly options?: readonly string[];
}

export interface Expected {
  readonly suites: Readonly<Record<string, ExpectedSuite>>;
  /** Suites that are never run, each with the reason. */
  readonly notRun: Readonly<Record<string, string>>;
  /** Tests that do not pass (failure, error, time-out, or skipped by the suite itself), each with the reason. */
  readonly failures: Readonly<Record<string, string>>;
  /** Tests that pass when they are tried again, each with the reason. */
  readonly flaky: Readonly<Record<string, string>>;
}

export const expectedFile: string = join(import.meta.dir, "smbtorture-expected.json");
export const expected = JSON.parse(readFileSync(expectedFile, "utf8")) as Expected;

/** What is wrong with a test's verdict. A test that passes against expectation is as wrong: the list only shrinks. */
export function complaint(name: string, verdict: Verdict, said: string): readonly string[] {
  const reason = expected.failures[name];
  if (verdict === "success") return reason === undefined ? [] : [`${name} passes: take its line out of smbtorture-expected.json (${reason})`];
  return reason === undefined ? [`${name}: ${verdict}${said === "" ? "" : `: ${said}`}`] : [];
}
