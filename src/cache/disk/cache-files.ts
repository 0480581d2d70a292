import fs from "node:fs";

/** The file operations of the cache, apart so that tests can fail and delay them. All run in the thread pool. */
export interface CacheFiles {
  makeDirectory(path: string): Promise<void>;
  /** For reading and writing; made where it is not there. */
  open(path: string, create: boolean): Promise<number>;
  close(fd: number): Promise<void>;
  /** Bytes read; fewer than asked for at the end of the file. */
  read(fd: number, target: Uint8Array, position: number): Promise<number>;
  /** Writes all of it. */
  write(fd: number, bytes: Uint8Array, position: number): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  names(directory: string): Promise<readonly string[]>;
  /** Length, allocated bytes and time of the last change in milliseconds; null where there is no such file. */
  stat(path: string): Promise<{ readonly size: number; readonly allocated: number; readonly changedMs: number } | null>;
  /** Bytes free for whoever is not root. */
  freeBytes(directory: string): Promise<number>;
}

/** A file that was linked into the cache before it became an object. */
export interface Incoming {
  readonly path: string;
  readonly size: number;
}

const unlinkable: readonly unknown[] = ["EXDEV", "EPERM", "ENOTSUP", "ENOENT", "EMLINK"];

/** No second name can be had: it would lie on another file system, or on one without links. */
export function isUnlinkable(error: unknown): boolean {
  return unlinkable.includes((error as NodeJS.ErrnoException).code);
}

const statBlockBytes = 512;

export const systemCacheFiles: CacheFiles = {
  async makeDirectory(path) {
    await fs.promises.mkdir(path, { recursive: true, mode: 0o700 });
  },
  open: (path, create) => callback((done) => fs.open(path, create ? fs.constants.O_RDWR | fs.constants.O_CREAT : fs.constants.O_RDWR, 0o600, done)),
  close: (fd) => callback((done) => fs.close(fd, (error) => done(error ?? null, undefined))),
  async read(fd, target, position) {
    let got = 0;
    while (got < target.byteLength) {
      const some = await callback<number>((done) => fs.read(fd, target, got, target.byteLength - got, position + got, done));
      if (some === 0) break;
      got += some;
    }
    return got;
  },
  async write(fd, bytes, position) {
    let wrote = 0;
    while (wrote < bytes.byteLength) {
      const some = await callback<number>((done) => fs.write(fd, bytes, wrote, bytes.byteLength - wrote, position + wrote, done));
      if (some <= 0) throw new Error("a write wrote nothing");
      wrote += some;
    }
  },
  link: (from, to) => fs.promises.link(from, to),
  rename: (from, to) => fs.promises.rename(from, to),
  async unlink(path) {
    try {
      await fs.promises.unlink(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  },
  async names(directory) {
    try {
      return await fs.promises.readdir(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return [];
    }
  },
  async stat(path) {
    try {
      const { size, blocks, mtimeMs } = await fs.promises.stat(path);
      return { size, allocated: blocks * statBlockBytes, changedMs: mtimeMs };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return null;
    }
  },
  async freeBytes(directory) {
    const { bavail, bsize } = await fs.promises.statfs(directory);
    return bavail * bsize;
  },
};

function callback<T>(run: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => run((error, value) => (error === null || error === undefined ? resolve(value) : reject(error))));
}
