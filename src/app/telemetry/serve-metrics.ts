import type { Api } from "#api/server/api.ts";
import { checkHost, isLoopback } from "#api/server/host.ts";
import { listenApi } from "#api/server/listener.ts";
import { Refusal } from "#api/server/refusal.ts";
import type { Clock } from "#base/clock.ts";
import type { Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { collectProcess, collectRequests, measureLoopLag, type Metrics } from "#telemetry/metrics/index.ts";
import { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import { collectConnections } from "../metrics/protocol-metrics.ts";
import { openFilesMax } from "../process/open-files.ts";
import type { ServedTelemetry, Telemetry } from "./telemetry.ts";

/** Connections of those who scrape, and scrapes answered at once. */
const connectionsMax = 16;
const scrapesMax = 4;
/** What of a stop's time a scrape in hand may take, at most. */
const stopMsMax = 1000;

/** Metrics that are kept from now on, and served once `serve` is called. `watched`: whose requests are counted as long as the server runs. */
export function openMetrics(config: Config, version: string, watched: Pick<Telemetry, "nfsRequests" | "smbRequests">, clock: Clock, logger: Logger): { readonly metrics: Metrics; readonly serve: ServedTelemetry["serve"] } {
  const registry = new MetricsRegistry(logger);
  const [number, commit] = versionParts(version);
  collectProcess(registry, { version: number, commit, startedAtSec: clock.now().sec, openFilesMax: openFilesMax() ?? Number.POSITIVE_INFINITY });
  collectRequests(registry, "nfs", watched.nfsRequests.hold().watch);
  collectRequests(registry, "smb", watched.smbRequests.hold().watch);
  return { metrics: registry, serve: (lifecycle) => serveMetrics(config, registry, clock, logger, lifecycle) };
}

/** "0.1.0 (0123abc)": the version and the commit. */
function versionParts(version: string): readonly [string, string] {
  const [, number = version, commit = ""] = /^(\S+) \((.*)\)$/.exec(version) ?? [];
  return [number, commit];
}

async function serveMetrics({ metrics: { host, port } }: Config, registry: MetricsRegistry, clock: Clock, logger: Logger, lifecycle: Lifecycle): Promise<readonly Listening[]> {
  const api = metricsPage(registry, isLoopback(host));
  const named = { what: "metrics", section: "metrics" };
  const listener = await listenApi({ host, port, tls: null, api, clock, logger: logger.child({ part: "metrics" }), connectionsMax, named });
  const lag = measureLoopLag(registry, clock);
  collectConnections(registry, "metrics", () => listener.stats());
  lifecycle.started("metrics", async (leftMs) => {
    lag.end();
    await listener.stop(Math.min(leftMs, stopMsMax));
  });
  return [{ protocol: "metrics", address: listener.address, port: listener.port }];
}

/** GET /metrics. `local`: only this machine is to reach it, so that a request by another name comes from a page in a browser (DNS rebinding). */
function metricsPage(registry: Pick<MetricsRegistry, "text" | "contentType">, local: boolean): Api {
  let scrapes = 0;
  return {
    async fetch(request) {
      try {
        checkHost(request, local ? [] : null);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return said(421, "This listens to its own machine alone: call it by localhost or an address, or set metrics.host.");
      }
      if (new URL(request.url).pathname !== "/metrics") return said(404, "There is nothing here but /metrics.");
      if (request.method !== "GET" && request.method !== "HEAD") return said(405, "/metrics takes GET.", { allow: "GET, HEAD" });
      if (scrapes >= scrapesMax) return said(503, `${scrapesMax} others are being answered: scrape less often, or from fewer places.`, { "retry-after": "5" });
      scrapes++;
      try {
        return new Response(await registry.text(), { headers: { "content-type": registry.contentType, "cache-control": "no-store" } });
      } finally {
        scrapes--;
      }
    },
    async close() {},
  };
}

function said(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}
