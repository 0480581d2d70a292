import { noMetrics } from "#telemetry/metrics/metrics.ts";
import type { Api, ApiOptions } from "./api.ts";
import { Measures } from "./measures.ts";

/**
 * The REST interface, loaded when it is first called: with every route's schema it is a large part of what a server keeps in memory,
 * and of the time it takes to start.
 */
export function apiOnDemand(options: ApiOptions): Api {
  // Known to who scrapes before the first call: a metric that comes later is missing from what was made of the first scrape.
  const measures = new Measures(options.metrics ?? noMetrics);
  let loading: Promise<Api> | null = null;
  let loaded: Api | null = null;
  let closed = false;
  const load = async (): Promise<Api> => {
    const { createApi } = await import("./api.ts");
    loaded = createApi(options, measures);
    if (closed) void loaded.close();
    return loaded;
  };
  return {
    fetch: async (request, peer) => (loaded ?? (await (loading ??= load()))).fetch(request, peer),
    async close() {
      closed = true;
      await (await loading)?.close();
    },
  };
}
