import type { Command } from "commander";
import { exitStatusMeanings } from "./ports.ts";
import { connectionFlagsOf, type ShownCommand, type ShownFlag, shownCommands } from "./reference.ts";

/** The manual page of section 1, in roff's man macros. */
export function manPage(program: Command): string {
  return [
    '.\\" Made by scripts/docs from src/cli/commands; edit the declarations there.',
    '.TH DITTOFS 1 "" "DittoFS" "User Commands"',
    ".SH NAME",
    text("dittofs - serves files over NFS, durably"),
    ".SH SYNOPSIS",
    ".B dittofs",
    ".I command",
    "[\\fIargument\\fR ...] [\\fIoption\\fR ...]",
    ".SH DESCRIPTION",
    text("One program: it serves file trees (shares) over NFS from storage of your choice, and runs the server that does, here or elsewhere."),
    ".PP",
    text("Results go to standard output, complaints and questions to standard error. What is missing is asked for at a terminal; elsewhere the complaint names the option. What destroys something asks first; elsewhere it takes --force or --yes."),
    ".SH COMMANDS",
    ...shownCommands(program).map(command),
    ".SH CONNECTION AND OUTPUT",
    text("Commands that talk to a server take:"),
    ...connectionFlagsOf(program).map(flag),
    ".SH CONFIGURATION",
    text("Every option of the configuration is a key of the file, an environment variable and an option of the command line; the command line wins, then the environment, then the file. dittofs config show prints what is in force, dittofs init writes a file with every option explained."),
    ".SH EXIT STATUS",
    ...exitStatusMeanings.map(([status, meaning]) => item(String(status), meaning)),
    ".PP",
    text("A server that is stopped by a second signal ends with 130 (SIGINT) or 143 (SIGTERM), one that can no longer trust its disk with 74, one that met a bug with 70; the next start recovers."),
    ".SH ENVIRONMENT",
    item("DITTOFS_SERVER", "The server's address, instead of the context's."),
    item("DITTOFS_TOKEN", "An access token, instead of a log-in."),
    item("DITTOFS_CONTEXT", "The context to use, instead of the one that is in use."),
    item("DITTOFS_CONFIG", "The configuration file."),
    item("NO_COLOR", "Not empty: no colours."),
    item("XDG_CONFIG_HOME, XDG_DATA_HOME", "Where configuration and data lie; ~/.config and ~/.local/share where they aren't set."),
    ".SH FILES",
    item("$XDG_CONFIG_HOME/dittofs/config.yaml", "The configuration."),
    item("$XDG_CONFIG_HOME/dittofs/contexts.json", "The log-ins to servers, for their owner alone."),
    item("$XDG_DATA_HOME/dittofs", "The data directory: metadata, content, write-ahead log."),
    "",
  ].join("\n");
}

function command(shown: ShownCommand): string {
  const lines = [`.SS ${escape(shown.words)}`, text(shown.summary)];
  if (shown.aliases.length > 0) lines.push(text(`Also: ${shown.aliases.join(", ")}.`));
  lines.push(...[...shown.arguments, ...shown.flags].map(flag));
  if (shown.takesConfiguration === "all") lines.push(".PP", text("Takes every option of the configuration, such as --data-dir and --nfs-port."));
  else if (shown.takesConfiguration === "place") lines.push(item("--data-dir <value>", "The data directory this is about."));
  if (shown.takesConnection) lines.push(".PP", text("Takes the options of CONNECTION AND OUTPUT."));
  lines.push(".PP", ".EX", ...shown.examples.map(text), ".EE");
  return lines.join("\n");
}

const flag = ({ flags, help }: ShownFlag): string => item(flags, help);

function item(term: string, meaning: string): string {
  return `.TP\n.B ${escape(term)}\n${text(meaning)}`;
}

/** A line that roff takes as text: a dot or an apostrophe in front would be a request. */
function text(line: string): string {
  return /^[.']/.test(line) ? `\\&${escape(line)}` : escape(line);
}

/** Backslashes, and the characters that man pages turn into typographic ones, as they are (groff_char(7)). */
function escape(line: string): string {
  const ascii: Readonly<Record<string, string>> = { "\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "…": "...", "→": "->" };
  return line.replaceAll(/[\\\-'`^~…→]/g, (character) => ascii[character] ?? character);
}
