import type { Logger } from "#telemetry/logger.ts";

/** Keeps what is logged: as JSON lines, and as it was given. */
export class LogLines implements Logger {
  readonly lines: string[] = [];
  readonly entries: { readonly level: string; readonly fields: object; readonly message: string }[] = [];
  debug = (fields: object, message: string): void => this.keep("debug", fields, message);
  info = (fields: object, message: string): void => this.keep("info", fields, message);
  warn = (fields: object, message: string): void => this.keep("warn", fields, message);
  error = (fields: object, message: string): void => this.keep("error", fields, message);

  child(): Logger {
    return this;
  }

  /** Messages of one level. */
  of(level: string): readonly string[] {
    return this.entries.flatMap((entry) => (entry.level === level ? [entry.message] : []));
  }

  private keep(level: string, fields: object, message: string): void {
    this.lines.push(JSON.stringify({ ...fields, message }));
    this.entries.push({ level, fields, message });
  }
}
