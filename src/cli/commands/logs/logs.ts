import { existsSync } from "node:fs";
import { join } from "node:path";
import { Option } from "commander";
import type { Loaded } from "#config/index.ts";
import { momentOf } from "../../moment.ts";
import { ExitStatus } from "../../ports.ts";
import { type Call, CommandFailure, UsageError, type Verb } from "../../remote/index.ts";
import { addPlaceFlags, loadFor } from "../../settings.ts";
import { type Level, levels, parseLine } from "./entry.ts";
import { LogFiles, type Wanted } from "./log-files.ts";

const linesDefault = 100;
const lookAgainMs = 250;

export const logs: Verb = {
  name: "logs",
  local: true,
  summary: "Print the log of the server of this data directory, with the files it was rotated to.",
  examples: ["dittofs logs -n 20", "dittofs logs -f", "dittofs logs -f --level warn --since 10m", "dittofs logs --since 1h -o json"],
  flags: [
    { flags: "-f, --follow", help: "go on with what is written from now on, until Ctrl-C" },
    { flags: "-n, --lines <number>", help: `the last so many lines (default: ${linesDefault}; with --since all); with --level, of those` },
    { flags: "--level <level>", help: "no less severe than this: debug, info, warn or error" },
    { flags: "--since <when>", help: "nothing older: 90m, 24h, 7d, or 2026-01-31T08:00" },
  ],
  extend: (command) => {
    command.addOption(new Option("-o, --output <format>", "text: as it was written; json: an object a line").choices(["text", "json"]).default("text"));
    addPlaceFlags(command);
  },
  async run(call) {
    const loaded = loadFor(call.command, call.context);
    if (typeof loaded === "number") return ExitStatus.usage;
    const { terminal, clock } = call.context;
    const since = call.text("since");
    const sinceMs = since === null ? null : momentOf(since, "--since", clock).getTime();
    const log = open(await pathOf(call, loaded), { lines: linesOf(call.text("lines"), sinceMs), sinceMs, severity: severityOf(call.text("level")) });
    const json = call.text("output") === "json";
    const print = (line: string) => terminal.out(json ? `${JSON.stringify(parseLine(line))}\n` : `${line}\n`);
    try {
      log.read(print);
      while (call.has("follow") && !terminal.gone) {
        await call.context.wait(lookAgainMs);
        log.followRotation();
        log.read(print);
      }
      log.readRest(print);
    } finally {
      log.close();
    }
  },
};

function linesOf(given: string | null, sinceMs: number | null): number {
  if (given === null) return sinceMs === null ? linesDefault : Number.POSITIVE_INFINITY;
  if (!/^\d{1,9}$/.test(given)) throw new UsageError(`--lines: ${JSON.stringify(given)} is not allowed here; allowed: a whole number`);
  return Number(given);
}

function severityOf(given: string | null): number {
  const severity = given === null ? 0 : levels.indexOf(given as Level);
  if (severity === -1) throw new UsageError(`--level: ${JSON.stringify(given)} is not allowed here; allowed: ${levels.join(", ")}`);
  return severity;
}

function open(path: string, wanted: Wanted): LogFiles {
  try {
    return new LogFiles(path, wanted);
  } catch (error) {
    throw new CommandFailure(ExitStatus.failed, `the log ${path} can't be read: ${(error as Error).message}`, "it belongs to the user the server runs as");
  }
}

/** The running server knows best; of one that ended, the configuration and the place a detached one logs to. */
async function pathOf(call: Call, { config }: Loaded): Promise<string> {
  const instance = (await call.context.server()).find(config.data_dir);
  if (typeof instance?.logFile === "string") return instance.logFile;
  const hint = "started with --detach or --log-file FILE it logs to a file; under systemd, journalctl has its log";
  if (instance?.logFile === null) throw new CommandFailure(ExitStatus.failed, `the server with pid ${instance.pid} logs to the terminal or the pipe it was started with, not to a file`, hint);
  const { output } = config.logging;
  const path = ["stderr", "stdout"].includes(output) ? join(config.data_dir, "dittofs.log") : output;
  if (!existsSync(path)) throw new CommandFailure(ExitStatus.failed, `there is no log ${path}${["stderr", "stdout"].includes(output) ? `: the server of ${config.data_dir} logs to the terminal it is started on` : ""}`, hint);
  return path;
}
