import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Directories that were made, with the test file that runs when they were. */
const made = new Map<string, string>();

/**
 * A new directory, which goes when its test file has ended: with the first one made in a later file, or when all files have ended
 * (preload.ts). A hook can't do that: one that a module shared by test files registers is run for the first of them alone, and one
 * registered where the directory is made runs too early. Each open share has a whole segment of its log, so what stays fills a disk.
 */
export function temporary(label: string, parent = tmpdir()): string {
  removeTemporaries(Bun.main);
  const path = mkdtempSync(join(parent, `dittofs-${label}-`));
  made.set(path, Bun.main);
  return path;
}

/** Removes those of all test files but this one. */
export function removeTemporaries(but: string | null = null): void {
  for (const [path, file] of made) {
    if (file === but) continue;
    made.delete(path);
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  }
}
