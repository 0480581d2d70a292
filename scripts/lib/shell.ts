import { spawn } from "node:child_process";
import { resolve } from "node:path";

export const root = resolve(import.meta.dir, "../..");
export const binary = resolve(root, "dist/dittofs");

/** What a timer can wait at most: 24 days. */
const longestMs = 2 ** 31 - 1;

/** The last: the terminal was closed. */
const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The process is ended after this. */
  readonly timeoutMs?: number;
}

/**
 * Runs a command with this terminal's output and no input; its exit status (124: it took too long). It has a process group of
 * its own, so that what it started ends with it where it is ended.
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<number> {
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, { cwd: options.cwd ?? root, env: { ...process.env, ...options.env }, stdio: ["ignore", "inherit", "inherit"], detached: true });
  const end = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It is gone.
    }
  };
  const interrupted = (signal: NodeJS.Signals) => {
    end();
    process.exit(signal === "SIGINT" ? 130 : signal === "SIGHUP" ? 129 : 143);
  };
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    end();
  }, options.timeoutMs ?? longestMs);
  for (const signal of endings) process.once(signal, interrupted);
  const status = await new Promise<number>((done) => {
    child.once("error", () => done(127));
    child.once("exit", (code, signal) => done(code ?? (signal === null ? 1 : 128)));
  });
  clearTimeout(timer);
  for (const signal of endings) process.off(signal, interrupted);
  return late ? 124 : status;
}

/** What a command prints, trimmed; null where it fails or isn't there. */
export function outputOf(command: readonly string[]): string | null {
  try {
    const result = Bun.spawnSync([...command], { cwd: root, stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    return result.exitCode === 0 ? result.stdout.toString().trim() : null;
  } catch {
    return null;
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
