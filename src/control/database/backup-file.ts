import { createHash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdtempSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseError } from "./port.ts";
import { syncDirectory } from "./sqlite-files.ts";

/** The longest line that is read: a row with its JSON. */
const lineBytesMax = 64 * 1024 * 1024;
const chunkBytes = 1024 * 1024;
const newline = 0x0a;

/** Lines into a file that is there whole, under its name, or not at all. */
export class BackupWriter {
  private readonly file: string;
  /** A directory of our own beside the file: nobody else can put something in the way there. */
  private readonly workshop: string;
  private readonly fd: number;
  private hash = createHash("sha256");
  private buffered: string[] = [];
  private bufferedLength = 0;
  private written = 0;

  constructor(file: string) {
    this.file = file;
    this.workshop = mkdtempSync(`${file}.partial-`);
    this.fd = openSync(join(this.workshop, "backup"), "wx", 0o600);
  }

  /** Forgets what was written. */
  restart(): void {
    this.hash = createHash("sha256");
    this.buffered = [];
    this.bufferedLength = 0;
    this.written = 0;
    ftruncateSync(this.fd, 0);
  }

  line(value: unknown): void {
    const text = `${JSON.stringify(value)}\n`;
    this.buffered.push(text);
    this.bufferedLength += text.length;
    if (this.bufferedLength >= chunkBytes) this.write();
  }

  private write(): void {
    const bytes = Buffer.from(this.buffered.join(""));
    this.buffered = [];
    this.bufferedLength = 0;
    this.hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const took = writeSync(this.fd, bytes, at, bytes.length - at, this.written);
      at += took;
      this.written += took;
    }
  }

  /** The last line, with the checksum of those before it; then the file takes its name, durably. */
  finish(rows: number): void {
    this.write();
    this.line({ end: true, rows, sha256: this.hash.copy().digest("hex") });
    this.write();
    fsyncSync(this.fd);
    renameSync(join(this.workshop, "backup"), this.file);
    syncDirectory(dirname(this.file));
  }

  close(): void {
    closeSync(this.fd);
    rmSync(this.workshop, { recursive: true, force: true });
  }
}

/** A line of a backup; `sha256Before` is the checksum of all lines before it. */
export interface BackupLine {
  readonly number: number;
  readonly value: unknown;
  readonly sha256Before: () => string;
}

/** The lines of a backup, one after another; throws DatabaseError where it holds none. */
export function* backupLines(file: string): Generator<BackupLine> {
  const fd = openToRead(file);
  try {
    const hash = createHash("sha256");
    let rest: Buffer = Buffer.alloc(0);
    let number = 0;
    const chunk = Buffer.alloc(chunkBytes);
    for (;;) {
      const read = readSync(fd, chunk, 0, chunk.length, null);
      if (read === 0) break;
      let bytes: Buffer = Buffer.concat([rest, chunk.subarray(0, read)]);
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline)) {
        const line = bytes.subarray(0, end + 1);
        yield { number: ++number, value: parse(file, number, line), sha256Before: () => hash.copy().digest("hex") };
        hash.update(line);
        bytes = bytes.subarray(end + 1);
      }
      if (bytes.length > lineBytesMax) throw damagedBackup(file, `line ${number + 1} is longer than any of a backup`);
      rest = bytes;
    }
    if (rest.length > 0) throw damagedBackup(file, `line ${number + 1} is cut off`);
  } finally {
    closeSync(fd);
  }
}

function openToRead(file: string): number {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    throw new DatabaseError(`the backup ${file} can't be opened (${(error as NodeJS.ErrnoException).code}). Check its name and whether this user may read it`);
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new DatabaseError(`${file} is no file`);
}

function parse(file: string, number: number, line: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(line));
  } catch {
    throw damagedBackup(file, `line ${number} is no JSON`);
  }
}

export function damagedBackup(file: string, what: string): DatabaseError {
  return new DatabaseError(`${file} is no whole backup of a control plane: ${what}. Nothing was changed. Take another backup`);
}
