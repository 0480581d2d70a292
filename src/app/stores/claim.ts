import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readdirSync, readFileSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { removeContentNow } from "../share/block-content.ts";
import { DataDirectoryError } from "../process/data-directory.ts";
import { syncDirectory } from "../process/durable-files.ts";
import { tryLock } from "../process/native.ts";
import { contentFolders } from "../share/places.ts";

/** Whose a block directory is: the share's instance, and whether the share forgets everything when its server stops. */
export interface Owner {
  readonly instance: string;
  readonly ephemeral: boolean;
}

const ownerLine = /^dittofs share ([0-9a-f]{16})( ephemeral)?\n$/;

/**
 * Makes a block directory this share's own, for as long as the returned descriptor is open against other servers and shares, and
 * for good against other shares: two that filled packs in one directory would take each other's away. A directory with the
 * content of another share is refused; what an ephemeral one left behind is deleted.
 */
export function claimBlocks(directory: string, owner: Owner): { release(): void } {
  const fd = openSync(join(directory, "OWNER"), "a+", 0o600);
  try {
    if (!tryLock(fd)) throw new DataDirectoryError(`${directory} is in use by another server or another share`);
    const line = `dittofs share ${owner.instance}${owner.ephemeral ? " ephemeral" : ""}\n`;
    const found = readText(fd);
    // What is right stays as it is: a power cut on the way would leave content without an owner.
    if (found !== line) {
      takeOver(directory, ownerLine.exec(found), owner);
      ftruncateSync(fd, 0);
      writeSync(fd, line);
    }
    fsyncSync(fd);
    syncDirectory(directory);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { release: () => closeSync(fd) };
}

/** Whether a server has a block directory at this moment. */
export function isClaimed(directory: string): boolean {
  const path = join(directory, "OWNER");
  if (!existsSync(path)) return false;
  const fd = openSync(path, "r+");
  try {
    return !tryLock(fd);
  } finally {
    closeSync(fd);
  }
}

/** Whose a block directory is, by what was written into it; null: nobody's. */
export function ownerOf(directory: string): Owner | null {
  let text: string;
  try {
    text = readFileSync(join(directory, "OWNER"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const found = ownerLine.exec(text);
  return found === null ? null : { instance: found[1] as string, ephemeral: found[2] !== undefined };
}

function readText(fd: number): string {
  const bytes = new Uint8Array(256);
  return new TextDecoder().decode(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
}

function takeOver(directory: string, before: RegExpExecArray | null, { instance }: Owner): void {
  // Its metadata was in memory and has moved to where it lasts, or is in memory still, since it could not be opened there.
  if (before?.[1] === instance) return;
  if (before?.[2] !== undefined) removeContentNow(directory, before[1] as string);
  else refuseContentOf(directory, before?.[1] ?? null);
}

/** Refuses a block directory with content, for a share that has none yet: before its metadata is made, so that nothing is. */
export function refuseContent(directory: string): void {
  const owner = ownerOf(directory);
  if (owner?.ephemeral !== true) refuseContentOf(directory, owner?.instance ?? null);
}

function refuseContentOf(directory: string, instance: string | null): void {
  if (!contentFolders.some((name) => holdsFiles(join(directory, name)))) return;
  const whose = instance === null ? "content of a share nobody knows" : `the content of another share (instance ${instance})`;
  throw new DataDirectoryError(
    `${directory} holds ${whose}. Nothing was changed. Put back the metadata the content belongs to, give this share a place of its own (blocks.path, or another block store), or, if that metadata is lost for good, move the content away`,
  );
}

function holdsFiles(directory: string): boolean {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true }).some((entry) => !entry.isDirectory());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
