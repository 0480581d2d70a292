import type { Command } from "commander";
import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { isatty } from "node:tty";
import type { Loaded } from "#config/index.ts";
import { acceptingLine, banner } from "../../banner.ts";
import { runDetached } from "../../detach.ts";
import { type Announce, type Context, describeVersion, ExitStatus, type Instance } from "../../ports.ts";
import { addConfigFlags, loadFor } from "../../settings.ts";

interface Flags {
  readonly detach?: boolean;
  readonly pidFile?: string;
  readonly newControlPlane?: boolean;
  readonly logFile?: string;
  readonly announceFd?: string;
  readonly announcePerson?: boolean;
}

export function start(parent: Command, context: Context, finish: (status: number) => void): void {
  const command = parent
    .command("start")
    .description("Start the server and serve until SIGTERM or SIGINT; a second signal stops at once.")
    .option("--detach", "go to the background once the server is up")
    .option("--pid-file <file>", "a further file to hold the process id while the server runs")
    .option("--new-control-plane", "begin a control plane although there are files of shares and no database that knows them")
    .option("--log-file <file>", "the same as --log-output; with --detach the default is dittofs.log in the data directory");
  command.addOption(command.createOption("--announce-fd <fd>").hideHelp());
  command.addOption(command.createOption("--announce-person").hideHelp());
  addConfigFlags(command).addHelpText(
    "after",
    `
Examples:
  dittofs start
  dittofs start --data-dir /srv/dittofs --nfs-port 2049 --allow 192.168.1.0/24
  dittofs start --detach --pid-file /run/dittofs.pid --log-file /var/log/dittofs.log`,
  );
  command.action(async () => finish(await run(command, context)));
}

async function run(command: Command, context: Context): Promise<number> {
  const flags: Flags = command.opts();
  const extra = new Map<string, string>(flags.logFile === undefined ? [] : [["logging.output", flags.logFile]]);
  const loaded = loadFor(command, context, extra);
  if (typeof loaded === "number") return loaded;
  // The server logs them, too: twice is once too often where the log is this terminal, or this is a detached one's log.
  const logged = flags.detach !== true && (flags.announceFd !== undefined || ["stderr", "stdout"].includes(loaded.config.logging.output));
  if (!logged) for (const warning of loaded.warnings) context.terminal.err(`warning: ${warning}\n`);
  if (flags.detach === true) return await detach(loaded, context);
  const announceFd = flags.announceFd === undefined ? null : Number(flags.announceFd);
  const control = await context.server();
  return await control.run(loaded, {
    version: describeVersion(context.version),
    newControlPlane: flags.newControlPlane === true,
    pidFile: flags.pidFile === undefined ? null : resolve(flags.pidFile),
    announce: announcer(announceFd === null ? context.terminal.out : toDescriptor(announceFd), announceFd !== null, announceFd === null ? isatty(1) : flags.announcePerson === true),
  });
}

async function detach(loaded: Loaded, context: Context): Promise<number> {
  const control = await context.server();
  const running = control.find(loaded.config.data_dir);
  if (running !== null) {
    context.terminal.err(`error: ${loaded.config.data_dir} is in use by the server with pid ${running.pid}\n`);
    return ExitStatus.failed;
  }
  // The log may lie in it, and is opened before the server itself gets to run.
  control.makeDataDirectory(loaded.config.data_dir);
  return await runDetached(loaded, context.terminal);
}

/** Writes to whoever waits for the server to be up; that they went away is no reason to fail. */
function toDescriptor(fd: number): (text: string) => void {
  return (text) => {
    try {
      writeSync(fd, text);
    } catch {}
  };
}

function announcer(write: (text: string) => void, detached: boolean, person: boolean): Announce {
  return {
    person,
    note: write,
    recovered: (share, summary) => write(`recovered ${share}: ${summary}\n`),
    listening: (at) => write(acceptingLine(at)),
    ready: (instance: Instance) => {
      write(banner(instance, process.argv0, detached));
      write("ready\n");
    },
  };
}
