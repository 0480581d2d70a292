import { resolve } from "node:path";

export const root = resolve(import.meta.dir, "../..");
export const binary = resolve(root, "dist/dittofs");

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The process is ended after this. */
  readonly timeoutMs?: number;
}

/** Runs a command with this terminal's output and no input; its exit status (124: it took too long). */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<number> {
  const child = Bun.spawn([...command], { cwd: options.cwd ?? root, env: { ...process.env, ...options.env }, stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  let late = false;
  const timer = options.timeoutMs === undefined ? null : setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.timeoutMs);
  const status = await child.exited;
  if (timer !== null) clearTimeout(timer);
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
