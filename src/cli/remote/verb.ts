import { type Command, Option } from "commander";
import type { AnyRoute } from "#api/contract/index.ts";
import { type Context, ExitStatus } from "../ports.ts";
import { Call } from "./call.ts";
import { report } from "./failure.ts";
import { choicesOf, fieldSchema, type Reading } from "./fields.ts";
import { formats } from "./print.ts";

export interface Flag {
  /** As commander writes it: `-u, --username <name>`. */
  readonly flags: string;
  readonly help: string;
  /** The field of the route's body, or of its query where it takes no body, that this fills. */
  readonly field?: string;
  readonly as?: Reading;
  /** The word that stands for null. */
  readonly nullWord?: string;
  readonly choices?: readonly string[];
  /** Cannot be left out: the question that is asked on a terminal. */
  readonly ask?: string;
  /** Asked without echo, a new one twice, and read by --password-stdin. */
  readonly secret?: "current" | "new";
  readonly repeatable?: boolean;
}

/** A command of the control plane, declared: what it is called, takes and does. */
export interface Verb {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  /** Lines of a shell. */
  readonly examples: readonly string[];
  /** As commander writes them: `<username>`, `[share]`. Those named as a parameter of the route's path fill it. */
  readonly args?: readonly { readonly name: string; readonly help: string }[];
  readonly flags?: readonly Flag[];
  /** The call it makes, or the main one of them. */
  readonly route?: AnyRoute;
  /** Path parameters that are no arguments. */
  readonly params?: Readonly<Record<string, string>>;
  /** Destroys something: asked on a terminal, elsewhere it takes --force or --yes. */
  readonly confirm?: (call: Call) => string;
  /** Talks to no server: the flags of a connection are left out. */
  readonly local?: boolean;
  /** Further flags, and what stands behind them. */
  readonly extend?: (command: Command) => void;
  /** Gives an exit status where it isn't 0. */
  readonly run: (call: Call) => Promise<ExitStatus | void>;
}

export interface Noun {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly example: string;
  readonly verbs: readonly (Verb | Noun)[];
}

const connectionGroup = "Connection and output:";
const connectionFlags: readonly (readonly [string, string])[] = [
  ["--server <url>", "the server's address (DITTOFS_SERVER; default: the context's, else http://127.0.0.1:8080)"],
  ["--context <name>", "the log-in to use (DITTOFS_CONTEXT; default: the one that is in use)"],
  ["--token <token>", "an access token instead of a log-in (DITTOFS_TOKEN)"],
  ["--cacert <file>", "certificates to trust instead of the system's"],
  ["--client-cert <file>", "a certificate to show the server"],
  ["--client-key <file>", "its key"],
  ["--tls-skip-verify", "take any certificate; for tests only"],
  ["--timeout <duration>", "how long to wait for an answer"],
  ["--trace", "have a server with traces follow this, and say the trace's id on standard error (default: the trace of TRACEPARENT)"],
];
export const connectionFlagNames: readonly string[] = [...connectionFlags.map(([flags]) => flags), "-o, --output <format>", "--no-color", "-v, --verbose"].map((flags) => new Option(flags).long ?? "");

/** Adds a noun with its verbs, or a verb, to the command line. */
export function addTo(parent: Command, what: Verb | Noun, context: Context, finish: (status: number) => void): void {
  if ("run" in what) return addVerb(parent, what, context, finish);
  const command = parent
    .command(what.name)
    .aliases(what.aliases ?? [])
    .description(what.summary)
    .addHelpText("after", `\nExample:\n  ${what.example}`);
  for (const inner of what.verbs) addTo(command, inner, context, finish);
}

function addVerb(parent: Command, verb: Verb, context: Context, finish: (status: number) => void): void {
  const command = parent.command(verb.name).aliases(verb.aliases ?? []).description(verb.summary);
  for (const argument of verb.args ?? []) command.argument(argument.name, argument.help);
  for (const flag of verb.flags ?? []) command.addOption(optionOf(flag, verb));
  if (verb.flags?.some((flag) => flag.secret !== undefined) === true) command.option("--password-stdin", "read passwords from standard input, a line each, the current one first");
  if (verb.confirm !== undefined) {
    if (!command.options.some((option) => option.long === "--force")) command.option("-f, --force", "don't ask");
    command.option("-y, --yes", "don't ask");
  }
  verb.extend?.(command);
  if (verb.local !== true) for (const [flags, help] of connectionFlags) command.addOption(new Option(flags, help).helpGroup(connectionGroup));
  if (!command.options.some((option) => option.long === "--output")) {
    command.addOption(new Option("-o, --output <format>", "how to print").choices(formats).default("table").helpGroup(connectionGroup));
  }
  command.addOption(new Option("--no-color", "no colours (NO_COLOR)").helpGroup(connectionGroup));
  if (verb.local !== true) command.addOption(new Option("-v, --verbose", "say each call on standard error").helpGroup(connectionGroup));
  command.addHelpText("after", `\n${verb.examples.length === 1 ? "Example" : "Examples"}:\n${verb.examples.map((line) => `  ${line}`).join("\n")}`);
  command.action(async () => {
    const call = new Call(verb, command, context);
    try {
      await call.confirmed();
      finish((await verb.run(call)) ?? ExitStatus.ok);
    } catch (error) {
      finish(report(error, context.terminal));
    }
  });
}

function optionOf(flag: Flag, verb: Verb): Option {
  const schema = flag.field === undefined || verb.route === undefined ? null : (fieldSchema(verb.route.body, flag.field) ?? fieldSchema(verb.route.query, flag.field));
  const option = new Option(flag.flags, flag.help);
  const choices = flag.choices ?? (schema === null || flag.nullWord !== undefined ? null : choicesOf(schema));
  if (choices !== null) option.choices(choices);
  if (option.optional) option.preset("true");
  if (flag.repeatable === true) option.argParser((one: string, before: readonly string[] | undefined) => [...(before ?? []), one]);
  return option;
}
