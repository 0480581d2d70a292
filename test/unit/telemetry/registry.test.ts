import { describe, expect, test } from "bun:test";
import type { Logger } from "#telemetry/logger.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { noMetrics, requestSeconds } from "#telemetry/metrics/index.ts";
import { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import { seriesMax } from "#telemetry/metrics/series.ts";
import { Scrape } from "../../support/scrape.ts";

const scrape = async (registry: MetricsRegistry): Promise<Scrape> => new Scrape(await registry.text());

describe("the registry", () => {
  test("prints what was counted, help and type, and nothing of what nobody registered for", async () => {
    const registry = new MetricsRegistry(silentLogger);
    const attempts = registry.counter("dittofs_authentication_attempts_total");
    attempts.add(1, "ntlm");
    attempts.add(2, "ntlm");
    attempts.add(5, "password");
    const now = await scrape(registry);
    expect(now.value("dittofs_authentication_attempts_total", { mechanism: "ntlm" })).toBe(3);
    expect(now.value("dittofs_authentication_attempts_total", { mechanism: "password" })).toBe(5);
    expect([...now.names]).toEqual(["dittofs_authentication_attempts_total"]);
    expect(now.text).toContain("# TYPE dittofs_authentication_attempts_total counter");
  });

  test("histograms are cumulative, with what is above the last bound in +Inf alone", async () => {
    const registry = new MetricsRegistry(silentLogger);
    const lag = registry.histogram("dittofs_event_loop_lag_seconds");
    for (const value of [0, 8e-6, 9e-6, 0.001, 100]) lag.observe(value);
    const now = await scrape(registry);
    const bucket = (le: number | string): number => now.value("dittofs_event_loop_lag_seconds_bucket", { le });
    expect([bucket(requestSeconds[0]!), bucket(requestSeconds[1]!), bucket(requestSeconds.at(-1)!), bucket("+Inf")]).toEqual([2, 3, 4, 5]);
    expect(now.value("dittofs_event_loop_lag_seconds_count")).toBe(5);
    expect(now.value("dittofs_event_loop_lag_seconds_sum")).toBeCloseTo(100.001017, 6);
  });

  test("several may be asked for one metric: equal labels are added up, and who ends is asked no more", async () => {
    const registry = new MetricsRegistry(silentLogger);
    const labels = ["nfs"];
    registry.collect("dittofs_connections", () => [{ labels, value: 3 }]);
    const other = registry.collect("dittofs_connections", () => [{ labels, value: 4 }, { labels: ["smb"], value: 1 }]);
    expect((await scrape(registry)).value("dittofs_connections", { protocol: "nfs" })).toBe(7);
    other.end();
    const now = await scrape(registry);
    expect(now.value("dittofs_connections", { protocol: "nfs" })).toBe(3);
    expect(now.has("dittofs_connections", { protocol: "smb" })).toBe(false);
  });

  test("who can't tell hides nothing of the others, and is complained of once", async () => {
    const complaints: object[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => void complaints.push(fields) };
    const registry = new MetricsRegistry(logger);
    registry.collect("dittofs_connections", () => {
      throw new Error("gone");
    });
    registry.collect("dittofs_connections", () => [{ labels: ["nfs"], value: 3 }]);
    for (let i = 0; i < 2; i++) expect((await scrape(registry)).value("dittofs_connections", { protocol: "nfs" })).toBe(3);
    expect(complaints).toMatchObject([{ metric: "dittofs_connections" }]);
  });

  test("label values can't break a line or make up another", async () => {
    const registry = new MetricsRegistry(silentLogger);
    registry.counter("dittofs_authentication_attempts_total").add(1, 'a"} 7\nfake_total{x="\\');
    const lines = (await registry.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(lines).toEqual(['dittofs_authentication_attempts_total{mechanism="a\\"} 7\\nfake_total{x=\\"\\\\"} 1']);
  });

  test("label sets are bounded: what is above counts as other", async () => {
    const registry = new MetricsRegistry(silentLogger);
    const requests = registry.counter("dittofs_api_requests_total");
    for (let i = 0; i < seriesMax + 100; i++) requests.add(1, "GET", `/${i}`, "200");
    const now = await scrape(registry);
    expect(now.all("dittofs_api_requests_total").size).toBe(seriesMax + 1);
    expect(now.value("dittofs_api_requests_total", { method: "other", route: "other", status: "other" })).toBe(100);
  });

  test("switched off, all of it does nothing", () => {
    noMetrics.counter("dittofs_authentication_attempts_total").add(1, "ntlm");
    noMetrics.histogram("dittofs_event_loop_lag_seconds").observe(1);
    noMetrics.collect("dittofs_connections", () => expect.unreachable()).end();
  });
});
