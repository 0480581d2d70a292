import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmdirSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Makes the entries of a directory survive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** As `syncDirectory`, but for one that may belong to others: where it can't be opened, what is in it was not made by us. */
function syncForeignDirectory(path: string): void {
  try {
    syncDirectory(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
  }
}

/** Makes a directory and those above it, each durable in its parent. Modes are for the server's user alone. */
export function makeDirectory(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  const parent = dirname(path);
  // A start that was killed may have made it and not got as far as the sync.
  if (stat?.isDirectory()) return syncForeignDirectory(parent);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || !statSync(path).isDirectory()) throw error;
  }
  syncDirectory(parent);
}

/** Those of a directory and the ones above it that are not there, the lowest first. */
export function missingAbove(path: string): readonly string[] {
  return existsSync(path) ? [] : [path, ...missingAbove(dirname(path))];
}

/** Removes these directories, the lowest first, as far as there is nothing in them. */
export function removeEmpty(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      rmdirSync(path);
    } catch {
      // Somebody else has it by now.
    }
  }
}

/** Puts a whole new file in place of the old one, durably: a reader and a power cut see one or the other. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`;
  const fd = openSync(temporary, "w", 0o640);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}
