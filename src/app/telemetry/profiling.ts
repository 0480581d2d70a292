import { hostname } from "node:os";
import type { Config } from "#config/index.ts";
import { isProfileType } from "#telemetry/profiling/profile-types.ts";
import { Profiler } from "#telemetry/profiling/profiler.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import type { Surroundings } from "../share/open-share.ts";

/** What takes profiles for whoever asks; it pushes them from now on where that is configured. Where Pyroscope is away, that is for the log and keeps nothing from starting. */
export async function startProfiling(config: Config, version: string, { clock, logger }: Pick<Surroundings, "clock" | "logger">, lifecycle: Lifecycle): Promise<Profiler> {
  const profiler = new Profiler(clock);
  const { enabled, endpoint, profile_types } = config.telemetry.profiling;
  const types = [...new Set(profile_types)].filter(isProfileType);
  if (!enabled || types.length === 0) return profiler;
  const { Pusher } = await import("#telemetry/profiling/pusher.ts");
  const pusher = new Pusher({ endpoint, types, labels: { host: hostname(), version }, profiler, clock, logger: logger.child({ part: "profiling" }) });
  pusher.start();
  lifecycle.started("profiling", () => pusher.stop());
  return profiler;
}
