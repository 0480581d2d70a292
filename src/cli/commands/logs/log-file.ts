import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { timeOfLine } from "./entry.ts";

const chunkBytes = 64 * 1024;
/** Of a line, what holds its time. */
const headBytes = 256;
const newline = 0x0a;

export interface From {
  /** The last so many lines. */
  readonly lines: number;
  /** None written before: milliseconds since 1970. */
  readonly sinceMs: number | null;
}

/** A log that is read from near its end on, and followed through rotations. */
export class LogFile {
  private readonly path: string;
  private fd: number;
  private at: number;
  private rest: Uint8Array = new Uint8Array(0);

  constructor(path: string, from: From) {
    this.path = path;
    this.fd = openSync(path, "r");
    this.at = startOf(this.fd, from);
  }

  /** Hands on every whole line there is by now. */
  read(line: (text: string) => void): void {
    const decoder = new TextDecoder();
    for (;;) {
      const chunk = new Uint8Array(chunkBytes);
      const length = readSync(this.fd, chunk, 0, chunkBytes, this.at);
      if (length === 0) return;
      this.at += length;
      const bytes = Buffer.concat([this.rest, chunk.subarray(0, length)]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        line(decoder.decode(bytes.subarray(start, end)));
        start = end + 1;
      }
      this.rest = bytes.subarray(start);
    }
  }

  /** The last line, should it have no end. */
  readRest(line: (text: string) => void): void {
    if (this.rest.length > 0) line(new TextDecoder().decode(this.rest));
    this.rest = new Uint8Array(0);
  }

  /** Notices that the file was cut, or that another took its place; what it still held should be read before. */
  followRotation(): void {
    if (fstatSync(this.fd).size < this.at) this.begin();
    let there: number;
    try {
      there = statSync(this.path).ino;
    } catch {
      // Moved away, the next not made yet.
      return;
    }
    if (there === fstatSync(this.fd).ino) return;
    const next = openSync(this.path, "r");
    closeSync(this.fd);
    this.fd = next;
    this.begin();
  }

  private begin(): void {
    this.at = 0;
    this.rest = new Uint8Array(0);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** Where the first line that is wanted begins, found from the end: a log may be large. */
function startOf(fd: number, { lines, sinceMs }: From): number {
  const { size } = fstatSync(fd);
  if (lines === 0) return size;
  const chunk = new Uint8Array(chunkBytes);
  let found = 0;
  let start = size;
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - chunkBytes);
    readSync(fd, chunk, 0, end - from, from);
    for (let i = end - from - 1; i >= -1; i--) {
      // A line begins after a newline, and where the file does; the newline the file ends with begins none.
      const begins = i >= 0 ? chunk[i] === newline && from + i + 1 < size : from === 0 && size > 0;
      if (!begins) continue;
      const at = from + i + 1;
      const ms = sinceMs === null ? null : timeOfLine(headAt(fd, at));
      if (sinceMs !== null && ms !== null && ms < sinceMs) return start;
      found++;
      // A line without a time goes with the one before it, which may be too old.
      if (sinceMs === null || ms !== null) start = at;
      if (found === lines) return start;
    }
    end = from;
  }
  return start;
}

function headAt(fd: number, at: number): string {
  const head = new Uint8Array(headBytes);
  return new TextDecoder().decode(head.subarray(0, readSync(fd, head, 0, headBytes, at))).split("\n", 1)[0] ?? "";
}
