import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const prefix = "dittofs-run-";
const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * Gives `work` a directory for everything temporary, which goes with all there is in it when `work` has ended, or this process does:
 * normally or by a signal. What one left that was killed goes with the next.
 */
export async function withTemporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
  removeAbandoned();
  const directory = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  // As the system's own: some servers of the tests run as nobody.
  chmodSync(directory, 0o1777);
  const remove = (): void => removeAll(directory);
  process.on("exit", remove);
  const handlers = Object.entries(exitCodes).map(([signal, code]) => ({
    signal,
    end() {
      // A command that runs (shell.ts) is ended first, by a handler of its own that exits, too.
      if (process.listenerCount(signal) === 1) process.exit(code);
    },
  }));
  for (const { signal, end } of handlers) process.on(signal, end);
  try {
    return await work(directory);
  } finally {
    for (const { signal, end } of handlers) process.off(signal, end);
    process.off("exit", remove);
    remove();
  }
}

/** What was just killed may still be writing. */
function removeAll(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** Those of processes that are no more. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^dittofs-run-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || !existsSync("/proc/self") || existsSync(`/proc/${pid}`)) continue;
    try {
      removeAll(join(tmpdir(), name));
    } catch {
      // Somebody else's.
    }
  }
}

/** What of the tests is still in the directory after a while in which servers that outlive them have the time to clean up. */
export async function leftIn(directory: string, patienceMs: number): Promise<readonly string[]> {
  const left = () => readdirSync(directory).filter((name) => name.startsWith("dittofs-"));
  for (const end = performance.now() + patienceMs; left().length > 0 && performance.now() < end; ) await Bun.sleep(100);
  return left();
}
