import { hostname } from "node:os";
import type { Config } from "#config/index.ts";
import { isProfileType } from "#telemetry/profiling/profile-types.ts";
import { Profiler } from "#telemetry/profiling/profiler.ts";
import type { Surroundings } from "./open-share.ts";

/** Profiles of a server, for whoever asks and for Pyroscope. */
export interface Profiling {
  readonly profiler: Profiler;
  stop(): Promise<void>;
}

/** Pushes profiles from now on where that is configured. Where Pyroscope is away, that is for the log and keeps nothing from starting. */
export async function startProfiling(config: Config, version: string, { clock, logger }: Pick<Surroundings, "clock" | "logger">): Promise<Profiling> {
  const profiler = new Profiler(clock);
  const { enabled, endpoint, profile_types } = config.telemetry.profiling;
  const types = [...new Set(profile_types)].filter(isProfileType);
  if (!enabled || types.length === 0) return { profiler, stop: async () => {} };
  const { Pusher } = await import("#telemetry/profiling/pusher.ts");
  const pusher = new Pusher({ endpoint, types, labels: { host: hostname(), version }, profiler, clock, logger: logger.child({ part: "profiling" }) });
  pusher.start();
  return { profiler, stop: () => pusher.stop() };
}
