import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const chunkBytes = 64 * 1024;
/** Of a line, what holds its time and severity. */
const headBytes = 256;
const newline = 0x0a;

/** What a look from the end on says to a line: another one, older, is looked for; nothing older is; this one is too old itself. */
export type Verdict = "on" | "last" | "older";

/** One file of a log, open: as long as it is, it is the same whatever it is called meanwhile. */
export class LogFile {
  readonly inode: number;
  private readonly fd: number;
  private at = 0;
  private rest: Uint8Array = new Uint8Array(0);

  /** Throws where it can't be read. */
  constructor(path: string) {
    this.fd = openSync(path, "r");
    this.inode = fstatSync(this.fd).ino;
  }

  /** Goes to the end: what is there now isn't read. */
  skip(): void {
    this.at = fstatSync(this.fd).size;
  }

  /** From here on it is read. */
  startAt(at: number): void {
    this.at = at;
  }

  /** Gives `look` where each line begins and its beginning, the last first, until it has seen enough; false: it hasn't. A log may be large. */
  lookBack(look: (at: number, head: string) => Verdict): boolean {
    const { size } = fstatSync(this.fd);
    const chunk = new Uint8Array(chunkBytes);
    for (let end = size; end > 0; ) {
      const from = Math.max(0, end - chunkBytes);
      readSync(this.fd, chunk, 0, end - from, from);
      for (let i = end - from - 1; i >= -1; i--) {
        // A line begins after a newline, and where the file does; the newline the file ends with begins none.
        const begins = i >= 0 ? chunk[i] === newline && from + i + 1 < size : from === 0 && size > 0;
        if (begins && look(from + i + 1, this.headAt(from + i + 1)) !== "on") return true;
      }
      end = from;
    }
    return false;
  }

  private headAt(at: number): string {
    const head = new Uint8Array(headBytes);
    return new TextDecoder().decode(head.subarray(0, readSync(this.fd, head, 0, headBytes, at))).split("\n", 1)[0] ?? "";
  }

  /** Hands on every whole line there is by now; one that was cut shorter is read from its beginning. */
  read(line: (text: string) => void): void {
    if (fstatSync(this.fd).size < this.at) {
      this.at = 0;
      this.rest = new Uint8Array(0);
    }
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

  close(): void {
    closeSync(this.fd);
  }
}
