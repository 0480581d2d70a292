import { afterEach, expect, test } from "bun:test";
import { collectServer } from "#app/metrics/index.ts";
import type { ServerRuntime } from "#app/server/runtime.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { noMetrics } from "#telemetry/metrics/index.ts";
import { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import { NfsClient } from "../../support/nfs-client.ts";
import { Stable } from "../../support/nfs-types.ts";
import { Scrape } from "../../support/scrape.ts";
import { until } from "../../support/wait.ts";
import { desired, nfsPlan, runtimeOn, sharePlan, storePlan, temporary } from "./kit.ts";

/** What a running server's metrics are read from. */

const running: ServerRuntime[] = [];

afterEach(async () => {
  for (const runtime of running.splice(0)) {
    await runtime.stopAdapters(1000);
    await runtime.stopShares(5000);
  }
});

function measured(identify?: Parameters<typeof runtimeOn>[2]) {
  const directory = temporary();
  const { runtime } = runtimeOn(directory, {}, identify);
  running.push(runtime);
  const registry = new MetricsRegistry(silentLogger);
  collectServer(registry, runtime.measured, directory);
  return { runtime, scrape: async () => new Scrape(await registry.text()) };
}

const memoryShare = (name: string) => sharePlan(name, { metadata: storePlan("metadata", "memory", { name: "m" }), blocks: storePlan("block", "memory", { name: "b", config: { size: 2 ** 26 } }) });

test("a share that should be served and is not is 0, one that is 1, and one that nobody wants any more is gone", async () => {
  const { runtime, scrape } = measured(async (id, instance) => (id === "id of /other" ? "0123456789abcdef" : instance));
  await runtime.reconcile(desired([sharePlan("/a"), sharePlan("/other")]));
  const first = await scrape();
  expect([...first.all("dittofs_share_served")]).toEqual([['dittofs_share_served{share="/a"}', 1], ['dittofs_share_served{share="/other"}', 0]]);
  expect(first.value("dittofs_cache_limit_bytes", { share: "/a", tier: "memory" })).toBeGreaterThan(0);
  expect(first.all("dittofs_dirty_bytes").size).toBe(1);
  await runtime.reconcile(desired([sharePlan("/b")]));
  expect([...(await scrape()).all("dittofs_share_served").keys()]).toEqual(['dittofs_share_served{share="/b"}']);
});

test("each share's numbers are its own, and stores are named with their kind and type", async () => {
  const { runtime, scrape } = measured();
  await runtime.reconcile(desired([memoryShare("/a"), sharePlan("/b")], [nfsPlan()]));
  await runtime.serve();
  const client = await NfsClient.connect({ port: runtime.adapter("nfs").port ?? 0, credentials: { uid: 1000, gid: 1000 } });
  const root = await client.mount("/a");
  const { handle } = await client.create(root, "file", { mode: 0o644 });
  await client.write(handle!, 0, new Uint8Array(5000), Stable.fileSync);
  await runtime.drain("/a");
  const said = await until("the pack to be stored", 5_000, async () => {
    const at = await scrape();
    return at.value("dittofs_packs_stored_total", { share: "/a" }) === 1 ? at : null;
  });
  client.close();
  expect([said.value("dittofs_share_files", { share: "/a" }), said.value("dittofs_share_files", { share: "/b" })]).toEqual([2, 1]);
  expect([said.value("dittofs_share_stored_bytes", { share: "/a" }), said.value("dittofs_packs_stored_total", { share: "/b" })]).toEqual([5000, 0]);
  expect(said.value("dittofs_blockstore_requests_total", { share: "/a", store: "b", operation: "put", result: "ok" })).toBe(1);
  expect(said.value("dittofs_metadata_changes_total", { share: "/a", store: "m", type: "memory", result: "applied" })).toBeGreaterThanOrEqual(2);
  expect([...said.all("dittofs_metadata_sync_duration_seconds_count").keys()]).toEqual(['dittofs_metadata_sync_duration_seconds_count{share="/b",store="default",type="sqlite"}']);
  expect(said.value("dittofs_store_reachable", { share: "/a", store: "m", kind: "metadata" })).toBe(1);
  // The CREATE can't be done twice, the WRITE may.
  expect(said.value("dittofs_nfs_duplicate_cache_entries")).toBe(1);
});

test("nothing is asked of a server that nobody scrapes", () => {
  let asked = 0;
  collectServer(noMetrics, () => {
    asked++;
    throw new Error("asked");
  }, "/nowhere");
  expect(asked).toBe(0);
});
