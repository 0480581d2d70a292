import type { CacheFiles } from "./cache-files.ts";

interface OpenFile {
  readonly fd: Promise<number>;
  users: number;
  dropped: boolean;
}

/** Files kept open, at most so many: the one used longest ago is closed first, each when nobody uses it. */
export class OpenFiles {
  private readonly files = new Map<number, OpenFile>();
  /** Closes that made room, under way. */
  private readonly closing = new Set<Promise<void>>();
  private readonly io: CacheFiles;
  private readonly max: number;

  constructor(io: CacheFiles, max: number) {
    this.io = io;
    this.max = max;
  }

  /** Runs `use` with the file open. Rejects where it can't be opened, or as `use` does. */
  async with<T>(id: number, path: string, create: boolean, use: (fd: number) => Promise<T>): Promise<T> {
    let file = this.files.get(id);
    if (file === undefined) file = { fd: this.io.open(path, create), users: 0, dropped: false };
    else this.files.delete(id);
    this.files.set(id, file);
    file.users++;
    if (this.files.size > this.max) this.dropOldest();
    try {
      return await use(await file.fd);
    } catch (error) {
      this.drop(id, file);
      throw error;
    } finally {
      file.users--;
      await this.closeIfDone(file);
    }
  }

  /** It is not found open again; what uses it goes on. */
  async forget(id: number): Promise<void> {
    const file = this.files.get(id);
    if (file === undefined) return;
    this.drop(id, file);
    await this.closeIfDone(file);
  }

  async closeAll(): Promise<void> {
    for (const id of [...this.files.keys()]) await this.forget(id);
    await Promise.all(this.closing);
  }

  private dropOldest(): void {
    for (const [id, file] of this.files) {
      this.drop(id, file);
      const closing = this.closeIfDone(file).then(() => void this.closing.delete(closing));
      this.closing.add(closing);
      return;
    }
  }

  private drop(id: number, file: OpenFile): void {
    if (this.files.get(id) === file) this.files.delete(id);
    file.dropped = true;
  }

  private async closeIfDone(file: OpenFile): Promise<void> {
    if (!file.dropped || file.users > 0) return;
    try {
      await this.io.close(await file.fd);
    } catch {
      // It was never open, or the disk is broken: nothing is lost that a copy could hold.
    }
  }
}
