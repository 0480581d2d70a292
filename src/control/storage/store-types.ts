import type { Machine } from "#config/index.ts";
import { isDerived, type Option } from "#config/option.ts";
import { options } from "#config/options.ts";
import { formatSize, parseSize } from "#config/units.ts";
import { sslModes } from "#base/postgres/dial.ts";
import { isAbsolute, normalize } from "node:path";
import { type Faults, meant, textFault } from "../checks.ts";
import type { ConfigValue, StoreKind } from "../nouns.ts";
import { wrapperFields } from "./wrapper-fields.ts";

/** One value of a store's configuration. */
export interface StoreField {
  readonly kind: "path" | "size" | "rate" | "text" | "choice" | "integer" | "boolean";
  readonly help: string;
  /** Kept wrapped, never shown. */
  readonly secret: boolean;
  readonly required: boolean;
  /** With another value the data would have to be somewhere else, or would be gone. */
  readonly movesData: boolean;
  /** Of a choice. */
  readonly values?: readonly string[];
  /** Bounds of sizes, rates and integers. */
  readonly min?: number;
  readonly max?: number;
}

export type StoreFields = Readonly<Record<string, StoreField>>;

const sizeMin = 2 ** 20;
const sizeMax = 64 * 2 ** 40;

const path = (help: string): StoreField => ({ kind: "path", help, secret: false, required: false, movesData: true });

const field = (kind: StoreField["kind"], help: string, more: Partial<StoreField> = {}): StoreField => ({ kind, help, secret: false, required: false, movesData: false, ...more });

const historyLag = field("integer", "The most milliseconds a change waits before it is sent to the history. Left out: 1000.", { min: 10, max: 3_600_000 });

/** Every type of store, by kind, and what can be said of one. */
export const storeTypes: Readonly<Record<StoreKind, Readonly<Record<string, StoreFields>>>> = {
  metadata: {
    sqlite: { path: path("The directory its database files lie in. Left out: stores/NAME in the data directory.") },
    postgres: {
      host: field("text", "The PostgreSQL server: a name, an address, or the directory of its socket.", { required: true }),
      port: field("integer", "Its port. Left out: 5432.", { min: 1, max: 65_535 }),
      database: field("text", "The database. Several shares, and several servers' shares, can lie in one.", { required: true, movesData: true }),
      user: field("text", "The user to log in as, who must be allowed to make tables.", { required: true }),
      password: field("text", "That user's password.", { secret: true }),
      sslmode: field("choice", "disable: no TLS. require: TLS, the server's certificate not checked. verify-ca: signed by an authority that is trusted. verify-full: and made out to that host. Left out: verify-full.", { values: sslModes }),
      sslrootcert: field("text", "A PEM file of the authorities to trust. Left out: those of the system."),
    },
    memory: {},
  },
  block: {
    filesystem: {
      path: path("The directory file content lies in. Left out: stores/NAME in the data directory."),
      history: field("boolean", "Keep the history of its shares with SQLite metadata in it, from which they can be recovered. Left out: no."),
      history_lag_ms: historyLag,
      ...wrapperFields,
    },
    s3: {
      bucket: field("text", "The bucket file content lies in.", { required: true, movesData: true }),
      prefix: field("text", "What the names of objects begin with, so that several servers can share a bucket.", { movesData: true }),
      region: field("text", "The bucket's region. Left out: us-east-1, as most compatible servers have it."),
      endpoint: field("text", "The address of a compatible server, such as https://minio.example:9000. Left out: AWS."),
      path_style: field("boolean", "The bucket in the path, not in the host name. Left out: where an endpoint is given."),
      access_key: field("text", "The access key. Left out, with the secret key: as environment, profile or role of the server say."),
      secret_key: field("text", "The secret key.", { secret: true }),
      session_token: field("text", "The token of temporary keys.", { secret: true }),
      history: field("boolean", "Keep the history of its shares with SQLite metadata in it, from which they can be recovered. Left out: yes."),
      history_lag_ms: historyLag,
      history_unfenced: field("boolean", "Keep a history although the server ignores conditional writes (If-None-Match): nothing keeps two servers from taking one share then. Left out: no."),
      create_bucket: field("boolean", "Make the bucket where there is none."),
      ca_file: field("text", "A PEM file of the authorities to trust instead of the system's."),
      tls_skip_verify: field("boolean", "Trust whoever answers. For tests."),
      ...wrapperFields,
    },
    memory: { size: { kind: "size", help: "The most it holds; then shares on it are full.", secret: false, required: false, movesData: true, min: sizeMin, max: sizeMax }, ...wrapperFields },
  },
};

/** The types that lie in a directory. */
export function hasPath(kind: StoreKind, type: string): boolean {
  return storeTypes[kind][type]?.["path"] !== undefined;
}

/** What a store in memory holds where nobody said. */
export function memorySize(machine: Machine): number {
  const share = options.shares.fields?.["blocks"];
  const size = (share?.is === "section" ? share.fields["size"] : undefined) as Option<number> | undefined;
  if (size === undefined) throw new Error("config declares no size of blocks in memory");
  return isDerived(size.default) ? size.default.from(machine, () => undefined) : size.default;
}

/** A configuration sorted into what may be shown and what is secret. */
export interface SortedConfig {
  readonly config: Readonly<Record<string, ConfigValue>>;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Reads what was given for a store of a type; null and an empty path take a value away. Complaints go to `faults`. */
export function readConfig(fields: StoreFields, given: Readonly<Record<string, ConfigValue>>, was: SortedConfig, faults: Faults): SortedConfig {
  const config: Record<string, ConfigValue> = { ...was.config };
  const secrets: Record<string, string> = { ...was.secrets };
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      const names = Object.keys(fields);
      faults.add(`config.${name.slice(0, 64)}`, `is unknown${meant(name, names)} (${names.length === 0 ? "this type takes none" : `allowed here: ${names.join(", ")}`})`);
      continue;
    }
    const into: Record<string, ConfigValue> = field.secret ? secrets : config;
    if (value === null || (field.kind === "path" && value === "")) {
      delete into[name];
      continue;
    }
    const read = readValue(field, value);
    if (typeof read === "object") into[name] = read.value;
    else faults.add(`config.${name}`, read);
  }
  for (const [name, field] of Object.entries(fields)) {
    if (field.required && (field.secret ? secrets : config)[name] === undefined) faults.add(`config.${name}`, "is missing");
  }
  return { config, secrets };
}

/** The value as it is kept, or what is wrong with it; a complaint never repeats it, as it may be a secret. */
function readValue(field: StoreField, value: string | number | boolean): { readonly value: string | number | boolean } | string {
  switch (field.kind) {
    case "path":
      return readPath(value);
    case "text":
      return typeof value === "string" ? (textFault(value, 4096) ?? { value }) : "must be text";
    case "choice":
      return field.values?.includes(value as string) === true ? { value } : `must be ${field.values?.join(" or ")}`;
    case "boolean":
      return typeof value === "boolean" ? { value } : "must be true or false";
    case "integer":
    case "rate":
    case "size": {
      const number = typeof value === "string" && field.kind !== "integer" ? parseSize(field.kind === "rate" ? value.replace(/\/s$/, "") : value) : value;
      const { min = 0, max = Number.MAX_SAFE_INTEGER } = field;
      if (typeof number === "number" && Number.isSafeInteger(number) && number >= min && number <= max) return { value: number };
      if (field.kind === "rate") return `must be bytes a second such as 50MiB/s, from ${formatSize(min)}/s to ${formatSize(max)}/s`;
      return field.kind === "size" ? `must be a size such as 4GiB, from ${formatSize(min)} to ${formatSize(max)}` : `must be a whole number from ${min} to ${max}`;
    }
  }
}

function readPath(value: string | number | boolean): { readonly value: string } | string {
  if (typeof value !== "string") return "must be a path";
  const wrong = textFault(value, 4096);
  if (wrong !== null) return wrong;
  if (!isAbsolute(value)) return "must be an absolute path: it begins with /";
  const clean = normalize(value);
  return { value: clean.length > 1 ? clean.replace(/\/+$/, "") : clean };
}

/** Whether a path is below a directory. */
export function isWithin(path: string, directory: string): boolean {
  return path.startsWith(directory === "/" ? "/" : `${directory}/`);
}
