import fs from "node:fs";
import { dirname } from "node:path";

/** The file operations durability depends on, apart so that tests can fail and record them. All run in the thread pool. */
export interface Disk {
  /** fdatasync of an open file. */
  sync(file: fs.promises.FileHandle): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** A second name; EEXIST where there is such a name already. */
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

export const systemDisk: Disk = {
  sync: (file) => file.datasync(),
  async syncDirectory(path) {
    const directory = await fs.promises.open(path, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  link: (from, to) => fs.promises.link(from, to),
  rename: (from, to) => fs.promises.rename(from, to),
  unlink: (path) => fs.promises.unlink(path),
};

/** The code of a system error ("ENOENT"), or "" for anything else. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Deletes a file that may not be there; whether it was. */
export async function removeIfThere(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.unlink(path);
    return true;
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    return false;
  }
}

/** Most directories remembered as durable; forgetting them costs a sync each. */
const knownMax = 8192;

/** Makes directories below a root that is there, names durable. */
export class Directories {
  readonly #disk: Disk;
  readonly #root: string;
  readonly #known = new Set<string>();

  constructor(disk: Disk, root: string) {
    this.#disk = disk;
    this.#root = root;
  }

  /** `path` lies below the root. A directory found is synced too: it may have been made by somebody who did not get so far. */
  async ensure(path: string): Promise<void> {
    if (path === this.#root || this.#known.has(path)) return;
    const parent = dirname(path);
    await this.ensure(parent);
    try {
      await fs.promises.mkdir(path, { mode: 0o700 });
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    await this.#disk.syncDirectory(parent);
    if (this.#known.size >= knownMax) this.#known.clear();
    this.#known.add(path);
  }
}
