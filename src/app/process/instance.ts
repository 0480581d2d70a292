import { closeSync, constants, existsSync, ftruncateSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Instance } from "#cli/ports.ts";
import { tryLock, unlock } from "./native.ts";

const pidFile = (dataDirectory: string) => join(dataDirectory, "dittofs.pid");
const stateFile = (dataDirectory: string) => join(dataDirectory, "dittofs.json");

/** Somebody who only looks holds the lock for microseconds; a server that starts tries again for this long. */
const lockTriesMax = 10;
const lockTryAgainMs = 20;

/** Stops this thread; for command lines that wait, never inside a server. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The hold of this process on a data directory. Ends with the process at the latest. */
export class DirectoryLock {
  private readonly fd: number;
  private readonly dataDirectory: string;

  private constructor(fd: number, dataDirectory: string) {
    this.fd = fd;
    this.dataDirectory = dataDirectory;
  }

  /** Whether a server has ever had it. */
  static isKnown(dataDirectory: string): boolean {
    return existsSync(pidFile(dataDirectory));
  }

  /** Takes the directory, or gives the process id of the server that has it (0: not known). */
  static take(dataDirectory: string, pid: number): DirectoryLock | number {
    const fd = openSync(pidFile(dataDirectory), constants.O_RDWR | constants.O_CREAT, 0o644);
    for (let i = 0; !tryLock(fd); i++) {
      if (i === lockTriesMax) {
        const other = readPid(fd);
        closeSync(fd);
        return other;
      }
      pause(lockTryAgainMs);
    }
    const line = `${pid}\n`;
    writeSync(fd, line, 0);
    ftruncateSync(fd, line.length);
    rmSync(stateFile(dataDirectory), { force: true });
    return new DirectoryLock(fd, dataDirectory);
  }

  /** Publishes what `status` shows. */
  publish(instance: Instance): void {
    const path = stateFile(this.dataDirectory);
    writeFileSync(`${path}.new`, `${JSON.stringify(instance)}\n`);
    renameSync(`${path}.new`, path);
  }

  release(): void {
    rmSync(stateFile(this.dataDirectory), { force: true });
    ftruncateSync(this.fd, 0);
    closeSync(this.fd);
  }
}

function readPid(fd: number): number {
  const bytes = new Uint8Array(32);
  const length = readSync(fd, bytes, 0, bytes.length, 0);
  return Number.parseInt(new TextDecoder().decode(bytes.subarray(0, length)), 10) || 0;
}

/** The server that holds this data directory, or null. Its process id is 0 where it can't be known. Throws where one may not look. */
export function findInstance(dataDirectory: string): Instance | null {
  const fd = openToLook(pidFile(dataDirectory));
  if (fd === null) return null;
  try {
    for (let i = 0; !tryLock(fd); i++) {
      const pid = readPid(fd);
      if (pid !== 0 || i === lockTriesMax) return readState(dataDirectory, pid);
      // It is about to write its number, or about to let go.
      pause(lockTryAgainMs);
    }
    unlock(fd);
    return null;
  } finally {
    closeSync(fd);
  }
}

/** Null where there is no such file, which is not the same as one that this user may not open. */
function openToLook(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function readState(dataDirectory: string, pid: number): Instance {
  try {
    const state = JSON.parse(readFileSync(stateFile(dataDirectory), "utf8")) as Instance;
    if (state.pid === pid) return state;
  } catch {
    // It is only just starting, or stopping.
  }
  return { pid, state: "starting", version: "", startedAt: "", dataDirectory, configFile: null, listening: [], shares: [] };
}

/** Waits until that server is gone; false when it still runs after `timeoutMs`. */
export function waitUntilGone(dataDirectory: string, pid: number, timeoutMs: number, clock: Clock): boolean {
  const deadline = clock.monotonicMs() + timeoutMs;
  while (findInstance(dataDirectory)?.pid === pid) {
    if (clock.monotonicMs() >= deadline) return false;
    pause(lockTryAgainMs);
  }
  return true;
}
