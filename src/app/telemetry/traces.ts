import type { Config } from "#config/index.ts";
import type { Metrics } from "#telemetry/metrics/metrics.ts";
import type { TracingStats } from "#telemetry/tracing/open.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import type { Surroundings } from "../share/open-share.ts";

/** Begins to follow requests, where that is asked for; what was followed last is sent at the very end of a stop. */
export async function startTraces({ telemetry }: Config, version: string, { clock, random, logger, telemetry: { metrics } }: Surroundings, lifecycle: Lifecycle): Promise<void> {
  if (!telemetry.enabled) return;
  const { openTracing } = await import("#telemetry/tracing/index.ts");
  const { endpoint, insecure, sample_rate: sampleRate, max_traces_per_second: perSecondMax } = telemetry;
  const tracing = await openTracing({ endpoint, insecure, sampleRate, perSecondMax, version, clock, random, logger });
  collectTracing(metrics, () => tracing.stats);
  lifecycle.started("traces", () => tracing.close());
  logger.info({ endpoint, insecure, sampleRate, perSecondMax }, "requests are traced");
}

function collectTracing(metrics: Metrics, stats: () => TracingStats): void {
  metrics.collect("dittofs_traces_followed_total", () => [{ labels: [], value: stats().followed }]);
  metrics.collect("dittofs_traces_passed_over_total", () => [{ labels: [], value: stats().passedOver }]);
  metrics.collect("dittofs_spans_exported_total", () => [{ labels: [], value: stats().exported }]);
  metrics.collect("dittofs_spans_dropped_total", () => [{ labels: ["full"], value: stats().full }, { labels: ["refused"], value: stats().refused }]);
  metrics.collect("dittofs_spans_waiting", () => [{ labels: [], value: stats().waiting }]);
}
