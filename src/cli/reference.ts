import type { Command } from "commander";
import { allOptions } from "#config/index.ts";
import { exitStatusMeanings } from "./ports.ts";
import { connectionFlagNames } from "./remote/index.ts";

/** A flag as a page shows it. */
export interface ShownFlag {
  readonly flags: string;
  readonly help: string;
}

/** A command as a page shows it; flags that many commands share are named, not listed. */
export interface ShownCommand {
  readonly words: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly arguments: readonly ShownFlag[];
  readonly flags: readonly ShownFlag[];
  readonly takesConnection: boolean;
  readonly takesConfiguration: "all" | "place" | "none";
  readonly examples: readonly string[];
}

/** Every command that does something. */
export function shownCommands(program: Command): readonly ShownCommand[] {
  return leaves(program, []);
}

function leaves(command: Command, words: readonly string[]): readonly ShownCommand[] {
  const here = [...words, command.name()];
  return command.commands.length > 0 ? command.commands.flatMap((one) => leaves(one, here)) : [shownCommand(command, here)];
}

const configurationFlags = new Set(allOptions.flatMap((named) => named.flag ?? []));

function shownCommand(command: Command, words: readonly string[]): ShownCommand {
  const visible = command.options.filter((option) => !option.hidden);
  const takesConnection = visible.some((option) => option.long === "--server");
  const shared = (long: string | undefined) => long !== undefined && (configurationFlags.has(long) || (takesConnection && connectionFlagNames.includes(long)));
  const configuration = visible.filter((option) => configurationFlags.has(option.long ?? ""));
  const usage = command.registeredArguments.map((one) => (one.required ? ` <${one.name()}>` : ` [${one.name()}]`)).join("");
  return {
    words: `${words.join(" ")}${usage}`,
    aliases: command.aliases().map((alias) => [...words.slice(0, -1), alias].join(" ")),
    summary: command.description(),
    arguments: command.registeredArguments.filter((one) => one.description !== "").map((one) => ({ flags: one.name(), help: describe(one.description, one.argChoices, undefined) })),
    flags: visible.filter((option) => !shared(option.long)).map((option) => ({ flags: option.flags, help: describe(option.description, option.argChoices, option.defaultValue) })),
    takesConnection,
    takesConfiguration: configuration.length > 1 ? "all" : configuration.length === 1 ? "place" : "none",
    examples: examplesOf(command),
  };
}

/** The flags every command that talks to a server takes, as one of them declares them. */
export function connectionFlagsOf(program: Command): readonly ShownFlag[] {
  const find = (command: Command): Command | null => (command.options.some((option) => option.long === "--server") ? command : (command.commands.map(find).find((one) => one !== null) ?? null));
  const options = find(program)?.options.filter((option) => connectionFlagNames.includes(option.long ?? "")) ?? [];
  return options.map((option) => ({ flags: option.flags, help: describe(option.description, option.argChoices, option.defaultValue) }));
}

/** The reference page of the commands, in Markdown. */
export function commandReference(program: Command): string {
  const commands = shownCommands(program);
  return `# Commands

<!-- Made by \`scripts/docs\` from src/cli/commands; edit the declarations there. -->

Results go to standard output, complaints and questions to standard error.

| exit status | meaning |
|---|---|
${exitStatusMeanings.map(([status, meaning]) => `| ${status} | ${meaning} |\n`).join("")}
A server that is stopped by a second signal ends with 130 (SIGINT) or 143 (SIGTERM), one that can no longer trust its disk with 74,
one that met a bug with 70; the next start recovers.

What is missing is asked for at a terminal; elsewhere the complaint names the flag. Passwords are asked for without echo, or come from
standard input with \`--password-stdin\`. What destroys something asks first; elsewhere it takes \`--force\` or \`--yes\`.

## Connection and output

Log-ins are kept as *contexts* in \`$XDG_CONFIG_HOME/dittofs/contexts.json\` (mode 0600). Commands that talk to a server take:

${flagTable(connectionFlagsOf(program))}${commands.map(section).join("")}`;
}

function section(shown: ShownCommand): string {
  const rows: ShownFlag[] = [...shown.flags];
  const more: string[] = [];
  if (shown.takesConfiguration === "all") more.push("| every option of the [configuration](configuration.md) | e.g. `--data-dir`, `--nfs-port`, `--bind`, `--allow` |\n");
  else if (shown.takesConfiguration === "place") more.push("| `--data-dir <value>` | The data directory this is about. |\n");
  if (shown.takesConnection) more.push("| those of [connection and output](#connection-and-output) | |\n");
  const flags = rows.length + more.length === 0 ? "" : `\n${flagTable(rows)}${more.join("")}`;
  const named = shown.arguments.length === 0 ? "" : `\n${shown.arguments.map((one) => `- \`${one.flags}\`: ${one.help}\n`).join("")}`;
  const aliases = shown.aliases.length === 0 ? "" : ` Also: ${shown.aliases.map((one) => `\`${one}\``).join(", ")}.`;
  return `
## ${shown.words}

${shown.summary}${aliases}
${named}${flags}
\`\`\`sh
${shown.examples.join("\n")}
\`\`\`
`;
}

function flagTable(flags: readonly ShownFlag[]): string {
  return `| flag | meaning |\n|---|---|\n${flags.map((flag) => `| \`${flag.flags}\` | ${flag.help.replaceAll("|", "\\|")} |\n`).join("")}`;
}

function describe(text: string, choices: readonly string[] | undefined, standard: unknown): string {
  const allowed = choices === undefined ? "" : `; one of ${choices.join(", ")}`;
  return `${text}${allowed}${typeof standard === "string" ? ` (default ${standard})` : ""}`;
}

/** The examples of a command's help, a line of a shell each. */
function examplesOf(command: Command): readonly string[] {
  let help = "";
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  const lines = /\nExamples?:\n((?: {2}.*\n?)+)/.exec(help)?.[1] ?? "";
  return lines.replaceAll(/^ {2}/gm, "").trimEnd().split("\n");
}
