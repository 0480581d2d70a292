import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { pino, type Logger as Pino } from "pino";
import pretty from "pino-pretty";
import type { Logger } from "./logger.ts";

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json" | "auto";
  /** `stderr`, `stdout` or the path of a file, which is appended to. */
  readonly output: string;
}

/** A logger that writes each line at once, so that what a crash was about is there. */
export interface OpenLogger extends Logger {
  /** Opens a log file anew after it was rotated away. */
  reopen(): void;
  /** Writes from now on what is at least so severe, its children's lines too. */
  setLevel(level: LogLevel): void;
}

const severities = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof severities;

/** One file descriptor, written to at once. Logging must never bring the server down, so that what can't be written is dropped. */
class LogFile {
  private readonly path: string | null;
  private fd: number;

  constructor(output: string) {
    this.path = output === "stderr" || output === "stdout" ? null : output;
    this.fd = this.path === null ? (output === "stdout" ? 1 : 2) : openSync(this.path, "a", 0o640);
  }

  get terminal(): boolean {
    return isatty(this.fd);
  }

  write(line: string): void {
    try {
      writeSync(this.fd, line);
    } catch {
      // A full disk, a closed pipe: there is nobody left to tell.
    }
  }

  reopen(): void {
    if (this.path === null) return;
    try {
      const next = openSync(this.path, "a", 0o640);
      fstatSync(next);
      closeSync(this.fd);
      this.fd = next;
    } catch {
      // The old file goes on being written.
    }
  }
}

/** What is severe enough, for a logger and all its children. */
interface Gate {
  level: LogLevel;
}

function adapt(inner: Pino, file: LogFile, gate: Gate): OpenLogger {
  const at = (level: LogLevel) => (fields: object, message: string) => {
    if (severities[level] >= severities[gate.level]) inner[level](fields, message);
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => adapt(inner.child(fields), file, gate),
    reopen: () => file.reopen(),
    setLevel(level) {
      gate.level = level;
    },
  };
}

/** Opens the log. Throws where its file can't be opened. */
export function openPinoLogger(options: LogOptions): OpenLogger {
  const file = new LogFile(options.output);
  const text = options.format === "text" || (options.format === "auto" && file.terminal);
  const destination = { write: (line: string) => file.write(line) };
  // As a stream: a pino transport names a module to load at run time, which a compiled executable doesn't have.
  const stream = text
    ? { write: prettyWriter(file) }
    : destination;
  const inner = pino(
    {
      level: "debug",
      base: null,
      serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  return adapt(inner, file, { level: options.level });
}

/** Turns a JSON line into text as people read it. */
function prettyWriter(file: LogFile): (line: string) => void {
  const format = pretty.prettyFactory({
    colorize: file.terminal,
    colorizeObjects: file.terminal,
    translateTime: "SYS:yyyy-mm-dd HH:MM:ss.l",
    singleLine: true,
    errorLikeObjectKeys: ["err", "error"],
  });
  return (line) => {
    const formatted: string | undefined = format(visible(JSON.parse(line), ""));
    if (formatted !== undefined) file.write(formatted);
  };
}

/** A name a client chose must not forge a line or speak to the terminal: control characters become their pictures (U+2400). */
function visible(value: unknown, key: string): unknown {
  if (typeof value === "string") return value.replaceAll(key === "stack" ? controlsButNewline : controls, picture);
  if (Array.isArray(value)) return value.map((one) => visible(one, key));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [visible(name, ""), visible(inner, name)]));
}

const controls = /[\u0000-\u001f\u007f-\u009f]/g;
const controlsButNewline = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g;

function picture(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
}
