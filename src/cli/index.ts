/**
 * The command line: `commands/<noun>/<verb>.ts` hold one command each with its flags, help and exit status. Results go to
 * standard output, complaints to standard error. What runs a server is handed in (`ports.ts`), so that commands load fast and
 * can be tested without one.
 */
import { Command, CommanderError } from "commander";
import { sleep, systemClock } from "#base/clock.ts";
import { processEnvironment } from "#config/index.ts";
import { init } from "./commands/config/init.ts";
import { schema } from "./commands/config/schema.ts";
import { show } from "./commands/config/show.ts";
import { validate } from "./commands/config/validate.ts";
import { completion } from "./commands/program/completion.ts";
import { version } from "./commands/program/version.ts";
import { start } from "./commands/server/start.ts";
import { stop } from "./commands/server/stop.ts";
import { nouns, serverVerbs } from "./commands/index.ts";
import { type Context, describeVersion, ExitStatus, type Version } from "./ports.ts";
import { manPage } from "./man-page.ts";
import { commandReference } from "./reference.ts";
import { addTo } from "./remote/index.ts";
import { processTerminal } from "./terminal.ts";

export * from "./ports.ts";


/** This process, its terminal, its environment. */
export function processContext(version: Version, server: Context["server"]): Context {
  return { terminal: processTerminal(), version, environment: processEnvironment(), clock: systemClock, wait: sleep, server };
}

/** Where commands are only described. */
const nowhere: Context = {
  terminal: { out() {}, err() {}, columns: null, person: null, readInput: () => Promise.resolve(""), gone: false },
  version: { version: "", commit: "" },
  environment: {},
  clock: systemClock,
  wait: sleep,
  server: () => Promise.reject(new Error("none")),
};

/** The reference page of all commands. */
export function commandsPage(): string {
  return commandReference(build(nowhere, () => {}));
}

/** dittofs(1). */
export function commandsManPage(): string {
  return manPage(build(nowhere, () => {}));
}

function build(context: Context, finish: (status: number) => void): Command {
  const program = new Command("dittofs")
    .description("Serves files over NFS, durably.")
    .version(`dittofs ${describeVersion(context.version)}`, "-V, --version", "print the version")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: context.terminal.out, writeErr: context.terminal.err })
    .addHelpText("after", "\nExample:\n  dittofs start --allow 192.168.1.0/24\n\nEach command has a --help of its own.");
  init(program, context, finish);
  start(program, context, finish);
  stop(program, context, finish);
  for (const verb of serverVerbs) addTo(program, verb, context, finish);
  const config = program.command("config").description("Look at the configuration.").addHelpText("after", "\nExample:\n  dittofs config show --origins");
  show(config, context, finish);
  validate(config, context, finish);
  schema(config, context, finish);
  for (const noun of nouns) addTo(program, noun, context, finish);
  version(program, context, finish);
  completion(program, context, finish);
  return program;
}

/** Runs one command; `args` are the words after the program's name. Gives the exit status. */
export async function runCli(args: readonly string[], context: Context): Promise<number> {
  let result: number = ExitStatus.ok;
  const program = build(context, (given) => {
    result = given;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      context.terminal.err(`error: ${describeError(error)}\n`);
      return ExitStatus.failed;
    }
    // Help and version were asked for: 0. Everything else commander throws is wrong usage.
    return error.exitCode === 0 ? ExitStatus.ok : ExitStatus.usage;
  }
  return result;
}

/** What an operator can do something about is a sentence; a bug of ours comes with the place it happened at. */
function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const bug = ["TypeError", "RangeError", "ReferenceError", "InvariantError"].includes(error.name);
  return bug ? (error.stack ?? error.message) : error.message;
}
