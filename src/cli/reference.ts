import type { Command } from "commander";
import { allOptions } from "#config/index.ts";

/** The reference page of the commands, in Markdown. */
export function commandReference(program: Command): string {
  return `# Commands

<!-- Made by \`scripts/docs\` from src/cli/commands; edit the declarations there. -->

Results go to standard output, complaints to standard error. Exit status 0: done; 1: it failed; 2: wrong usage or
configuration; 3: no server runs there (\`status\`, \`stop\`). A server that is stopped by a second signal ends with 130 (SIGINT)
or 143 (SIGTERM), one that can no longer trust its disk with 74, one that met a bug with 70; the next start recovers.
${sections(program, []).join("")}`;
}

function sections(command: Command, words: readonly string[]): readonly string[] {
  const here = [...words, command.name()];
  const inner = command.commands.flatMap((one) => sections(one, here));
  return command.commands.length > 0 ? inner : [section(command, here)];
}

function section(command: Command, words: readonly string[]): string {
  const shown = command.options.filter((option) => !option.hidden);
  const configuration = new Set(allOptions.flatMap((named) => named.flag ?? []));
  const own = shown.filter((option) => !configuration.has(option.long ?? ""));
  const fromConfiguration = shown.length - own.length;
  const rows = own.map((option) => `| \`${option.flags}\` | ${describe(option.description, option.argChoices, option.defaultValue)} |\n`);
  if (fromConfiguration > 1) rows.push("| every option of the [configuration](configuration.md) | e.g. `--data-dir`, `--nfs-port`, `--bind`, `--allow` |\n");
  else if (fromConfiguration === 1) rows.push("| `--data-dir <value>` | The data directory this is about. |\n");
  const words_ = command.registeredArguments.map((one) => ` <${one.name()}>`).join("");
  return `
## ${words.join(" ")}${words_}

${command.description()}
${rows.length === 0 ? "" : `\n| flag | meaning |\n|---|---|\n${rows.join("")}`}
${examples(command)}`;
}

function describe(text: string, choices: readonly string[] | undefined, standard: unknown): string {
  const allowed = choices === undefined ? "" : `: ${choices.join(", ")}`;
  return `${text}${allowed}${typeof standard === "string" ? ` (default ${standard})` : ""}`.replaceAll("|", "\\|");
}

/** The examples of a command's help. */
function examples(command: Command): string {
  let help = "";
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  const lines = /\nExamples?:\n((?: {2}.*\n?)+)/.exec(help)?.[1] ?? "";
  return `\`\`\`sh\n${lines.replaceAll(/^ {2}/gm, "").trimEnd()}\n\`\`\`\n`;
}
