import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "#telemetry/logger.ts";
import { DatabaseError } from "./port.ts";

/**
 * Makes the directory (0700) and an empty file (0600) where there are none: password hashes lie in it. SQLite gives its -wal and
 * -shm the mode of the database.
 */
export function prepareFile(path: string, logger: Logger): void {
  try {
    makeDirectory(dirname(path));
    if (!made(path)) tighten(path, logger);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DatabaseError(`the control plane's database ${path} can't be made: ${reason(code) ?? message}`);
  }
}

function reason(code: string | undefined): string | null {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "this user may not write there; give the directory to the user the server runs as, or name another place";
    case "EROFS":
      return "the file system is read-only; name another place";
    case "ENOSPC":
      return "the disk is full; make room and start again";
    case "ENOTDIR":
    case "EEXIST":
      return "a part of its path is a file and no directory; name another place";
    default:
      return null;
  }
}

/** Each directory durable in the one above it. */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !statSync(path).isDirectory()) throw error;
  }
  syncDirectory(parent);
}

/** Whether there was none: only then is the file opened here, since closing a database's descriptor drops SQLite's locks on it. */
function made(path: string): boolean {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
  syncDirectory(dirname(path));
  return true;
}

function tighten(path: string, logger: Logger): void {
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return;
  try {
    chmodSync(path, mode & 0o700);
    logger.warn({ path }, "the control plane's database was readable by others; its mode is now for its owner alone");
  } catch (error) {
    logger.warn({ path, error: String(error) }, "the control plane's database is readable by others; give it mode 0600");
  }
}

/** Makes the entries of a directory survive a power cut; of one that is not ours to open, others have to. */
export function syncDirectory(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return;
    throw error;
  }
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
