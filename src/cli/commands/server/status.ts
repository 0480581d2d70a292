import { contract, type Reply } from "#api/contract/index.ts";
import { openTo } from "../../banner.ts";
import { ExitStatus, type Instance } from "../../ports.ts";
import { type Call, facts, report, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor } from "../../settings.ts";
import { printable, table } from "../../table.ts";

type ServerStatus = Reply<typeof contract.system.status>;

export const status: Verb = {
  name: "status",
  summary:
    "Say whether a server runs on the data directory, with its ports and shares, and what the server one is logged in to says of itself. With --data-dir: of that one alone; with --server or --context: of that server alone. Exit status 0: it runs, 3: it doesn't.",
  examples: ["dittofs status", "dittofs status --data-dir /srv/dittofs -o json", "dittofs status --context work"],
  extend: addPlaceFlags,
  async run(call) {
    const named = call.text("server") !== null || call.text("context") !== null;
    if (named) {
      const found = await call.session().call(contract.system.status);
      if (call.format === "table") call.terminal.out(describeServer(call.session().server, found));
      else call.show(found);
      return ExitStatus.ok;
    }
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const dataDirectory = loaded.config.data_dir;
    const instance = (await call.context.server()).find(dataDirectory);
    const server = call.text("data-dir") === null ? await ofContext(call) : null;
    if (call.format === "table") {
      call.terminal.out(instance === null ? `no server runs on ${dataDirectory}\n` : describe(instance));
      if (server !== null) call.terminal.out(`\n${describeServer(call.session().server, server)}`);
    } else call.show({ running: instance !== null, dataDirectory, ...instance, ...(server === null ? {} : { server }) });
    return instance === null && server === null ? ExitStatus.notRunning : ExitStatus.ok;
  },
};

/** What the server of the context in use says; that it doesn't answer is said, and no reason to say nothing of this machine's. */
async function ofContext(call: Call): Promise<ServerStatus | null> {
  const session = call.session();
  if (!session.loggedIn) return null;
  try {
    return await session.call(contract.system.status);
  } catch (error) {
    report(error, call.terminal);
    return null;
  }
}

function describeServer(url: string, found: ServerStatus): string {
  const { shares, adapters, troubled_stores: troubled, uptime_seconds: _, ...rest } = found;
  const running = adapters.map((adapter) => `${adapter.type} ${adapter.port}${adapter.running ? "" : adapter.enabled ? " (not running)" : " (disabled)"}`);
  const counted = `${shares.serving} serving${shares.disabled > 0 ? `, ${shares.disabled} disabled` : ""}${shares.failed > 0 ? `, ${shares.failed} FAILED` : ""}${shares.volatile > 0 ? `, ${shares.volatile} of them in memory, gone when the server stops` : ""}`;
  return facts({ server: url, ...rest, shares: counted, adapters: running }) + troubled.map(describeTrouble).join("");
}

/** A block store that something is wrong with: what, since when, and for which shares. */
function describeTrouble({ name, error, since, shares }: ServerStatus["troubled_stores"][number]): string {
  return `\nblock store ${name} FAILS${since === null ? "" : ` since ${since}`}, for ${shares.join(", ")}:\n  ${printable(error)}\n`;
}

function describe(instance: Instance): string {
  const lines = [
    ["running", instance.state],
    ["pid", String(instance.pid)],
    ["version", instance.version],
    ["since", instance.startedAt],
    ["data", instance.dataDirectory],
    ["config", instance.configFile ?? "none, defaults"],
    ...(typeof instance.logFile === "string" ? [["log", instance.logFile]] : []),
    ...instance.listening.map((at) => [at.protocol, `${at.address.includes(":") ? `[${at.address}]` : at.address}:${at.port}`]),
  ];
  const shares = instance.shares.map((share) => [share.name, share.metadata, share.blocks, share.durability, share.readOnly ? "read-only" : "read-write", openTo(share.allowedClients, instance)]);
  return `${table(lines)}\n${table([["SHARE", "METADATA", "BLOCKS", "DURABILITY", "ACCESS", "OPEN TO"], ...shares])}`;
}
