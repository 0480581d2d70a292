import { type Command, Option } from "commander";
import { asText } from "../../remote/print.ts";
import { type Context, describeVersion, ExitStatus } from "../../ports.ts";

export function version(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("version")
    .description("Print the version.")
    .addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .addHelpText("after", "\nExample:\n  dittofs version -o json")
    .action((options: { output: string }) => {
      const platform = `${process.platform}-${process.arch}`;
      const all = { ...context.version, bun: Bun.version, platform };
      // One line of JSON, as it always was.
      if (options.output === "json") context.terminal.out(`${JSON.stringify(all)}\n`);
      else context.terminal.out(options.output === "yaml" ? asText(all, "yaml") : `dittofs ${describeVersion(context.version)} bun ${Bun.version} ${platform}\n`);
      finish(ExitStatus.ok);
    });
}
