import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { logFileMode, openLogFile } from "#base/log-file.ts";

/** When a log file gives way to a new one. */
export interface Rotation {
  /** Longer it doesn't get; 0: it is never rotated. */
  readonly bytesMax: number;
  /** Earlier ones that are kept, as FILE.1, the newest, to FILE.N. */
  readonly keep: number;
}

/**
 * One file descriptor, written to at once. Logging must never bring the server down, nor hold it up, so that what can't be written is dropped:
 * on a full disk, and where nobody reads the pipe. The first line that can be written again says how many were.
 */
export class LogOutput {
  private readonly path: string | null;
  private readonly rotation: Rotation;
  private fd: number;
  /** Of the file, as far as this process knows. */
  private bytes: number;

  /** What is written has another name already, but no new file could be opened. */
  private moved = false;

  /** Lines that could not be written since the last one that could. */
  private lost = 0;
  /** The last line was written in part. */
  private torn = false;
  private readonly lossLine: (lines: number) => string;

  /** `lossLine`: what is said of lines that were lost. */
  constructor(output: string, rotation: Rotation, lossLine: (lines: number) => string = () => "") {
    this.lossLine = lossLine;
    this.path = output === "stderr" || output === "stdout" ? null : output;
    this.rotation = rotation;
    this.fd = this.path === null ? unblocked(output === "stdout" ? 1 : 2) : openLogFile(this.path);
    this.bytes = this.path === null ? 0 : fstatSync(this.fd).size;
  }

  get terminal(): boolean {
    return isatty(this.fd);
  }

  write(line: string): void {
    const { bytesMax } = this.rotation;
    const text = this.lost === 0 ? line : `${this.torn ? "\n" : ""}${this.lossLine(this.lost)}${line}`;
    const length = Buffer.byteLength(text);
    if (bytesMax > 0 && this.path !== null && this.bytes > 0 && this.bytes + length > bytesMax) this.rotate(this.path);
    this.bytes += length;
    try {
      this.torn = writeSync(this.fd, text) < length;
      this.lost = this.torn ? this.lost + 1 : 0;
    } catch {
      // A full disk, a closed pipe: there is nobody to tell now.
      this.lost++;
    }
  }

  /** The file that has the log's name now, made where there is none: somebody else moved ours away. */
  reopen(): void {
    if (this.path !== null) this.open(this.path);
  }

  private rotate(path: string): void {
    // Moving the others on would move away, and in the end remove, what is being written.
    if (this.moved) {
      this.bytes = 0;
      return this.open(path);
    }
    for (let i = this.rotation.keep - 1; i >= 1; i--) renamed(`${path}.${i}`, `${path}.${i + 1}`);
    // Where it can't be moved it goes on, and that is tried again after as much as makes a file.
    this.bytes = 0;
    this.moved = renamed(path, `${path}.1`);
    if (this.moved) this.open(path);
  }

  private open(path: string): void {
    try {
      const next = openSync(path, "a", logFileMode);
      this.bytes = fstatSync(next).size;
      closeSync(this.fd);
      this.fd = next;
      this.moved = false;
    } catch {
      // The old file goes on being written.
    }
  }
}

/** The same pipe, but one that refuses what it has no room for: else a write waits for its reader, and with it everybody's requests. Others who have the pipe are not affected. */
function unblocked(fd: number): number {
  try {
    return fstatSync(fd).isFIFO() ? openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK) : fd;
  } catch {
    // Not on Linux, or closed: as it is.
    return fd;
  }
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}
