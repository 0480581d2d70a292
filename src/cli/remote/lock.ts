import { Database } from "bun:sqlite";
import { closeSync, openSync } from "node:fs";

/** Longer than anybody holds it: a refresh is one call to the server, which has a time-out. */
const waitMsMax = 60_000;
const tryAgainMs = 20;

/**
 * Runs `work` while nobody else who locks this file does, in this process or another. The lock is SQLite's on an empty
 * database: the system gives it back when a process dies, however it dies, and it works alike on every platform.
 */
export async function withLock<T>(path: string, wait: (ms: number) => Promise<void>, work: () => Promise<T>): Promise<T> {
  closeSync(openSync(path, "a", 0o600));
  const database = new Database(path);
  try {
    for (let waited = 0; !take(database); waited += tryAgainMs) {
      if (waited >= waitMsMax) throw new Error(`${path} is held by another dittofs command for ${waitMsMax / 1000} s already; end that, or try again`);
      await wait(tryAgainMs);
    }
    return await work();
  } finally {
    database.close();
  }
}

function take(database: Database): boolean {
  try {
    database.run("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith("SQLITE_BUSY") === true) return false;
    throw error;
  }
}
