import { readFileSync } from "node:fs";
import { parseSize } from "#config/index.ts";
import { type Call, type Flag, UsageError } from "../../remote/index.ts";

export type StoreKind = "metadata" | "block";
export type StoreConfig = Record<string, string | number | boolean | null>;

/** The keys of a store's configuration that have a flag of their own. */
const keysOf: Readonly<Record<StoreKind, readonly { readonly flag: Flag; readonly key: string; readonly size?: true }[]>> = {
  metadata: [
    { flag: { flags: "--db-path <directory>", help: "the directory of the server the database files of a sqlite store lie in (default: one in its data directory)" }, key: "path" },
    { flag: { flags: "--path <directory>", help: "the same" }, key: "path" },
  ],
  block: [
    { flag: { flags: "--path <directory>", help: "the directory of the server a filesystem store lies in (default: one in its data directory)" }, key: "path" },
    { flag: { flags: "--size <size>", help: "the most a memory store holds, such as 4GiB" }, key: "size", size: true },
  ],
};

const configFlag: Flag = { flags: "--config <json>", help: "more of its configuration as a JSON object; @FILE reads it from a file, - from standard input, which keeps secrets off the command line" };

export function configFlags(kind: StoreKind): readonly Flag[] {
  return [...keysOf[kind].map((one) => one.flag), configFlag];
}

/** What the flags say of a store's configuration; null: nothing. */
export async function configOf(call: Call, kind: StoreKind): Promise<StoreConfig | null> {
  const given = call.text("config");
  const config: StoreConfig = given === null ? {} : parseConfig(given === "-" ? await call.terminal.readInput() : given.startsWith("@") ? readText(given.slice(1)) : given);
  for (const { flag, key, size } of keysOf[kind]) {
    const name = (/--([a-z-]+)/.exec(flag.flags) as RegExpExecArray)[1] as string;
    const value = call.text(name);
    if (value === null) continue;
    const read = size === true ? parseSize(value) : value;
    if (read === null) throw new UsageError(`--${name}: ${JSON.stringify(value)} is not allowed here; allowed: a size such as 512MB or 10GiB`);
    config[key] = read;
  }
  return Object.keys(config).length === 0 ? null : config;
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
