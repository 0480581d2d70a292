import { spawn, spawnSync } from "bun";
import { mkdirSync } from "node:fs";

/** Samba's smbtorture: a suite, or a single test, run with a bound on its time; a verdict for each test. */

export type Verdict = "success" | "failure" | "error" | "skip" | "timeout" | "crash";

export const smbtortureMissing: string | null = Bun.which("smbtorture") === null ? "smbtorture is not installed (samba-testsuite)" : null;

export interface Against {
  readonly port: number;
  readonly share: string;
  readonly user: string;
  readonly password: string;
  /** Where it may leave files. */
  readonly directory: string;
}

export interface SuiteRun {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** What it printed, by test: the place and reason of a failure. */
  readonly said: ReadonlyMap<string, string>;
  readonly seconds: number;
}

/** The tests of a suite, as `--fullname` names them. */
export function testsOf(suite: string): readonly string[] {
  return allTests().filter((name) => name === suite || name.startsWith(`${suite}.`));
}

/** A test that is alone in its case is listed with its last word twice, and reports with it once. */
function reported(listed: string): string {
  const parts = listed.split(".");
  return parts.at(-1) === parts.at(-2) ? parts.slice(0, -1).join(".") : listed;
}

let all: readonly string[] | null = null;

function allTests(): readonly string[] {
  all ??= spawnSync(["smbtorture", "--list"], { env: environment() })
    .stdout.toString()
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("smb2.") || line.startsWith("vfs."))
    .map(reported);
  return all;
}

/** Nothing of the machine's own configuration. */
function environment(): Record<string, string | undefined> {
  return { ...Bun.env, SMB_CONF_PATH: "/dev/null" };
}

/** Runs a suite; tests it did not come to, because one before them hung or crashed, are run alone. */
export async function runSuite(against: Against, suite: string, limitMs: number, options: readonly string[] = []): Promise<SuiteRun> {
  const begun = performance.now();
  const whole = await runOnce(against, suite, limitMs, options);
  const verdicts = new Map(whole.verdicts);
  const said = new Map(whole.said);
  if (!whole.ended) {
    for (const name of testsOf(suite)) {
      if (verdicts.has(name)) continue;
      const alone = await runOnce(against, name, limitMs, options);
      verdicts.set(name, alone.verdicts.get(name) ?? (alone.ended ? "crash" : "timeout"));
      said.set(name, alone.said.get(name) ?? "");
    }
  }
  if (verdicts.size === 0) verdicts.set(suite, whole.ended ? "crash" : "timeout");
  return { verdicts, said, seconds: Math.round((performance.now() - begun) / 100) / 10 };
}

interface Once {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly said: ReadonlyMap<string, string>;
  /** Neither killed nor crashed. */
  readonly ended: boolean;
}

async function runOnce(against: Against, name: string, limitMs: number, options: readonly string[]): Promise<Once> {
  const { port, share, user, password, directory } = against;
  mkdirSync(directory, { recursive: true });
  const command = ["smbtorture", `//127.0.0.1/${share}`, "-p", String(port), `-U${user}%${password}`, "--fullname", "--format=subunit", ...options, name];
  const begun = performance.now();
  const child = spawn(command, { cwd: directory, stdin: "ignore", stdout: "pipe", stderr: "ignore", env: environment(), timeout: limitMs, killSignal: "SIGKILL" });
  const text = await new Response(child.stdout).text();
  const status = await child.exited;
  const late = child.signalCode === "SIGKILL" && performance.now() - begun >= limitMs;
  return parsed(text, late ? "timeout" : "crash", !late && (status === 0 || status === 1));
}

const words: Readonly<Record<string, Verdict>> = { success: "success", successful: "success", failure: "failure", fail: "failure", error: "error", skip: "skip", xfail: "failure" };

/** Reads the subunit stream: `test: NAME`, then `success: NAME`, or `failure: NAME [`, lines of what went wrong, `]`. */
export function parsed(text: string, unfinished: Verdict, ended: boolean): Once {
  const verdicts = new Map<string, Verdict>();
  const said = new Map<string, string>();
  let running: string | null = null;
  let told: { readonly name: string; readonly lines: string[] } | null = null;
  for (const line of text.split("\n")) {
    if (told !== null) {
      if (line === "]") {
        said.set(told.name, told.lines.join("\n"));
        told = null;
      } else told.lines.push(line);
      continue;
    }
    const [, word = "", name = "", opens] = /^(\w+): (.*?)( \[)?$/.exec(line) ?? [];
    if (word === "test") running = name;
    const verdict = words[word];
    if (verdict === undefined) continue;
    verdicts.set(name, verdict);
    if (running === name) running = null;
    if (opens !== undefined) told = { name, lines: [] };
  }
  if (running !== null) verdicts.set(running, unfinished);
  return { verdicts, said, ended };
}
