/**
 * Objects as files of a local file system, at `objects/` + key + "+" (no key has a "+": a key may be the directory of another).
 *
 * Invariants
 * - An object appears under its key whole and synced, by link or rename, and `put` resolves after the sync of its directory.
 * - A file in `staging/` is adopted by renaming it, so that it is never an object and an open pack at once. That no key is put
 *   twice is guarded within the process: one process owns a store.
 * - A listing is complete or throws; that the store is there at all (and not an empty mount point) is seen by its `format` file.
 */
import fs from "node:fs";
import { dirname, join } from "node:path";
import {
  MissingObjectError,
  StoreFullError,
  type AdoptsFiles,
  type BlockStore,
  type ObjectSource,
  type SynchronousReads,
} from "#model/block-store.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { Directories, errorCode, removeIfThere, systemDisk, type Disk } from "./disk.ts";
import { readNow, ReadNow } from "./native.ts";
import { OpenFiles } from "./open-files.ts";
import { writeSlices } from "./writing.ts";
import { checkFormat, makeRoot } from "./root.ts";

export type { Disk } from "./disk.ts";
export { systemDisk } from "./disk.ts";

export type FilesystemBlocks = BlockStore & SynchronousReads & AdoptsFiles;

export interface FilesystemOptions {
  readonly directory: string;
  /** Files kept open for reading; 256 where absent. */
  readonly openFilesMax?: number;
  /** Somebody else has the directory open: what is being written there is his. */
  readonly beside?: boolean;
  /** The file operations, for tests. */
  readonly disk?: Disk;
}

const openFilesMaxDefault = 256;
const objectSuffix = "+";
/** Deletions that run at a time. */
const deletesMax = 8;
/** By this process: stores that are open on one directory at a time, here and in other processes, name what they write differently. */
let storesOpened = 0;

export async function openFilesystemBlocks(options: FilesystemOptions): Promise<FilesystemBlocks> {
  const disk = options.disk ?? systemDisk;
  await makeRoot(disk, options.directory);
  for (const name of ["objects", "staging", "temp"]) {
    await fs.promises.mkdir(join(options.directory, name), { recursive: true, mode: 0o700 });
  }
  for (const name of options.beside === true ? [] : await fs.promises.readdir(join(options.directory, "temp"))) await disk.unlink(join(options.directory, "temp", name));
  await checkFormat(disk, options.directory);
  await disk.syncDirectory(options.directory);
  return new FilesystemStore(options.directory, disk, options.openFilesMax ?? openFilesMaxDefault);
}

class FilesystemStore implements FilesystemBlocks {
  readonly stagingDirectory: string;
  readonly #directory: string;
  readonly #objects: string;
  readonly #temp: string;
  readonly #disk: Disk;
  readonly #directories: Directories;
  readonly #open: OpenFiles;
  readonly #arriving = new Set<string>();
  readonly #tempPrefix = `${process.pid}-${++storesOpened}-`;
  #tempNumber = 0;
  #readsNow = true;

  constructor(directory: string, disk: Disk, openFilesMax: number) {
    this.#directory = directory;
    this.#objects = join(directory, "objects");
    this.#temp = join(directory, "temp");
    this.stagingDirectory = join(directory, "staging");
    this.#disk = disk;
    this.#directories = new Directories(disk, this.#objects);
    this.#open = new OpenFiles(openFilesMax, (key) => this.#path(key));
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    checkKey(key);
    if (this.#arriving.has(key)) throw new Error(`the block store already has an object ${key}`);
    this.#arriving.add(key);
    const path = this.#path(key);
    try {
      await this.#directories.ensure(dirname(path));
      if (source.from === "slices") await this.#store(path, (file) => writeSlices(file.fd, source.slices));
      else await this.#adopt(path, source.path, source.size);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOSPC" || code === "EDQUOT") throw new StoreFullError(`no room for object ${key}`);
      if (code === "EEXIST") throw new Error(`the block store already has an object ${key}`);
      throw error;
    } finally {
      this.#arriving.delete(key);
    }
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array): Promise<Uint8Array> {
    checkKey(key);
    const into = target ?? new Uint8Array(length);
    let file;
    try {
      file = await this.#open.use(key);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      await this.#check();
      throw new MissingObjectError(key);
    }
    try {
      let done = 0;
      while (done < length) {
        const got = await readSome(file.fd, into, done, length - done, offset + done);
        if (got === 0) throw new Error(`object ${key} ends at or before ${offset + done}, before ${offset + length}`);
        done += got;
      }
      return into;
    } finally {
      this.#open.release(file);
    }
  }

  getNow(key: string, offset: number, target: Uint8Array): boolean {
    if (!this.#readsNow) return false;
    const file = this.#open.now(key);
    if (file === null) return false;
    const outcome = readNow(file.fd, offset, target);
    if (outcome === ReadNow.unsupported) this.#readsNow = false;
    return outcome === ReadNow.done;
  }

  async size(key: string): Promise<number | null> {
    checkKey(key);
    try {
      return (await fs.promises.stat(this.#path(key))).size;
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      await this.#check();
      return null;
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    for (let at = 0; at < keys.length; at += deletesMax) {
      await Promise.all(
        keys.slice(at, at + deletesMax).map(async (key) => {
          if (!(await removeIfThere(this.#disk, this.#path(key)))) await this.#check();
          await this.#open.drop(key);
        }),
      );
    }
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    checkPrefix(prefix);
    await this.#check();
    const above = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    try {
      await fs.promises.stat(join(this.#objects, above));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return; // no object was ever put there
      throw error;
    }
    yield* this.#walk(above, prefix);
  }

  async space(): Promise<{ readonly free: number; readonly total: number } | null> {
    const stat = await fs.promises.statfs(this.#directory);
    return { free: stat.bavail * stat.bsize, total: stat.blocks * stat.bsize };
  }

  async close(): Promise<void> {
    await this.#open.dropAll();
  }

  #path(key: string): string {
    return `${this.#objects}/${key}${objectSuffix}`;
  }

  /** Throws where the store's directory is not there any more. */
  async #check(): Promise<void> {
    await fs.promises.stat(join(this.#directory, "format"));
    await fs.promises.stat(this.#objects);
  }

  /** Objects under the directory `above` ("" or ending in "/"). */
  async *#walk(above: string, prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    for (const entry of await fs.promises.readdir(join(this.#objects, above), { withFileTypes: true })) {
      const path = above + entry.name;
      if (entry.name.endsWith(objectSuffix)) {
        const key = path.slice(0, -objectSuffix.length);
        const size = key.startsWith(prefix) ? await this.size(key) : null;
        if (size !== null) yield { key, size };
      } else if (!entry.isFile() && (`${path}/`.startsWith(prefix) || prefix.startsWith(`${path}/`))) {
        yield* this.#walk(`${path}/`, prefix);
      }
    }
  }

  /** Makes an object of what `fill` writes: nothing is seen of it before all of it is on the disk. */
  async #store(path: string, fill: (file: fs.promises.FileHandle) => Promise<void>): Promise<void> {
    const temp = join(this.#temp, this.#tempPrefix + this.#tempNumber++);
    try {
      const file = await fs.promises.open(temp, "wx", 0o600);
      try {
        await fill(file);
        await this.#disk.sync(file);
      } finally {
        await file.close();
      }
      await this.#disk.link(temp, path);
      await this.#named(path, () => this.#disk.unlink(path));
    } finally {
      await removeIfThere(this.#disk, temp);
    }
  }

  /** Makes an object's name durable. Where that fails the name goes: a later sync may succeed without it, and who finds the object takes it for stored. */
  async #named(path: string, undo: () => Promise<void>): Promise<void> {
    try {
      await this.#disk.syncDirectory(dirname(path));
    } catch (error) {
      await undo().catch(() => {});
      throw error;
    }
  }

  /** Takes a synced file over: by renaming it, or by a copy where it lies on another file system. */
  async #adopt(path: string, from: string, size: number): Promise<void> {
    const found = (await fs.promises.stat(from)).size;
    if (found !== size) throw new Error(`${from} has ${found} bytes, not ${size}`);
    if (await isThere(path)) throw Object.assign(new Error(path), { code: "EEXIST" });
    try {
      await this.#disk.rename(from, path);
    } catch (error) {
      if (errorCode(error) !== "EXDEV") throw error;
      await this.#store(path, (file) => copyFile(from, file, size));
      await this.#disk.unlink(from);
    }
    // The new name first: at no moment may the disk know of neither.
    await this.#named(path, () => this.#disk.rename(path, from));
    await this.#disk.syncDirectory(dirname(from));
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await fs.promises.stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

const copyBytes = 1 << 20;

async function copyFile(from: string, to: fs.promises.FileHandle, size: number): Promise<void> {
  const file = await fs.promises.open(from, "r");
  try {
    const piece = new Uint8Array(Math.min(copyBytes, Math.max(1, size)));
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.byteLength, size - at), at);
      if (bytesRead === 0) throw new Error(`${from} became shorter while it was copied`);
      for (let done = 0; done < bytesRead; ) done += (await to.write(piece, done, bytesRead - done, at + done)).bytesWritten;
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

function readSome(fd: number, target: Uint8Array, at: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.read(fd, target, at, length, position, (error, got) => (error ? reject(error) : resolve(got))),
  );
}
