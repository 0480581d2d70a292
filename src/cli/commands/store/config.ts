import { readFileSync } from "node:fs";
import { parseSize } from "#config/index.ts";
import { type Call, type Flag, UsageError } from "../../remote/index.ts";

export type StoreKind = "metadata" | "block";
export type StoreConfig = Record<string, string | number | boolean | null>;

/** The keys of a store's configuration that have a flag of their own. */
const keysOf: Readonly<Record<StoreKind, readonly { readonly flag: Flag; readonly key: string; readonly as?: "size" | "rate" | "integer" | "boolean" }[]>> = {
  metadata: [
    { flag: { flags: "--db-path <directory>", help: "the directory of the server the database files of a sqlite store lie in (default: one in its data directory)" }, key: "path" },
    { flag: { flags: "--path <directory>", help: "the same" }, key: "path" },
    { flag: { flags: "--host <host>", help: "the server of a postgres store: a name, an address, or the directory of its socket" }, key: "host" },
    { flag: { flags: "--port <port>", help: "its port (default: 5432)" }, key: "port", as: "integer" },
    { flag: { flags: "--database <name>", help: "the database of a postgres store; several shares lie in one" }, key: "database" },
    { flag: { flags: "--user <name>", help: "the user a postgres store logs in as" }, key: "user" },
    { flag: { flags: "--password <password>", help: "that user's password; --config - keeps it off the command line" }, key: "password" },
    { flag: { flags: "--sslmode <mode>", help: "how far a postgres store's connections are encrypted and checked (default: verify-full)", choices: ["disable", "require", "verify-ca", "verify-full"] }, key: "sslmode" },
    { flag: { flags: "--sslrootcert <file>", help: "a PEM file, on the server, of the authorities a postgres store trusts (default: the system's)" }, key: "sslrootcert" },
  ],
  block: [
    { flag: { flags: "--path <directory>", help: "the directory of the server a filesystem store lies in (default: one in its data directory)" }, key: "path" },
    { flag: { flags: "--size <size>", help: "the most a memory store holds, such as 4GiB" }, key: "size", as: "size" },
    { flag: { flags: "--bucket <name>", help: "the bucket of an s3 store" }, key: "bucket" },
    { flag: { flags: "--endpoint <url>", help: "the address of an S3-compatible server, such as https://minio.example:9000 (default: AWS)" }, key: "endpoint" },
    { flag: { flags: "--region <name>", help: "the bucket's region (default: us-east-1)" }, key: "region" },
    { flag: { flags: "--access-key <key>", help: "the access key (default, without a secret key: as the server's environment, profile or role say)" }, key: "access_key" },
    { flag: { flags: "--secret-key <key>", help: "the secret key; --config - keeps it off the command line" }, key: "secret_key" },
    { flag: { flags: "--prefix <text>", help: "what the names of objects begin with" }, key: "prefix" },
    { flag: { flags: "--path-style [boolean]", help: "the bucket in the path, not in the host name (default: where --endpoint is given)" }, key: "path_style", as: "boolean" },
    { flag: { flags: "--history [boolean]", help: "keep the history of shares in the store, from which `dittofs recover` rebuilds them (default: true on s3)" }, key: "history", as: "boolean" },
    { flag: { flags: "--history-unfenced [boolean]", help: "keep it although the S3 server ignores conditional writes: nothing keeps two servers from taking one share then" }, key: "history_unfenced", as: "boolean" },
    { flag: { flags: "--create-bucket [boolean]", help: "make the bucket where there is none" }, key: "create_bucket", as: "boolean" },
    { flag: { flags: "--compression <kind>", help: "compress content before it is stored: zstd, or off", choices: ["zstd", "off"] }, key: "compression" },
    { flag: { flags: "--encryption <kind>", help: "encrypt content before it is stored: aes-256-gcm, or off", choices: ["aes-256-gcm", "off"] }, key: "encryption" },
    { flag: { flags: "--encryption-key-file <path>", help: "the file of the server with the master keys; make one with: dittofs store block new-key" }, key: "encryption_key_file" },
    { flag: { flags: "--encryption-key-env <variable>", help: "the environment variable of the server with the master keys, instead of a file" }, key: "encryption_key_env" },
    { flag: { flags: "--encryption-accept-plain [boolean]", help: "read content that isn't encrypted, too: there is some from before" }, key: "encryption_accept_plain", as: "boolean" },
    { flag: { flags: "--limit-requests <number>", help: "requests a second at most" }, key: "limit_requests", as: "integer" },
    { flag: { flags: "--limit-upload <rate>", help: "bytes stored a second at most, such as 50MiB/s" }, key: "limit_upload", as: "rate" },
    { flag: { flags: "--limit-download <rate>", help: "bytes read a second at most, such as 100MiB/s" }, key: "limit_download", as: "rate" },
  ],
};

const configFlag: Flag = { flags: "--config <json>", help: "more of its configuration as a JSON object; @FILE reads it from a file, - from standard input, which keeps secrets off the command line" };

export function configFlags(kind: StoreKind, configName = "config"): readonly Flag[] {
  return [...keysOf[kind].map((one) => one.flag), { ...configFlag, flags: `--${configName} <json>` }];
}

/** What the flags say of a store's configuration; null: nothing. */
export async function configOf(call: Call, kind: StoreKind, configName = "config"): Promise<StoreConfig | null> {
  const given = call.text(configName);
  const config: StoreConfig = given === null ? {} : parseConfig(given === "-" ? await call.terminal.readInput() : given.startsWith("@") ? readText(given.slice(1)) : given);
  for (const { flag, key, as } of keysOf[kind]) {
    const name = (/--([a-z-]+)/.exec(flag.flags) as RegExpExecArray)[1] as string;
    const value = call.text(name) ?? (as === "boolean" && call.has(name) ? "true" : null);
    if (value === null) continue;
    const read = as === undefined ? value : readings[as].read(value);
    if (read === null) throw new UsageError(`--${name}: ${JSON.stringify(value)} is not allowed here; allowed: ${as === undefined ? "" : readings[as].allowed}`);
    config[key] = read;
  }
  return Object.keys(config).length === 0 ? null : config;
}

const readings = {
  size: { read: parseSize, allowed: "a size such as 512MB or 10GiB" },
  rate: { read: (text: string) => parseSize(text.replace(/\/s$/, "")), allowed: "bytes a second such as 50MiB/s" },
  integer: { read: (text: string) => (/^\d{1,9}$/.test(text) ? Number(text) : null), allowed: "a whole number" },
  boolean: { read: booleanOf, allowed: "true or false" },
} as const;

function booleanOf(text: string): boolean | null {
  return text === "true" ? true : text === "false" ? false : null;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`--config: ${(error as Error).message}`);
  }
}

/** Never repeats what was given: it may hold a secret. */
function parseConfig(text: string): StoreConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError('--config is not JSON; allowed: an object such as {"path": "/mnt/nvme/blocks"}, @FILE, or -');
  }
  const flat = typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every((one) => typeof one !== "object" || one === null);
  if (!flat) throw new UsageError('--config is no object of plain values; allowed: an object such as {"path": "/mnt/nvme/blocks"}');
  return value as StoreConfig;
}
