import { type Command, Option } from "commander";
import { configYaml, withoutSecrets } from "#config/index.ts";
import { type Context, ExitStatus } from "../../ports.ts";
import { addConfigFlags, loadFor } from "../../settings.ts";

export function show(parent: Command, context: Context, finish: (status: number) => void): void {
  const command = parent
    .command("show")
    .description("Print the configuration in force: flags, environment, file and defaults together.")
    .addOption(new Option("-o, --output <format>", "how to print; json has sizes in bytes and durations in milliseconds").choices(["yaml", "json"]).default("yaml"))
    .option("--origins", "say where each value comes from");
  addConfigFlags(command).addHelpText("after", "\nExample:\n  dittofs config show --origins");
  command.action((options: { output: string; origins?: boolean }) => {
    const loaded = loadFor(command, context);
    if (typeof loaded === "number") return finish(loaded);
    const origins = options.origins === true ? loaded.origins : null;
    const config = withoutSecrets(loaded.config);
    context.terminal.out(
      options.output === "yaml"
        ? configYaml(config, origins)
        : `${JSON.stringify(origins === null ? config : { config, origins: Object.fromEntries(origins) }, null, 2)}\n`,
    );
    finish(ExitStatus.ok);
  });
}
