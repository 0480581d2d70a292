import { Command } from "commander";
import { type Context, describeVersion } from "./ports.ts";

/** The program before any command is added. */
export function emptyProgram(context: Context): Command {
  return new Command("dittofs")
    .description("Serves files over NFS, durably.")
    .version(`dittofs ${describeVersion(context.version)}`, "-V, --version", "print the version")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: context.terminal.out, writeErr: context.terminal.err })
    .addHelpText("after", "\nExample:\n  dittofs start --allow 192.168.1.0/24\n\nEach command has a --help of its own.");
}
