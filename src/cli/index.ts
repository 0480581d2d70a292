/**
 * The command line: `commands/<noun>/<verb>.ts` hold one command each with its flags, help and exit status. Results go to
 * standard output, complaints to standard error. What runs a server is handed in (`ports.ts`), so that commands load fast and
 * can be tested without one.
 */
import { type Command, CommanderError } from "commander";
import { sleep, systemClock } from "#base/clock.ts";
import { processEnvironment } from "#config/index.ts";
import { start } from "./commands/server/start.ts";
import { emptyProgram } from "./empty-program.ts";
import { type Context, ExitStatus, type Version } from "./ports.ts";
import { processTerminal } from "./terminal.ts";

export * from "./ports.ts";

/** This process, its terminal, its environment. */
export function processContext(version: Version, server: Context["server"]): Context {
  const environment = processEnvironment();
  return { terminal: processTerminal(environment), version, environment, clock: systemClock, wait: sleep, server };
}

/** Runs one command; `args` are the words after the program's name. Gives the exit status. */
export async function runCli(args: readonly string[], context: Context): Promise<number> {
  let result: number = ExitStatus.ok;
  const program = await programFor(args, context, (given) => {
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

/** The command a server's process runs, alone; every command where another is asked for. */
async function programFor(args: readonly string[], context: Context, finish: (status: number) => void): Promise<Command> {
  if (args[0] !== "start") return (await import("./program.ts")).build(context, finish);
  const program = emptyProgram(context);
  start(program, context, finish);
  return program;
}
