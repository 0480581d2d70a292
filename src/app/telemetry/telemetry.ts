import { listenApi } from "#api/server/listener.ts";
import { checkHost, isLoopback } from "#api/server/host.ts";
import type { Api } from "#api/server/api.ts";
import { Refusal } from "#api/server/refusal.ts";
import type { Clock } from "#base/clock.ts";
import type { Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import type { Call as NfsCall } from "#nfs/call.ts";
import { nfsRequests } from "#nfs/watched.ts";
import type { Call as SmbCall } from "#smb/call.ts";
import { smbRequests } from "#smb/watched.ts";
import type { Logger } from "#telemetry/logger.ts";
import { collectProcess, collectRequests, measureLoopLag, type Metrics, noMetrics } from "#telemetry/metrics/index.ts";
import type { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import { RequestSwitch } from "#telemetry/requests/index.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import { openFilesMax } from "../process/open-files.ts";
import { collectConnections } from "../metrics/protocol-metrics.ts";

/** Connections of those who scrape, and scrapes answered at once. */
const connectionsMax = 16;
const scrapesMax = 4;
/** What of a stop's time a scrape in hand may take, at most. */
const stopMsMax = 1000;

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
  const { MetricsRegistry } = await import("#telemetry/metrics/registry.ts");
  const registry = new MetricsRegistry(logger);
  const [number, commit] = versionParts(version);
  collectProcess(registry, { version: number, commit, startedAtSec: clock.now().sec, openFilesMax: openFilesMax() ?? Number.POSITIVE_INFINITY });
  collectRequests(registry, "nfs", off.nfsRequests.hold().watch);
  collectRequests(registry, "smb", off.smbRequests.hold().watch);
  return { telemetry: { ...off, metrics: registry }, serve: (lifecycle) => serveMetrics(config, registry, clock, logger, lifecycle) };
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
export function metricsPage(registry: Pick<MetricsRegistry, "text" | "contentType">, local: boolean): Api {
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
