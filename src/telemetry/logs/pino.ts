import { type Clock, systemClock } from "#base/clock.ts";
import { coloursFor } from "#base/colours.ts";
import { pino, type Logger as Pino } from "pino";
import type { Logger } from "../logger.ts";
import { LogOutput, type Rotation } from "./output.ts";
import { Repeats } from "./repeats.ts";
import { requestFields, traceFields } from "./request.ts";
import { blanked } from "./secrets.ts";
import { textOf } from "./text.ts";

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json" | "auto";
  /** `stderr`, `stdout` or the path of a file, which is appended to. */
  readonly output: string;
  /** Of a file; absent: never. */
  readonly rotation?: Rotation;
  /** What says whether a terminal is to have colours (`coloursFor`); absent: nothing says otherwise. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Lines of one kind that are written in a second, before the rest is summed up; 0 and absent: all. */
  readonly repeatsPerSecond?: number;
}

/** A logger that writes each line at once, so that what a crash was about is there. */
export interface OpenLogger extends Logger {
  /** Opens a log file anew after it was rotated away. */
  reopen(): void;
  /** Writes from now on what is at least so severe, its children's lines too. */
  setLevel(level: LogLevel): void;
  /** Writes what it still had to say of repeated lines. */
  flush(): void;
}

const severities = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof severities;

/** What a logger and all its children share. */
interface Shared {
  readonly pino: Pino;
  readonly output: LogOutput;
  readonly repeats: Repeats;
  level: LogLevel;
}

class PinoLogger implements OpenLogger {
  private readonly shared: Shared;
  private readonly bound: object;
  /** Tells lines of this logger from equal ones of others. */
  private readonly kind: string;

  constructor(shared: Shared, bound: object) {
    this.shared = shared;
    this.bound = bound;
    this.kind = JSON.stringify(blanked(bound));
  }

  debug(fields: object, message: string): void {
    if (this.shared.level === "debug") this.write("debug", fields, message);
  }

  info(fields: object, message: string): void {
    this.unlessRepeated("info", fields, message);
  }

  warn(fields: object, message: string): void {
    this.unlessRepeated("warn", fields, message);
  }

  error(fields: object, message: string): void {
    this.unlessRepeated("error", fields, message);
  }

  child(fields: object): Logger {
    return new PinoLogger(this.shared, { ...this.bound, ...fields });
  }

  reopen(): void {
    this.shared.output.reopen();
  }

  setLevel(level: LogLevel): void {
    this.shared.level = level;
  }

  flush(): void {
    this.shared.repeats.flush();
  }

  private unlessRepeated(level: LogLevel, fields: object, message: string): void {
    if (severities[level] < severities[this.shared.level]) return;
    const about = sameIn(fields);
    const summary = (count: number): void => this.shared.pino[level](blanked({ ...this.bound, ...about, repeated: count }), message);
    if (this.shared.repeats.admits(`${level} ${this.kind} ${Object.values(about).join(" ")} ${message}`, summary)) this.write(level, fields, message);
  }

  private write(level: LogLevel, fields: object, message: string): void {
    this.shared.pino[level](blanked({ ...this.bound, ...traceFields(), ...requestFields(), ...fields }), message);
  }
}

/** Of a line, where they are words: what was called, and where. One share, or one kind of request, must not hide another's lines. */
const commonFields = ["route", "procedure", "command", "share"] as const;

/** What lines of the same kind have in common besides the message: the code of what went wrong, and what was called where. */
function sameIn(fields: object): Readonly<Record<string, string>> {
  const given = fields as Readonly<Record<string, unknown>>;
  const same: Record<string, string> = {};
  const code = given["code"] ?? codeOf(given["error"] ?? given["err"]);
  if (typeof code === "string" || typeof code === "number") same["code"] = String(code);
  for (const name of commonFields) if (typeof given[name] === "string") same[name] = given[name];
  return same;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? ((error as { readonly code?: unknown }).code ?? error.name) : undefined;
}

/** As the logger writes its lines, which can't be asked while it writes one. */
function lossLine(lines: number, clock: Clock): string {
  const { sec, nsec } = clock.now();
  const time = new Date(sec * 1000 + Math.floor(nsec / 1e6)).toISOString();
  return `${JSON.stringify({ level: "warn", time, lost: lines, msg: "lines of the log could not be written before this, and are lost: see to what reads it, and to the room on its disk" })}\n`;
}

const never: Rotation = { bytesMax: 0, keep: 1 };

/** Opens the log. Throws where its file can't be opened. */
export function openPinoLogger(options: LogOptions, clock: Clock = systemClock): OpenLogger {
  const output: LogOutput = new LogOutput(options.output, options.rotation ?? never, (lines) => shown(lossLine(lines, clock)));
  const text = options.format === "text" || (options.format === "auto" && output.terminal) ? textOf(coloursFor(output.terminal, options.environment ?? {})) : null;
  const shown = (line: string): string => (text === null ? line : text(line));
  // As a stream: a pino transport names a module to load at run time, which a compiled executable doesn't have.
  const stream = { write: (line: string): void => output.write(shown(line)) };
  const inner = pino({ level: "debug", base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } }, stream);
  return new PinoLogger({ pino: inner, output, repeats: new Repeats(options.repeatsPerSecond ?? 0, clock), level: options.level }, {});
}
