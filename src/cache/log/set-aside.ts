import fs from "node:fs";
import { syncDirectory, unlinkOf, type FileOps } from "./file-ops.ts";

const name = /^[0-9a-f]{16}\.damaged$/;
/** The oldest beyond these goes: they are as long as segments. */
export const setAsideMax = 4;

/** Segments of the log in `directory` in which the disk damaged records that were synced, oldest first. */
export function setAside(directory: string): readonly string[] {
  return fs
    .readdirSync(directory)
    .filter((entry) => name.test(entry))
    .sort()
    .map((entry) => `${directory}/${entry}`);
}

/** Where a segment is kept. */
export function asidePath(segment: string): string {
  return segment.replace(/\.log$/, ".damaged");
}

/** Keeps a damaged segment whole, under a name that no log is read from. Resolves when its old name is durably gone. */
export async function putAside(files: FileOps, directory: string, path: string): Promise<string> {
  const aside = asidePath(path);
  files.renameSync(path, aside);
  await syncDirectory(files, directory);
  const kept = setAside(directory);
  for (const old of kept.slice(0, Math.max(0, kept.length - setAsideMax))) {
    try {
      await unlinkOf(files, old);
    } catch {
      // Whoever looks into it may have made it immutable: it stays, and is listed with the others. That is no reason for the log to fail.
    }
  }
  return aside;
}
