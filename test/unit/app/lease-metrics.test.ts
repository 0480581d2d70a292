import { expect, test } from "bun:test";
import { collectServer } from "#app/metrics/index.ts";
import type { OpenShare } from "#app/share/open-share.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { MetricsRegistry } from "#telemetry/metrics/registry.ts";
import { breakMs } from "#vfs/opens/lease.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { policyOf } from "../../support/policy.ts";
import { Scrape } from "../../support/scrape.ts";
import { createBody, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer } from "../../support/smb-server.ts";
import { batch, PatientClock } from "../smb/durable/kit.ts";
import { openWorld } from "../vfs/kit.ts";

/** Breaks that nobody answers: with a clock whose 35 s are over when told. */

test("a break that its client does not answer is counted when its time is over, and whoever waited goes on", async () => {
  const clock = new PatientClock([breakMs]);
  const world = await openWorld({ policy: policyOf(), clock });
  const server = await smbServer({ clock }, {}, world);
  const registry = new MetricsRegistry(silentLogger);
  // Of an open share what leases are read from; the other metrics are told apart by the registry.
  const open = [{ plan: { name: "/export" }, share: world.share } as unknown as OpenShare];
  const jobs = { kinds: () => [] } as never;
  collectServer(registry, () => ({ open, wanted: [], jobs, held: null, duplicates: null }), "/");
  const said = async () => {
    const scrape = new Scrape(await registry.text());
    const labels = { share: "/export" };
    return [scrape.value("dittofs_lease_breaks_total", labels), scrape.value("dittofs_lease_break_timeouts_total", labels)];
  };
  const [first, second] = [await SmbFiles.of(await server.client()), await SmbFiles.of(await server.client())];
  expect((await first.create({ name: "file", oplock: batch })).status).toBe(0);
  expect(await said()).toEqual([0, 0]);
  second.send(Command.CREATE, createBody({ name: "file" }));
  expect((await second.client.next()).status).toBe(NtStatus.PENDING);
  expect(await said()).toEqual([1, 0]);
  clock.pass(breakMs);
  expect((await second.client.next()).status).toBe(0);
  const last = new Scrape(await registry.text());
  expect(last.value("dittofs_lease_breaks_total", { share: "/export" })).toBe(1);
  expect(last.value("dittofs_lease_break_timeouts_total", { share: "/export" })).toBe(1);
  await server.stop();
});
