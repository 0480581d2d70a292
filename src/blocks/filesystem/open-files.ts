import fs from "node:fs";

/** A file kept open for reading. */
export class OpenFile {
  readonly key: string;
  /** -1 until it is open and after it was closed. */
  fd = -1;
  /** Reads that use it. */
  users = 0;
  /** To be closed by its last user. */
  dropped = false;
  readonly closed = Promise.withResolvers<void>();
  opening: Promise<void> | null = null;

  constructor(key: string) {
    this.key = key;
  }
}

/** Files open for reading, by key, at most so many: the one used longest ago is closed first. */
export class OpenFiles {
  readonly #max: number;
  readonly #pathOf: (key: string) => string;
  readonly #files = new Map<string, OpenFile>();
  /** Dropped and not yet closed. */
  readonly #closing = new Set<OpenFile>();

  constructor(max: number, pathOf: (key: string) => string) {
    this.#max = max;
    this.#pathOf = pathOf;
  }

  /** The file if it is open already, for a use that ends before anything else runs. */
  now(key: string): OpenFile | null {
    const file = this.#files.get(key);
    return file === undefined || file.fd < 0 ? null : file;
  }

  /** Opens the file or finds it open; `release` it afterwards. Throws as open(2) does. */
  async use(key: string): Promise<OpenFile> {
    let file = this.#files.get(key);
    if (file === undefined) {
      file = new OpenFile(key);
      file.opening = this.#open(file);
    } else {
      this.#files.delete(key);
    }
    this.#files.set(key, file);
    file.users++;
    if (this.#files.size > this.#max) this.#dropOldest();
    if (file.opening !== null) {
      try {
        await file.opening;
      } catch (error) {
        this.release(file);
        throw error;
      }
    }
    return file;
  }

  release(file: OpenFile): void {
    file.users--;
    this.#closeIfDone(file);
  }

  /** Resolves when the file is closed, by its last user. */
  async drop(key: string): Promise<void> {
    const file = this.#files.get(key);
    if (file === undefined) return;
    this.#drop(file);
    await file.closed.promise;
  }

  /** Resolves when every file is closed, also those that were dropped before. */
  async dropAll(): Promise<void> {
    for (const file of [...this.#files.values()]) this.#drop(file);
    await Promise.all([...this.#closing].map((file) => file.closed.promise));
  }

  #dropOldest(): void {
    for (const file of this.#files.values()) return this.#drop(file);
  }

  #drop(file: OpenFile): void {
    this.#files.delete(file.key);
    file.dropped = true;
    this.#closing.add(file);
    this.#closeIfDone(file);
  }

  async #open(file: OpenFile): Promise<void> {
    try {
      file.fd = await new Promise<number>((resolve, reject) =>
        fs.open(this.#pathOf(file.key), "r", (error, fd) => (error ? reject(error) : resolve(fd))),
      );
    } catch (error) {
      if (this.#files.get(file.key) === file) this.#files.delete(file.key);
      file.dropped = true;
      throw error;
    } finally {
      file.opening = null;
    }
  }

  #closeIfDone(file: OpenFile): void {
    if (!file.dropped || file.users > 0) return;
    const fd = file.fd;
    file.fd = -1;
    const closed = (): void => {
      this.#closing.delete(file);
      file.closed.resolve();
    };
    if (fd < 0) return closed();
    // The last close of a deleted file frees its blocks: in the thread pool.
    fs.close(fd, closed);
  }
}
