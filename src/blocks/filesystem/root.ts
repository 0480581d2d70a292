import fs from "node:fs";
import { dirname, join } from "node:path";
import { type Disk, errorCode } from "./disk.ts";

const formatVersion = 1;

/** Makes the directory and those above it that are missing, durably. */
export async function makeRoot(disk: Disk, directory: string): Promise<void> {
  const first = await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let path = directory; path.length >= first.length; path = dirname(path)) await disk.syncDirectory(dirname(path));
}

const formatLine = /^dittofs-blocks (\d+)\n$/;

/** Reads or writes the file that says what this directory is. */
export async function checkFormat(disk: Disk, directory: string): Promise<void> {
  const path = join(directory, "format");
  let text = "";
  try {
    text = await fs.promises.readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  if (text === "") {
    const file = await fs.promises.open(path, "w", 0o600);
    try {
      await file.writeFile(`dittofs-blocks ${formatVersion}\n`);
      await disk.sync(file);
    } finally {
      await file.close();
    }
    return;
  }
  const version = Number(formatLine.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(version)) throw new Error(`${path} is not the format file of a block store`);
  if (version > formatVersion)
    throw new Error(`${directory} has block store format ${version}, newer than ${formatVersion}, the newest this program knows`);
}
