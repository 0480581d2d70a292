import { type Command, Option } from "commander";
import { openTo } from "../../banner.ts";
import { type Context, ExitStatus, type Instance } from "../../ports.ts";
import { addPlaceFlags, loadFor } from "../../settings.ts";
import { table } from "../../table.ts";

export function status(parent: Command, context: Context, finish: (status: number) => void): void {
  const command = parent
    .command("status")
    .description("Say whether a server runs on the data directory, with its ports and shares. Exit status 0: it does, 3: it doesn't.")
    .addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"));
  addPlaceFlags(command).addHelpText("after", "\nExample:\n  dittofs status --data-dir /srv/dittofs -o json");
  command.action(async (options: { output: string }) => {
    const loaded = loadFor(command, context);
    if (typeof loaded === "number") return finish(loaded);
    const dataDirectory = loaded.config.data_dir;
    const instance = (await context.server()).find(dataDirectory);
    if (options.output === "json") context.terminal.out(`${JSON.stringify({ running: instance !== null, dataDirectory, ...instance }, null, 2)}\n`);
    else context.terminal.out(instance === null ? `no server runs on ${dataDirectory}\n` : describe(instance));
    finish(instance === null ? ExitStatus.notRunning : ExitStatus.ok);
  });
}

function describe(instance: Instance): string {
  const facts = [
    ["running", instance.state],
    ["pid", String(instance.pid)],
    ["version", instance.version],
    ["since", instance.startedAt],
    ["data", instance.dataDirectory],
    ["config", instance.configFile ?? "none, defaults"],
    ...instance.listening.map((at) => [at.protocol, `${at.address.includes(":") ? `[${at.address}]` : at.address}:${at.port}`]),
  ];
  const shares = instance.shares.map((share) => [share.name, share.metadata, share.blocks, share.durability, share.readOnly ? "read-only" : "read-write", openTo(share.allowedClients, instance)]);
  return `${table(facts)}\n${table([["SHARE", "METADATA", "BLOCKS", "DURABILITY", "ACCESS", "OPEN TO"], ...shares])}`;
}
