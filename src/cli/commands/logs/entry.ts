/** A line of the log, parsed. What is no line of the logger (a crash of the runtime) has its text alone. */
export interface Entry {
  readonly time: string | null;
  readonly level: string | null;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What a terminal was told about colours. */
const colours = /\u001b\[[0-9;]*m/g;
/** `[2026-01-02 03:04:05.678] INFO: message {"field":1}`, local time. */
const textLine = /^\[(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)\] ([A-Z]+)(?: \([^)]*\))?: ?(.*)$/;

/** When a line was written, in milliseconds since 1970, or null: it doesn't say. Looks at its beginning alone. */
export function timeOfLine(line: string): number | null {
  const json = line.startsWith("{") ? /"time":"([^"]{10,40})"/.exec(line)?.[1] : undefined;
  const text = json === undefined ? textLine.exec(line.replaceAll(colours, "").slice(0, 64)) : null;
  const at = json ?? (text === null ? undefined : `${text[1]}T${text[2]}`);
  if (at === undefined) return null;
  const ms = new Date(at).getTime();
  return Number.isNaN(ms) ? null : ms;
}

export const levels = ["debug", "info", "warn", "error"] as const;
export type Level = (typeof levels)[number];

/** How severe a line is, by its place in `levels`; null: it is no line of the logger's. Looks at its beginning alone. */
export function severityOfLine(line: string): number | null {
  const json = line.startsWith("{") ? /^\{"level":"([a-z]+)"/.exec(line)?.[1] : undefined;
  const level = json ?? textLine.exec(line.replaceAll(colours, "").slice(0, 64))?.[3]?.toLowerCase();
  const severity = levels.indexOf(level as Level);
  return severity === -1 ? null : severity;
}

/** Whether a line goes on with what the one before it says: the frames of an error, in text. */
export function isContinuation(line: string): boolean {
  return line.startsWith(" ");
}

export function parseLine(line: string): Entry {
  if (line.startsWith("{")) {
    try {
      const { time, level, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
      return { time: asText(time), level: asText(level), message: asText(msg) ?? "", fields };
    } catch {
      // Cut by a crash: its text alone.
    }
  }
  const plain = line.replaceAll(colours, "");
  const found = textLine.exec(plain);
  if (found === null) return { time: null, level: null, message: plain, fields: {} };
  const { message, fields } = splitFields(found[4] ?? "");
  return { time: new Date(`${found[1]}T${found[2]}`).toISOString(), level: (found[3] ?? "").toLowerCase(), message, fields };
}

function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The object a line of text may end with. */
function splitFields(text: string): Pick<Entry, "message" | "fields"> {
  if (text.endsWith("}")) {
    for (let at = text.indexOf("{"); at !== -1; at = text.indexOf("{", at + 1)) {
      try {
        return { message: text.slice(0, at).trimEnd(), fields: JSON.parse(text.slice(at)) };
      } catch {
        // A brace of the message.
      }
    }
  }
  return { message: text, fields: {} };
}
