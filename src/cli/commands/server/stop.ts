import { type Command, Option } from "commander";
import { parseDuration } from "#config/index.ts";
import { type Context, ExitStatus } from "../../ports.ts";
import { addPlaceFlags, loadFor } from "../../settings.ts";

/** What a server may take beyond its own shutdown time-out. */
const marginMs = 5000;

export function stop(parent: Command, context: Context, finish: (status: number) => void): void {
  const command = parent
    .command("stop")
    .description("Stop the server that runs on the data directory and wait until it is gone.")
    .addOption(new Option("--timeout <duration>", "how long to wait (default: server.shutdown_timeout and 5s)"))
    .option("--force", "don't let it finish what it has in hand; nothing acknowledged is lost");
  addPlaceFlags(command).addHelpText("after", "\nExample:\n  dittofs stop --data-dir /srv/dittofs");
  command.action(async (options: { timeout?: string; force?: boolean }) => {
    const loaded = loadFor(command, context);
    if (typeof loaded === "number") return finish(loaded);
    const timeoutMs = options.timeout === undefined ? loaded.config.server.shutdown_timeout + marginMs : parseDuration(options.timeout);
    if (timeoutMs === null) {
      context.terminal.err(`error: --timeout: ${JSON.stringify(options.timeout)} is not allowed here; allowed: a duration such as 200ms, 30s or 5m\n`);
      return finish(ExitStatus.usage);
    }
    finish(await stopAndWait(loaded.config.data_dir, timeoutMs, options.force === true, context));
  });
}

async function stopAndWait(dataDirectory: string, timeoutMs: number, force: boolean, context: Context): Promise<number> {
  const { terminal } = context;
  const control = await context.server();
  const instance = control.find(dataDirectory);
  if (instance === null) {
    terminal.err(`no server runs on ${dataDirectory}\n`);
    return ExitStatus.notRunning;
  }
  if (instance.pid <= 0) {
    // To the system, 0 is everything in this process's own group.
    terminal.err(`error: a server holds ${dataDirectory} but its process id is not known; it may be starting or stopping\n`);
    return ExitStatus.failed;
  }
  try {
    process.kill(instance.pid, "SIGTERM");
    // The second signal is how a person says "now".
    if (force) process.kill(instance.pid, "SIGTERM");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      terminal.err(`error: the server with pid ${instance.pid} can't be signalled: ${(error as Error).message}\n`);
      return ExitStatus.failed;
    }
  }
  if (!control.waitUntilGone(dataDirectory, instance.pid, timeoutMs)) {
    terminal.err(`error: the server with pid ${instance.pid} still runs; dittofs stop --force doesn't wait for what it has in hand\n`);
    return ExitStatus.failed;
  }
  terminal.out(`stopped ${instance.pid}\n`);
  return ExitStatus.ok;
}
