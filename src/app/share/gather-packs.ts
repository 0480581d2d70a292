import { constants } from "node:fs";
import { copyFile, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectory, syncDirectory } from "../process/durable-files.ts";

const packFile = /^pack-[0-9a-f]{14}\.open$/;

/**
 * Brings packs that an earlier run left where they are looked for now: a store that adopts files has them in its own staging
 * directory, one that compresses or encrypts doesn't, and which of them it is can be changed while the log refers to such packs.
 */
export async function gatherPacks(from: string, to: string): Promise<void> {
  const names = (await readdir(from).catch(absent)).filter((name) => packFile.test(name));
  if (names.length === 0) return;
  makeDirectory(to);
  for (const name of names) await move(join(from, name), join(to, name));
  // The new names first: at no moment may the disk know of neither.
  syncDirectory(to);
  syncDirectory(from);
}

function absent(error: unknown): string[] {
  if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
  throw error;
}

async function move(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    const temporary = `${to}.arriving`;
    await rm(temporary, { force: true });
    await copyFile(from, temporary, constants.COPYFILE_EXCL);
    const file = await open(temporary, "r");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, to);
    await rm(from);
  }
}
