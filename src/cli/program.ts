import { Command } from "commander";
import { type Context, describeVersion } from "./ports.ts";

/** `dittofs` itself, without a command. */
export function programOf({ terminal, version }: Context): Command {
  return new Command("dittofs")
    .description("Serves files over NFS, durably.")
    .version(`dittofs ${describeVersion(version)}`, "-V, --version", "print the version")
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .addHelpText("after", "\nExample:\n  dittofs start --allow 192.168.1.0/24\n\nEach command has a --help of its own.");
}
