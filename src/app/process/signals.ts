import type { OpenLogger } from "#telemetry/logs/index.ts";

/** Exit status of a process a signal ended, as shells count it. */
const exitStatus = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type StopSignal = keyof typeof exitStatus;

/**
 * The signals of a server. The first SIGTERM or SIGINT asks for an ordered stop, the second ends the process at once. SIGHUP
 * reopens the log where that is a file and has what else lies in files read anew, and is a stop where it means that the terminal
 * is gone.
 */
export class Signals {
  readonly first: Promise<StopSignal>;

  constructor(logger: OpenLogger, logOutput: string, reload: () => void) {
    const asked = Promise.withResolvers<StopSignal>();
    this.first = asked.promise;
    let stopping = false;
    const stop = (signal: StopSignal) => {
      if (stopping) {
        logger.warn({ signal }, "asked a second time: ending at once; what was acknowledged is on disk");
        process.exit(exitStatus[signal]);
      }
      stopping = true;
      asked.resolve(signal);
    };
    process.on("SIGINT", () => stop("SIGINT"));
    process.on("SIGTERM", () => stop("SIGTERM"));
    const logsToFile = logOutput !== "stderr" && logOutput !== "stdout";
    process.on("SIGHUP", () => {
      if (!logsToFile) return stop("SIGHUP");
      logger.reopen();
      reload();
    });
  }
}
