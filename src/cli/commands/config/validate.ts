import type { Command } from "commander";
import { type Context, ExitStatus } from "../../ports.ts";
import { addConfigFlags, loadFor } from "../../settings.ts";

export function validate(parent: Command, context: Context, finish: (status: number) => void): void {
  const command = parent.command("validate").description("Check the configuration and name every mistake. Exit status 2 where there is one.");
  addConfigFlags(command).addHelpText("after", "\nExample:\n  dittofs config validate --config /etc/dittofs/config.yaml");
  command.action(() => {
    const loaded = loadFor(command, context);
    if (typeof loaded === "number") return finish(loaded);
    for (const warning of loaded.warnings) context.terminal.err(`warning: ${warning}\n`);
    context.terminal.out(`${loaded.file ?? "no file; the defaults"}: valid\n`);
    finish(ExitStatus.ok);
  });
}
