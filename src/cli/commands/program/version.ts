import { type Command, Option } from "commander";
import { type Context, describeVersion, ExitStatus } from "../../ports.ts";

export function version(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("version")
    .description("Print the version.")
    .addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
    .addHelpText("after", "\nExample:\n  dittofs version -o json")
    .action((options: { output: string }) => {
      const platform = `${process.platform}-${process.arch}`;
      context.terminal.out(
        options.output === "json"
          ? `${JSON.stringify({ ...context.version, bun: Bun.version, platform })}\n`
          : `dittofs ${describeVersion(context.version)} bun ${Bun.version} ${platform}\n`,
      );
      finish(ExitStatus.ok);
    });
}
