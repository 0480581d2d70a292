import type { Clock } from "#base/clock.ts";
import type { Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import type { Call as NfsCall } from "#nfs/call.ts";
import { nfsRequests } from "#nfs/watched.ts";
import type { Call as SmbCall } from "#smb/call.ts";
import { smbRequests } from "#smb/watched.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type Metrics, noMetrics } from "#telemetry/metrics/metrics.ts";
import { RequestSwitch } from "#telemetry/requests/index.ts";
import type { Lifecycle } from "../process/lifecycle.ts";

/** What every part of the server measures itself by. All of it does nothing until it is switched on. */
export interface Telemetry {
  readonly metrics: Metrics;
  readonly nfsRequests: RequestSwitch<NfsCall>;
  readonly smbRequests: RequestSwitch<SmbCall>;
}

export function noTelemetry(clock: Clock): Telemetry {
  return { metrics: noMetrics, nfsRequests: new RequestSwitch(nfsRequests, clock), smbRequests: new RequestSwitch(smbRequests, clock) };
}

/** The telemetry a configuration asks for, and what serves it. */
export interface ServedTelemetry {
  readonly telemetry: Telemetry;
  /** Opens what is listened on. Throws ListenError. Gives where. */
  serve(lifecycle: Lifecycle): Promise<readonly Listening[]>;
}

/** Switches on what the configuration asks for; `version` is what the server calls itself. */
export async function openTelemetry(config: Config, version: string, clock: Clock, logger: Logger): Promise<ServedTelemetry> {
  const off = noTelemetry(clock);
  if (!config.metrics.enabled) return { telemetry: off, serve: async () => [] };
  // Loaded now and not before: a server nobody scrapes does without.
  const { openMetrics } = await import("./serve-metrics.ts");
  const { metrics, serve } = openMetrics(config, version, off, clock, logger);
  return { telemetry: { ...off, metrics }, serve };
}
