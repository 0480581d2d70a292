import { existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { endedKey, leavingKey, shareKey } from "#history/index.ts";
import { syncDirectory } from "../process/durable-files.ts";
import { contentFolders } from "./places.ts";

/**
 * Content in a directory of blocks, removed by whose it is: the objects of one share instance, and the loose files of the folders
 * for packs on their way. Whatever else lies there, such as a share whose store was put into this one, is left alone.
 */

/** What a filesystem store's file of an object has behind its key. */
const objectSuffix = "+";

/** Whether there is anything in a directory of blocks but its own administration. */
export function isFilled(directory: string): boolean {
  return contentFolders.some((folder) => existsSync(join(directory, folder)));
}

export async function removeContent(directory: string, instance: string): Promise<void> {
  for (const path of objectsOf(directory, instance)) await rm(path, { recursive: true, force: true });
  for (const file of looseFiles(directory)) await rm(file, { force: true });
  removeEmptyFolders(directory);
}

/** The same, for a start, which must not go on before it is done. */
export function removeContentNow(directory: string, instance: string): void {
  for (const path of objectsOf(directory, instance)) rmSync(path, { recursive: true, force: true });
  for (const file of looseFiles(directory)) rmSync(file, { force: true });
  removeEmptyFolders(directory);
}

/** What its objects lie in, and those that say of a share that it keeps its history there, or kept it. */
function objectsOf(directory: string, instance: string): readonly string[] {
  return [join(directory, "objects", instance), ...[shareKey, leavingKey, endedKey].map((key) => join(directory, "objects", `${key(instance)}${objectSuffix}`))];
}

function looseFiles(directory: string): readonly string[] {
  return ["staging", "temp"].flatMap((name) => {
    const folder = join(directory, name);
    return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [] : [join(folder, entry.name)])) : [];
  });
}

function removeEmptyFolders(directory: string): void {
  const shares = join(directory, "objects", dirname(shareKey("-")));
  if (existsSync(shares)) removeIfEmpty(shares);
  for (const folder of contentFolders) if (existsSync(join(directory, folder))) removeIfEmpty(join(directory, folder));
}

/** Removes a directory with nothing in it. One that an operator put elsewhere, by a symlink, is his to remove. */
export function removeIfEmpty(directory: string): void {
  if (!lstatSync(directory).isDirectory() || readdirSync(directory).length > 0) return;
  rmdirSync(directory);
  syncDirectory(dirname(directory));
}
