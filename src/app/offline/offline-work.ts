import { noAttempts } from "#model/identity.ts";
import { existsSync } from "node:fs";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { jobDetailView } from "#api/server/views.ts";
import type { schemas } from "#api/contract/index.ts";
import type { OfflineWork } from "#cli/ports.ts";
import type { Loaded } from "#config/index.ts";
import type { JobRequest, SharePlan } from "#control/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { openControl, type RunningControl } from "../control/control.ts";
import type { Surroundings } from "../share/open-share.ts";
import { OneShareRuntime } from "./one-share-runtime.ts";
import { noTelemetry } from "../telemetry/telemetry.ts";

/** Who the audit log says it was. */
const operator = { name: "offline", address: "" } as const;
/** How often progress is told. */
const toldMs = 200;

/**
 * Does a job on a share of a stopped server, whose data directory is locked: the share is opened as the server would, its log replayed, and
 * closed again.
 */
export async function workOffline(loaded: Loaded, what: OfflineWork, told: (job: schemas.JobDetail) => void): Promise<schemas.JobDetail> {
  const { config } = loaded;
  const { type, sqlite } = config.database;
  if (type === "sqlite" && !existsSync(sqlite.path)) throw new Error(`there is no control-plane database ${sqlite.path}; name the server's --data-dir or --config`);
  const around: Surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger, telemetry: noTelemetry(systemClock), fatal: die };
  const runtime = new OneShareRuntime(what.share, { attempts: noAttempts, config, around, recovered() {}, identify: (shareId, instance) => control.identify(shareId, instance), setLogLevel() {}, changed() {} });
  const control: RunningControl = await openControl({ loaded, runtime, around, begin: false });
  try {
    control.plane.shares.get(what.share);
    const [failure] = await control.start();
    if (failure !== undefined) throw new Error(failure.reason);
    const { shares } = control.plane;
    if (what.kind === "migrate") refuseVolatile(shares.movePlan(what.share, { ...what.to, acceptVolatile: true }));
    const request: JobRequest = what.kind === "migrate" ? { kind: "migrate", share: what.share, plan: shares.movePlan(what.share, what.to), commit: () => shares.moved(operator, what.share, what.to) } : what;
    const { id } = runtime.jobs.start(request, operator.name);
    let ended = false;
    const tell = (): void => {
      if (ended) return;
      told(jobDetailView(runtime.jobs.get(id)));
      around.clock.after(toldMs, tell);
    };
    tell();
    const job = await runtime.jobs.ended(id);
    ended = true;
    return jobDetailView(job);
  } finally {
    await runtime.stopShares(config.server.shutdown_timeout);
    await control.stop(config.server.shutdown_timeout);
  }
}

/** Refused before anything: what is put into the memory of this program ends with it. */
function refuseVolatile({ name, metadata }: SharePlan): void {
  if (metadata.type !== "memory") return;
  throw new Error(`share ${name} can't be moved into metadata store ${metadata.name} without its server, in whose memory it would be; start the server, and leave out --offline. Nothing was changed`);
}

/** As a server does: the next start recovers what was acknowledged. */
function die(error: Error): never {
  process.stderr.write(`error: storage can't be trusted any more: ${error.message}\n`);
  process.exit(74);
}
