import type { Command } from "commander";
import { configSchema } from "#config/index.ts";
import { type Context, ExitStatus } from "../../ports.ts";

export function schema(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("schema")
    .description("Print the JSON schema of the configuration file, for editors.")
    .addHelpText("after", "\nExample:\n  dittofs config schema > dittofs.schema.json")
    .action(() => {
      context.terminal.out(`${JSON.stringify(configSchema(), null, 2)}\n`);
      finish(ExitStatus.ok);
    });
}
