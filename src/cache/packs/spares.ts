import fs from "node:fs";
import type { Clock, Timer } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileOps } from "../log/file-ops.ts";

/** Files kept: at most so many, and at most this part of the disk's free room. They come many at a time, as a flush ends. */
const sparesMax = 48;
const roomPart = 1 / 64;
/** Those nobody takes are given back after this. */
const idleMs = 60_000;
/** A file shorter than this is not worth keeping. Its own length counts: what a pack of it held before may lie behind the pack's end. */
const spareBytesMin = 8 * 1024 * 1024;

export const spareName = /^spare-[0-9]+\.pack$/;

interface Spare {
  readonly path: string;
  readonly bytes: number;
  readonly fd: number;
}

/**
 * Files of packs that were given up, for packs to come: to write over blocks and memory a file has takes half as long as to have new
 * ones found, and to delete one takes as long again. What they hold is nobody's; whoever takes one writes before reading, and a start
 * deletes those of the process before.
 */
export class PackSpares {
  private readonly directory: string;
  private readonly files: FileOps;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly list: Spare[] = [];
  private number = 0;
  private bytes = 0;
  private used = false;
  private timer: Timer | null = null;
  private closed = false;

  constructor(directory: string, files: FileOps, clock: Clock, logger: Logger) {
    this.directory = directory;
    this.files = files;
    this.clock = clock;
    this.logger = logger;
  }

  /** Gives a spare file the name `path`; its descriptor, or null where there is none. */
  take(path: string): number | null {
    const spare = this.list.pop();
    if (spare === undefined) return null;
    this.bytes -= spare.bytes;
    this.used = true;
    try {
      this.files.renameSync(spare.path, path);
      return spare.fd;
    } catch (error) {
      this.logger.warn({ path: spare.path, error }, "a spare pack file could not be used");
      this.discard(spare);
      return null;
    }
  }

  /** Takes over the file of a pack that was given up; false: its owner deletes it. */
  keep(path: string, fd: number): boolean {
    if (this.closed || this.list.length >= sparesMax) return false;
    try {
      const { size: bytes, nlink } = fs.fstatSync(fd);
      // By another name it is somebody's still: the disk cache's, or of a backup by links. What they have is not to be written over.
      if (nlink !== 1 || bytes < spareBytesMin) return false;
      if (this.bytes + bytes > this.files.freeBytesSync(this.directory) * roomPart) return false;
      const spare = { path: `${this.directory}/spare-${this.number++}.pack`, fd, bytes };
      this.files.renameSync(path, spare.path);
      this.list.push(spare);
      this.bytes += bytes;
    } catch {
      return false;
    }
    this.used = true;
    this.watch();
    return true;
  }

  private watch(): void {
    if (this.list.length === 0) return;
    this.timer ??= this.clock.after(idleMs, () => {
      this.timer = null;
      if (!this.used) this.drop();
      this.used = false;
      this.watch();
    });
  }

  /** Gives their room back. */
  drop(): void {
    this.bytes = 0;
    for (const spare of this.list.splice(0)) this.discard(spare);
  }

  /** As `drop`; none is kept any more. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    this.drop();
  }

  private discard({ path, fd }: Spare): void {
    this.files.closeSync(fd);
    this.files.unlink(path, (error) => {
      if (error) this.logger.warn({ path, error }, "a spare pack file could not be deleted; the next start does it");
    });
  }
}
