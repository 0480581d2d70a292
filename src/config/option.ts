import { describeRaw, type Problem, type Raw } from "./raw.ts";
import { didYouMean } from "./suggest.ts";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

/** What a default may be worked out from. */
export interface Machine {
  readonly memoryBytes: number;
  /** Where this user's programs keep their data: $XDG_DATA_HOME. */
  readonly dataHome: string;
  /** $XDG_CONFIG_HOME. */
  readonly configHome: string;
}

/** A default that depends on the machine or on options declared earlier. */
export interface Derived<T> {
  /** How the reference page and the template word it. */
  readonly text: string;
  from(machine: Machine, earlier: (path: string) => unknown): T;
}

export type JsonSchema = { readonly [key: string]: unknown };

/** One option, declared once: file key, environment variable, flag, template, schema and reference page all come from it. */
export interface Option<T> {
  readonly is: "option";
  /** "size", "duration", …, as the reference page names it. */
  readonly type: string;
  /** One or two plain sentences. */
  readonly help: string;
  readonly default: T | Derived<T>;
  /** A value worth copying, as it is written in the file. */
  readonly example: string;
  /** The release that brought it. */
  readonly since: string;
  /** The flag where it is not the path with dashes; null: the file alone. */
  readonly flag: string | null | undefined;
  /** Never shown, and never a flag: other users of the machine see the command lines of its processes. */
  readonly secret: boolean;
  /** What may be written, for complaints and the reference page. */
  readonly allowed: string;
  readonly schema: JsonSchema;
  /** May be given more than once as a flag, and comma-separated in the environment. */
  readonly repeatable: boolean;
  /** Reads a value or says what is wrong with it. */
  read(raw: Raw, path: string, problems: Problem[]): T | undefined;
  /** The value as it is written in YAML. */
  write(value: T): string;
  /** The fields of each item, of a list of records. */
  readonly fields: Fields | null;
}

export interface Section<F extends Fields> {
  readonly is: "section";
  readonly help: string;
  readonly fields: F;
}

// biome-ignore lint: the value type of an option in a mixed record is only known through `Values`
export type Fields = { readonly [key: string]: Option<any> | Section<any> };

/** The values of a record of options, under the very keys the file has. */
export type Values<F> = {
  readonly [K in keyof F]: F[K] extends Section<infer G> ? Values<G> : F[K] extends Option<infer T> ? T : never;
};

/** What every declaration says. */
interface About<T> {
  readonly help: string;
  readonly default: T | Derived<T>;
  readonly example: string;
  readonly since: string;
  readonly flag?: string | null;
  readonly secret?: boolean;
}

export function isDerived<T>(value: T | Derived<T>): value is Derived<T> {
  return typeof value === "object" && value !== null && "from" in value;
}

export function section<F extends Fields>(help: string, fields: F): Section<F> {
  return { is: "section", help, fields };
}

interface ScalarKind<T> {
  readonly type: string;
  readonly allowed: string;
  readonly schema: JsonSchema;
  /** The value, or null where this text or YAML scalar is none; a string: why exactly. */
  parse(value: string | number | boolean): { readonly value: T } | string | null;
  write(value: T): string;
}

function scalar<T>(kind: ScalarKind<T>, about: About<T>): Option<T> {
  return {
    is: "option",
    type: kind.type,
    help: about.help,
    default: about.default,
    example: about.example,
    since: about.since,
    flag: about.flag,
    secret: about.secret === true,
    allowed: kind.allowed,
    schema: kind.schema,
    repeatable: false,
    fields: null,
    read(raw, path, problems) {
      const parsed = raw.is === "scalar" && raw.value !== null ? kind.parse(raw.value) : null;
      if (parsed !== null && typeof parsed === "object") return parsed.value;
      const why = parsed ?? `${about.secret === true ? "this value" : describeRaw(raw)} is not allowed here`;
      problems.push({ at: raw.at, key: path, message: `${why}; allowed: ${kind.allowed}` });
      return undefined;
    },
    write: kind.write,
  };
}

/** A plain YAML scalar where that reads back as the same string, a quoted one otherwise. */
function yamlString(value: string): string {
  return /^[A-Za-z/_][A-Za-z0-9/_.+-]*$/.test(value) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value) ? value : JSON.stringify(value);
}

/** Text; `check` says what is wrong with a value, or null. */
export function text(about: About<string> & { readonly allowed: string; readonly pattern?: string; readonly check?: (value: string) => string | null }): Option<string> {
  return scalar<string>(
    {
      type: "text",
      allowed: about.allowed,
      schema: about.pattern === undefined ? { type: "string" } : { type: "string", pattern: about.pattern },
      parse(value) {
        if (typeof value !== "string") return null;
        if (value.includes("\0")) return "a NUL byte";
        return about.check?.(value) ?? { value };
      },
      write: yamlString,
    },
    about,
  );
}

export function toggle(about: About<boolean>): Option<boolean> {
  const words: Readonly<Record<string, boolean>> = { true: true, yes: true, on: true, "1": true, false: false, no: false, off: false, "0": false };
  return scalar<boolean>(
    {
      type: "boolean",
      allowed: "true or false",
      schema: { type: "boolean" },
      parse(value) {
        const word = words[String(value).toLowerCase()];
        return word === undefined ? null : { value: word };
      },
      write: String,
    },
    about,
  );
}

export function choice<const T extends string>(about: About<NoInfer<T>> & { readonly of: readonly T[] }): Option<T> {
  return scalar<T>(
    {
      type: "choice",
      allowed: about.of.join(", "),
      schema: { enum: about.of },
      parse(value) {
        const found = about.of.find((one) => one === value);
        if (found !== undefined) return { value: found };
        const near = didYouMean(String(value), about.of);
        return near === null ? null : `${JSON.stringify(value)} is not allowed here; did you mean ${near}?`;
      },
      write: yamlString,
    },
    about,
  );
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

/** A number within bounds, `read` from text and worded by `format`. */
function bounded(
  type: string,
  about: About<number> & Bounds,
  format: (value: number) => string,
  read: (value: string | number) => number | null,
  hint: string,
  schema: JsonSchema,
): Option<number> {
  const allowed = `${hint}from ${format(about.min)} to ${format(about.max)}`;
  return scalar<number>(
    {
      type,
      allowed,
      schema,
      parse(value) {
        if (typeof value === "boolean") return null;
        const number = read(value);
        if (number === null) return null;
        if (number < about.min) return `${JSON.stringify(value)} is too little`;
        if (number > about.max) return `${JSON.stringify(value)} is too much`;
        return { value: number };
      },
      write: format,
    },
    about,
  );
}

export function integer(about: About<number> & Bounds): Option<number> {
  return bounded(
    "integer",
    about,
    String,
    (value) => (/^\s*-?\d+\s*$/.test(String(value)) && Number.isSafeInteger(Number(value)) ? Number(value) : null),
    "a whole number ",
    { type: "integer", minimum: about.min, maximum: about.max },
  );
}

/** A part of a whole. */
export function fraction(about: About<number>): Option<number> {
  const read = (value: string | number): number | null => (/^\s*\d*\.?\d+\s*$/.test(String(value)) ? Number(value) : null);
  return bounded("number", { ...about, min: 0, max: 1 }, String, read, "a number ", { type: "number", minimum: 0, maximum: 1 });
}

export function size(about: About<number> & Bounds): Option<number> {
  return bounded("size", about, formatSize, (value) => parseSize(String(value)), "a size such as 512MB, 10Gi or 1048576, ", {
    anyOf: [
      { type: "string", pattern: "^\\d+(\\.\\d+)?\\s*([kKmMgGtTpP]i?)?[bB]?$" },
      { type: "integer", minimum: about.min, maximum: about.max },
    ],
  });
}

export function duration(about: About<number> & Bounds): Option<number> {
  return bounded("duration", about, formatDuration, (value) => parseDuration(String(value)), "a duration such as 200ms, 30s, 5m or 1h30m, ", {
    anyOf: [{ type: "string", pattern: "^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$" }, { const: 0 }],
  });
}

/** A list of texts. In the environment and in a flag's value they are separated by commas. */
export function texts(
  about: About<readonly string[]> & { readonly allowed: string; readonly of: JsonSchema; readonly check: (value: string) => string | null },
): Option<readonly string[]> {
  return {
    is: "option",
    type: "list",
    help: about.help,
    default: about.default,
    example: about.example,
    since: about.since,
    flag: about.flag,
    secret: false,
    allowed: about.allowed,
    schema: { type: "array", items: about.of },
    repeatable: true,
    fields: null,
    read(raw, path, problems) {
      if (raw.is !== "list") {
        problems.push({ at: raw.at, key: path, message: `${describeRaw(raw)} is not allowed here; allowed: a list, each item ${about.allowed}` });
        return undefined;
      }
      const values: string[] = [];
      raw.items.forEach((item, i) => {
        const value = item.is === "scalar" && typeof item.value === "string" ? item.value : null;
        const why = value === null ? `${describeRaw(item)} is not allowed here` : about.check(value);
        if (why === null && value !== null) values.push(value);
        else problems.push({ at: item.at, key: `${path}[${i}]`, message: `${why}; allowed: ${about.allowed}` });
      });
      return values;
    },
    write: (values) => `[${values.map((value) => JSON.stringify(value)).join(", ")}]`,
  };
}
