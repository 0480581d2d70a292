import { statSync } from "node:fs";
import { isContinuation, severityOfLine, timeOfLine } from "./entry.ts";
import { LogFile, type Verdict } from "./log-file.ts";

/** More earlier files than a server keeps are not looked for. */
const rotatedMax = 1000;
/** Looks at a file that was moved away: whoever moved it may tell the server a moment later, which writes to it until then. */
const farewellLooks = 20;

export interface Wanted {
  /** The last so many lines; of those severe enough, where not all are. */
  readonly lines: number;
  /** None written before: milliseconds since 1970. */
  readonly sinceMs: number | null;
  /** The least place in `levels`; 0: all there is. */
  readonly severity: number;
}

type Print = (line: string) => void;

/** A log with the files it was rotated to (FILE.1 is the newest of them), read from near its end on, and followed through rotations. */
export class LogFiles {
  private readonly path: string;
  private readonly wanted: Wanted;
  /** Those to be read, the oldest first; the last is the one that is written. */
  private readonly files: LogFile[];
  private leaving: { readonly file: LogFile; looks: number } | null = null;
  /** Whether lines that go on with an earlier one are printed. */
  private showing = true;

  /** Throws where the log can't be read. */
  constructor(path: string, wanted: Wanted) {
    this.path = path;
    this.wanted = wanted;
    this.files = [new LogFile(path)];
    this.findStart();
  }

  /** Hands on every whole line that is wanted and there by now. */
  read(print: Print): void {
    const filtered = this.filtered(print);
    this.leaving?.file.read(filtered);
    while (this.files.length > 1) {
      const oldest = this.files.shift() as LogFile;
      oldest.read(filtered);
      oldest.readRest(filtered);
      oldest.close();
    }
    this.current.read(filtered);
  }

  /** The last line, should it have no end. */
  readRest(print: Print): void {
    this.current.readRest(this.filtered(print));
  }

  /** Notices that another file took the place of the one that was written, and reads that and those in between from now on. */
  followRotation(): void {
    if (this.leaving !== null && --this.leaving.looks === 0) {
      this.leaving.file.close();
      this.leaving = null;
    }
    const { inode } = this.current;
    // Moved away, the next not made yet, or not moved at all.
    if ([null, inode].includes(inodeOf(this.path))) return;
    let moved = 1;
    while (moved < rotatedMax && ![null, inode].includes(inodeOf(`${this.path}.${moved}`))) moved++;
    const isFound = inodeOf(`${this.path}.${moved}`) === inode;
    const names = isFound ? Array.from({ length: moved - 1 }, (_, i) => `${this.path}.${moved - 1 - i}`) : [];
    const next = [...names, this.path].flatMap((name) => opened(name));
    if (next.length === 0) return;
    this.leaving?.file.close();
    this.leaving = { file: this.files.pop() as LogFile, looks: farewellLooks };
    this.files.push(...next);
  }

  close(): void {
    for (const file of [...this.files, ...(this.leaving === null ? [] : [this.leaving.file])]) file.close();
  }

  private get current(): LogFile {
    return this.files[this.files.length - 1] as LogFile;
  }

  /** Goes back through the log, and the files before it, to the first line that is wanted. */
  private findStart(): void {
    if (this.wanted.lines === 0) return this.current.skip();
    const look = new LookBack(this.wanted);
    for (let i = 0; i <= rotatedMax; i++) {
      const file = this.files[0] as LogFile;
      look.begin();
      const enough = file.lookBack((at, head) => look.at(at, head));
      if (look.startAt === null) file.skip();
      else file.startAt(look.startAt);
      if (enough) return;
      const [earlier] = opened(`${this.path}.${i + 1}`);
      if (earlier === undefined) return;
      // Rotated meanwhile: it is the one that was read just now.
      if (this.files.some(({ inode }) => inode === earlier.inode)) earlier.close();
      else this.files.unshift(earlier);
    }
  }

  private filtered(print: Print): Print {
    const { severity } = this.wanted;
    if (severity === 0) return print;
    return (line) => {
      const of = severityOfLine(line);
      // What is no line of the logger's, such as a crash of the runtime, is always of interest.
      if (of !== null) this.showing = of >= severity;
      else if (!isContinuation(line)) this.showing = true;
      if (this.showing) print(line);
    };
  }
}

/** Counts lines from the end back. */
class LookBack {
  /** Where the first wanted line of the file begins, as far as it was seen; null: none is wanted. */
  startAt: number | null = null;
  private readonly wanted: Wanted;
  private found = 0;

  constructor(wanted: Wanted) {
    this.wanted = wanted;
  }

  /** Another file, the one before. */
  begin(): void {
    this.startAt = null;
  }

  at(at: number, head: string): Verdict {
    const { lines, sinceMs, severity } = this.wanted;
    const ms = sinceMs === null ? null : timeOfLine(head);
    if (sinceMs !== null && ms !== null && ms < sinceMs) return "older";
    if (severity > 0) {
      const of = severityOfLine(head);
      if (of === null ? isContinuation(head) : of < severity) return "on";
    }
    this.found++;
    // A line without a time goes with the one before it, which may be too old.
    if (sinceMs === null || ms !== null) this.startAt = at;
    return this.found === lines ? "last" : "on";
  }
}

/** The file, where it is there and can be read. */
function opened(path: string): readonly LogFile[] {
  try {
    return [new LogFile(path)];
  } catch {
    return [];
  }
}

function inodeOf(path: string): number | null {
  try {
    return statSync(path).ino;
  } catch {
    return null;
  }
}
