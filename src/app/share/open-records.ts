import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { OpenRecords } from "#model/open-records.ts";
import { makeDirectory } from "../process/durable-files.ts";

/** In a share's content directory: opens that outlive the server. */
export const openRecordsFolder = "opens";
/** Opens of a share that may. */
export const openRecordsMax = 16_384;

const keyPattern = /^[0-9a-f]{16}$/;

/** Records as files of a directory, one an open, each replaced whole and durable in its entry. */
export class OpenRecordFiles implements OpenRecords {
  private readonly directory: string;
  private readonly keys = new Set<string>();
  /** The last thing that is done to a record, while it is under way: each is written and removed in the order that was asked for. */
  private readonly underWay = new Map<string, Promise<void>>();
  private made = false;

  constructor(contentDirectory: string) {
    this.directory = join(contentDirectory, openRecordsFolder);
  }

  async load(): Promise<ReadonlyMap<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    for (const name of await namesIn(this.directory)) {
      if (keyPattern.test(name)) found.set(name, new Uint8Array(await readFile(join(this.directory, name))));
      // What a stop left half written was never acknowledged.
      else await rm(join(this.directory, name), { force: true });
    }
    for (const key of found.keys()) this.keys.add(key);
    return found;
  }

  async put(key: string, record: Uint8Array): Promise<void> {
    if (!this.keys.has(key) && this.keys.size >= openRecordsMax) throw new Error(`${openRecordsMax} open files of the share are recorded to outlive the server, which is the most there may be`);
    this.keys.add(key);
    await this.inTurn(key, () => this.write(key, record));
  }

  private async write(key: string, record: Uint8Array): Promise<void> {
    if (!this.made) makeDirectory(this.directory);
    this.made = true;
    const path = join(this.directory, key);
    const temporary = `${path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(record);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await this.sync();
  }

  async remove(key: string): Promise<void> {
    this.keys.delete(key);
    await this.inTurn(key, () => rm(join(this.directory, key), { force: true }));
  }

  private async inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const before = this.underWay.get(key);
    const done = before === undefined ? work() : before.then(work, work);
    this.underWay.set(key, done);
    try {
      await done;
    } finally {
      if (this.underWay.get(key) === done) this.underWay.delete(key);
    }
  }

  private async sync(): Promise<void> {
    const directory = await open(this.directory, "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
