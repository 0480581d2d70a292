import { chdir } from "node:process";
import { rmSync, writeFileSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import type { Instance, RunOptions } from "#cli/ports.ts";
import { type Config, type Loaded, processEnvironment } from "#config/index.ts";
import { type LogOptions, type OpenLogger, openPinoLogger } from "#telemetry/logs/index.ts";
import { checkLayout, DataDirectoryError, makeDataDirectory } from "./data-directory.ts";
import { syncDirectory } from "./durable-files.ts";
import { DirectoryLock } from "./instance.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { Surroundings } from "../share/open-share.ts";
import { giveBackCode, widenThreadPool } from "./native.ts";
import { type RunningServer, startServer } from "../server/server.ts";
import { Signals } from "./signals.ts";
import { openTelemetry } from "../telemetry/telemetry.ts";

/** Exit statuses of a server, after those of sysexits.h where it gives up by itself. */
const status = { ok: 0, failed: 1, bug: 70, ioError: 74 } as const;

/** After so long code that only starting took, and its garbage, are given back: some twenty megabytes that an idle server would keep. */
const settleMs = 1500;

function settle(): void {
  Bun.shrink();
  giveBackCode();
}

/** Runs a server from its start to its stop; gives the exit status. What an operator can put right is thrown as an Error. */
export async function runServer(loaded: Loaded, options: RunOptions): Promise<number> {
  widenThreadPool();
  try {
    return await holdAndServe(loaded, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
    // The system's own words don't name the file where it was a write that failed.
    throw new DataDirectoryError(`no room on the disk of ${placesOnDisk(loaded.config).join(" or ")} (${message}); make some and start again`);
  }
}

function placesOnDisk({ data_dir, cache }: Config): readonly string[] {
  return [data_dir, cache.path].filter((path) => path !== "");
}

async function holdAndServe(loaded: Loaded, options: RunOptions): Promise<number> {
  const { config } = loaded;
  makeDataDirectory(config.data_dir);
  const lock = DirectoryLock.take(config.data_dir, process.pid);
  if (typeof lock === "number") {
    throw new DataDirectoryError(`${config.data_dir} is in use by the server with pid ${lock === 0 ? "(unknown)" : lock}; give this one another --data-dir, or stop that one`);
  }
  try {
    checkLayout(config.data_dir);
    syncDirectory(config.data_dir);
    const logger = openPinoLogger({ ...logOptions(config.logging), environment: processEnvironment() });
    return await serve(loaded, options, lock, logger);
  } finally {
    lock.release();
    if (options.pidFile !== null) rmSync(options.pidFile, { force: true });
  }
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    throw new DataDirectoryError(`the file of --pid-file can't be written: ${(error as Error).message}`);
  }
}

async function serve(loaded: Loaded, options: RunOptions, lock: DirectoryLock, logger: OpenLogger): Promise<number> {
  const { config } = loaded;
  let server: RunningServer | null = null;
  const signals = new Signals(logger, config.logging.output, () => server?.reload());
  guard(logger);
  if (options.pidFile !== null) writePidFile(options.pidFile);
  // Nothing below takes a relative path, and a server must not keep a file system busy that it has nothing to do with.
  chdir("/");
  const lifecycle = new Lifecycle(systemClock, logger);
  const now = systemClock.now();
  const instance = new Description(loaded, options.version, now.sec * 1000);
  let state: Instance["state"] = "starting";
  const publish = (): Instance => {
    const description = instance.as(state, server);
    lock.publish(description);
    return description;
  };
  publish();
  logger.info({ version: options.version, pid: process.pid, data: config.data_dir, config: loaded.file }, "starting");
  for (const warning of loaded.warnings) logger.warn({}, warning);
  try {
    const { telemetry, serve: serveTelemetry } = await openTelemetry(config, options.version, systemClock, logger);
    const around: Surroundings = { clock: systemClock, random: systemRandom, logger, telemetry, fatal: (error) => die(logger, error) };
    const changed = (): void => {
      if (server !== null) publish();
    };
    server = await startServer({ loaded, version: options.version, startedAt: now.sec * 1000, around, logger, lifecycle, announce: options.announce, serveTelemetry, newControlPlane: options.newControlPlane, changed });
    state = "ready";
    options.announce.ready(publish());
    const settled = systemClock.after(settleMs, settle);
    const signal = await signals.first;
    settled.cancel();
    logger.info({ signal, timeoutMs: config.server.shutdown_timeout }, "stopping");
    state = "stopping";
    publish();
  } catch (error) {
    await lifecycle.stop(config.server.shutdown_timeout);
    // Whoever started it is told on standard error; whoever reads the log later has nothing but that.
    if (!["stderr", "stdout"].includes(config.logging.output)) logger.error({ err: error }, "not started");
    logger.flush();
    throw error;
  }
  const clean = await lifecycle.stop(config.server.shutdown_timeout);
  logger.info({ clean }, "stopped");
  logger.flush();
  return clean ? status.ok : status.failed;
}

function logOptions({ level, format, output, rotate, repeats_per_second: repeatsPerSecond }: Config["logging"]): LogOptions {
  return { level, format, output, rotation: { bytesMax: rotate.size, keep: rotate.keep }, repeatsPerSecond };
}

/** Going on with state nobody planned for could cost data: end, and let the next start recover, which is tested for any moment. */
function guard(logger: OpenLogger): void {
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      logger.error({ err: error, event }, "a bug: ending; nothing acknowledged is lost");
      process.exit(status.bug);
    });
  }
}

function die(logger: OpenLogger, error: Error): never {
  logger.error({ err: error }, "storage can't be trusted any more: ending. Look at the disk before the server is started again. The start goes on from what is on it, and recovers what was acknowledged");
  process.exit(status.ioError);
}

/** What `status` and the banner say about this process. */
class Description {
  private readonly loaded: Loaded;
  private readonly version: string;
  private readonly startedAt: string;

  constructor(loaded: Loaded, version: string, startedAtMs: number) {
    this.loaded = loaded;
    this.version = version;
    this.startedAt = new Date(startedAtMs).toISOString();
  }

  as(state: Instance["state"], server: RunningServer | null): Instance {
    const { output } = this.loaded.config.logging;
    return {
      pid: process.pid,
      state,
      version: this.version,
      startedAt: this.startedAt,
      dataDirectory: this.loaded.config.data_dir,
      configFile: this.loaded.file,
      logFile: ["stderr", "stdout"].includes(output) ? null : output,
      listening: server?.listening ?? [],
      shares: server?.shares ?? [],
    };
  }
}
