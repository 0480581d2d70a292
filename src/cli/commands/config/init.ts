import type { Command } from "commander";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { configTemplate, configVariable, defaultConfigPath, processEnvironment, thisMachine } from "#config/index.ts";
import { type Context, ExitStatus } from "../../ports.ts";

export function init(parent: Command, context: Context, finish: (status: number) => void): void {
  parent
    .command("init")
    .description("Write a configuration file with every option explained and commented out at its default.")
    .option("--config <file>", "where to (default: config.yaml in $XDG_CONFIG_HOME/dittofs)")
    .option("--force", "overwrite a file that is there")
    .addHelpText("after", "\nExample:\n  dittofs init --config /etc/dittofs/config.yaml")
    .action((options: { config?: string; force?: boolean }) => {
      const environment = processEnvironment();
      const path = resolve(options.config ?? (environment[configVariable] || defaultConfigPath(thisMachine(environment))));
      try {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, configTemplate(), { flag: options.force === true ? "w" : "wx" });
      } catch (error) {
        const there = (error as NodeJS.ErrnoException).code === "EEXIST";
        context.terminal.err(`error: ${there ? `${path} is there already; --force overwrites it` : (error as Error).message}\n`);
        return finish(ExitStatus.failed);
      }
      context.terminal.out(`wrote ${path}\n`);
      finish(ExitStatus.ok);
    });
}
