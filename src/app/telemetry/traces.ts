import type { Config } from "#config/index.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import type { Surroundings } from "../share/open-share.ts";

/** Begins to follow requests, where that is asked for; what was followed last is sent at the very end of a stop. */
export async function startTraces({ telemetry }: Config, version: string, { clock, random, logger }: Surroundings, lifecycle: Lifecycle): Promise<void> {
  if (!telemetry.enabled) return;
  const { openTracing } = await import("#telemetry/tracing/index.ts");
  const { endpoint, insecure, sample_rate: sampleRate, max_traces_per_second: perSecondMax } = telemetry;
  const tracing = await openTracing({ endpoint, insecure, sampleRate, perSecondMax, version, clock, random, logger });
  lifecycle.started("traces", () => tracing.close());
  logger.info({ endpoint, insecure, sampleRate, perSecondMax }, "requests are traced");
}
