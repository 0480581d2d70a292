import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { complete, type Partially, readFields } from "./fields.ts";
import { environmentName, flatten, type Named } from "./flatten.ts";
import { cautions, checkTogether } from "./limits.ts";
import type { Environment } from "./machine.ts";
import type { Machine } from "./option.ts";
import { type Config, options } from "./options.ts";
import type { Place, Problem, Raw } from "./raw.ts";
import { didYouMean } from "./suggest.ts";
import { parseYaml } from "./yaml-file.ts";

/** Variables of ours that are no options of the file. */
export const configVariable = "DITTOFS_CONFIG";
/** Read by the commands that talk to a server. */
const clientVariables: readonly string[] = ["DITTOFS_SERVER", "DITTOFS_TOKEN", "DITTOFS_CONTEXT"];

export interface Sources {
  readonly machine: Machine;
  readonly environment: Environment;
  /** `--config`, or null. */
  readonly configPath: string | null;
  /** Flags by option path, as given. */
  readonly flags: ReadonlyMap<string, string | readonly string[]>;
}

export interface Loaded {
  readonly ok: true;
  readonly config: Config;
  /** The file that was read, or null: defaults alone. */
  readonly file: string | null;
  /** Where each value that isn't a default was written. */
  readonly origins: ReadonlyMap<string, Place>;
  readonly warnings: readonly string[];
}
export interface Refused {
  readonly ok: false;
  readonly problems: readonly Problem[];
}

export const allOptions: readonly Named[] = flatten(options);

/** Where the configuration file is looked for when nobody names one. */
export function defaultConfigPath(machine: Machine): string {
  return join(machine.configHome, "dittofs", "config.yaml");
}

/** Reads flags, environment and file, in this precedence, fills in the defaults and checks the whole. */
export function loadConfig(sources: Sources): Loaded | Refused {
  const problems: Problem[] = [];
  const origins = new Map<string, Place>();
  const values: Partially = {};
  const file = readFile(sources, values, origins, problems);
  readEnvironment(sources.environment, values, origins, problems);
  readFlags(sources.flags, values, origins, problems);
  if (problems.length > 0) return { ok: false, problems };

  complete(options, values, "", sources.machine, (path) => at(values, path));
  const config = absolute(values as unknown as Config);
  for (const wrong of checkTogether(config)) {
    problems.push({ at: placeOf(wrong.key, origins), key: wrong.key, message: wrong.message });
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, config, file, origins, warnings: [...unknownVariables(sources.environment), ...cautions(config)] };
}

/** Where a key was written, or else the nearest above it that was. */
function placeOf(key: string, origins: ReadonlyMap<string, Place>): Place {
  for (let path = key; path !== ""; path = path.replace(/(^|[.[])[^.[]*$/, "")) {
    const place = origins.get(path);
    if (place !== undefined) return place;
  }
  return "the configuration";
}

/** Reads the file there is into `values`; gives its name. */
function readFile(sources: Sources, values: Partially, origins: Map<string, Place>, problems: Problem[]): string | null {
  const named = sources.configPath ?? (sources.environment[configVariable] || null);
  // A data directory named on the command line asks for a server of its own: the user's usual settings would not be that.
  if (named === null && sources.flags.has("data_dir")) return null;
  const path = resolve(named ?? defaultConfigPath(sources.machine));
  let source: string;
  try {
    source = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (named === null && (code === "ENOENT" || code === "ENOTDIR")) return null;
    problems.push({ at: path, key: "", message: code === "ENOENT" ? "there is no such file" : (error as Error).message });
    return path;
  }
  const parsed = parseYaml(source, path);
  problems.push(...parsed.problems);
  if (parsed.raw === null) return path;
  readFields(options, parsed.raw, "", problems, values);
  noteOrigins(parsed.raw, "", origins);
  return path;
}

function noteOrigins(raw: Raw, path: string, origins: Map<string, Place>): void {
  if (path !== "") origins.set(path, raw.at);
  if (raw.is === "map") for (const entry of raw.entries) noteOrigins(entry.value, path === "" ? entry.key : `${path}.${entry.key}`, origins);
  if (raw.is === "list") raw.items.forEach((item, i) => noteOrigins(item, `${path}[${i}]`, origins));
}

function readEnvironment(environment: Environment, values: Partially, origins: Map<string, Place>, problems: Problem[]): void {
  for (const named of allOptions) {
    const given = named.environment === null ? undefined : environment[named.environment];
    // An empty variable is how a shell or a unit file says "not set".
    if (given === undefined || given === "") continue;
    readText(named, [given], `the environment variable ${named.environment}`, values, origins, problems);
  }
}

function readFlags(flags: Sources["flags"], values: Partially, origins: Map<string, Place>, problems: Problem[]): void {
  for (const named of allOptions) {
    const given = flags.get(named.path);
    if (given === undefined) continue;
    readText(named, typeof given === "string" ? [given] : given, `the flag ${named.flag}`, values, origins, problems);
  }
}

function readText(named: Named, given: readonly string[], place: Place, values: Partially, origins: Map<string, Place>, problems: Problem[]): void {
  const items = given.flatMap((one) => one.split(",")).map((one) => one.trim());
  const raw: Raw = named.option.repeatable
    ? { is: "list", at: place, items: items.filter((one) => one !== "").map((value) => ({ is: "scalar", at: place, value })) }
    : { is: "scalar", at: place, value: given[given.length - 1] ?? "" };
  const value: unknown = named.option.read(raw, named.path, problems);
  if (value === undefined) return;
  const keys = named.path.split(".");
  const last = keys.pop() ?? "";
  let into = values;
  for (const key of keys) into = (into[key] ??= {}) as Partially;
  into[last] = value;
  origins.set(named.path, place);
}

function at(values: Partially, path: string): unknown {
  let value: unknown = values;
  for (const key of path.split(".")) value = (value as Partially)[key];
  return value;
}

/** Paths are taken from where the program was started, once: a server that detaches changes its directory. */
function absolute(config: Config): Config {
  const orEmpty = (path: string) => (path === "" ? "" : resolve(path));
  const { tls } = config.controlplane;
  return {
    ...config,
    data_dir: resolve(config.data_dir),
    logging: { ...config.logging, output: ["stderr", "stdout"].includes(config.logging.output) ? config.logging.output : resolve(config.logging.output) },
    database: {
      ...config.database,
      sqlite: { path: resolve(config.database.sqlite.path) },
      postgres: { ...config.database.postgres, ssl_root_cert: orEmpty(config.database.postgres.ssl_root_cert) },
    },
    controlplane: { ...config.controlplane, tls: { cert_file: orEmpty(tls.cert_file), key_file: orEmpty(tls.key_file), client_ca: orEmpty(tls.client_ca) } },
    cache: { ...config.cache, path: orEmpty(config.cache.path) },
    shares: config.shares.map((share) => ({
      ...share,
      metadata: { ...share.metadata, path: orEmpty(share.metadata.path) },
      blocks: { ...share.blocks, path: orEmpty(share.blocks.path) },
    })),
  };
}

function unknownVariables(environment: Environment): readonly string[] {
  const known = [...allOptions.flatMap((named) => named.environment ?? []), configVariable, ...clientVariables];
  return Object.keys(environment)
    .filter((name) => name.startsWith("DITTOFS_") && !known.includes(name))
    .sort()
    .map((name) => {
      const near = didYouMean(name, known);
      const why = name.startsWith(environmentName("shares")) ? "; shares are given in the configuration file" : near === null ? "" : `; did you mean ${near}?`;
      return `the environment variable ${name} is none of ours and is ignored${why}`;
    });
}
