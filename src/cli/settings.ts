import { type Command, Option } from "commander";
import { allOptions, describeProblem, type Loaded, loadConfig, thisMachine } from "#config/index.ts";
import { type Context, ExitStatus, type Offline } from "./ports.ts";

/** The flags that say which configuration and which data directory a command is about. */
export function addPlaceFlags(command: Command): Command {
  command.option("--config <file>", "configuration file (DITTOFS_CONFIG)");
  return addOptionFlags(command, (path) => path === "data_dir");
}

/** `--config` and a flag for every option of the configuration. */
export function addConfigFlags(command: Command): Command {
  command.option("--config <file>", "configuration file (DITTOFS_CONFIG)");
  return addOptionFlags(command, () => true);
}

/** Flags people use daily; the rest stands in a group of its own in the help. */
const common: readonly string[] = ["data_dir", "allowed_clients", "adapters.nfs.port", "adapters.nfs.bind", "adapters.smb.port", "logging.level", "logging.format"];

const placeholders: Readonly<Record<string, string>> = { text: "value", list: "item", choice: "word", integer: "number" };

function addOptionFlags(command: Command, wanted: (path: string) => boolean): Command {
  for (const { path, flag, environment, option } of allOptions) {
    if (flag === null || !wanted(path)) continue;
    const value = option.type === "boolean" ? "[boolean]" : `<${placeholders[option.type] ?? option.type}>`;
    const allowed = option.type === "choice" ? ` One of ${option.allowed}.` : "";
    const declared = new Option(`${flag} ${value}`, `${option.help}${allowed} (${environment})`);
    if (option.repeatable) declared.argParser((one: string, before: readonly string[] | undefined) => [...(before ?? []), one]);
    command.addOption(common.includes(path) ? declared : declared.helpGroup("More of the configuration:"));
  }
  return command;
}

/** The options of the configuration that were given as flags, by path. */
function givenFlags(command: Command): ReadonlyMap<string, string | readonly string[]> {
  const given = new Map<string, string | readonly string[]>();
  const values: Record<string, unknown> = command.opts();
  for (const { path, flag } of allOptions) {
    if (flag === null) continue;
    const value = values[new Option(flag).attributeName()];
    if (value === undefined) continue;
    given.set(path, Array.isArray(value) ? (value as string[]) : value === true ? "true" : String(value));
  }
  return given;
}

/** Loads the configuration a command was asked to use, or says what is wrong with it and gives the exit status. */
export function loadFor(command: Command, context: Context, extra: ReadonlyMap<string, string> = new Map()): Loaded | number {
  const { environment } = context;
  const configPath = (command.opts() as { config?: string }).config ?? null;
  const flags = new Map([...extra, ...givenFlags(command)]);
  const loaded = loadConfig({ machine: thisMachine(environment), environment, configPath, flags });
  if (loaded.ok) return loaded;
  for (const problem of loaded.problems) context.terminal.err(`error: ${describeProblem(problem)}\n`);
  return ExitStatus.usage;
}

/** What works on the control-plane database without its server. */
export async function offlineOf(context: Context): Promise<Offline> {
  return (await context.server()).offline;
}
