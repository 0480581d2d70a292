import { afterEach, expect, test } from "bun:test";
import { Absence, absentMsMax } from "#vfs/absent-shares.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { policyOf } from "../../support/policy.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { openWorld } from "../vfs/kit.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { until } from "../../support/wait.ts";

/** TREE_CONNECT to shares that are wanted and not served. */

const servers: TestSmb[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function serving() {
  const world = await openWorld({ name: "/Export", policy: policyOf() });
  const shares = new ShareTable([world.share]);
  const clock = new ManualClock(1_000_000);
  const server = await smbServer({ shares, clock }, {}, world);
  servers.push(server);
  const waiting = (count: number) => until(`${count} to wait`, 5_000, () => (shares.absent.waiting === count ? true : null));
  return { shares, clock, share: world.share, client: await server.client(), server, waiting };
}

test("one that is closed for a moment is connected to once it is back, in any case of its name; others go on meanwhile", async () => {
  const { shares, share, client, server, waiting } = await serving();
  shares.remove("/Export", Absence.returning);
  const [one, other] = [client.treeConnect("eXPORT"), await server.client()];
  await waiting(1);
  expect((await other.treeConnect("none")).status).toBe(NtStatus.BAD_NETWORK_NAME);
  expect((await other.treeConnect("IPC$")).status).toBe(0);
  shares.add(share);
  const { status, treeId } = await one;
  expect(status).toBe(0);
  expect(treeId).toBeGreaterThan(0);
  expect(await client.create("f", { disposition: 2 })).toHaveLength(16);
});

test("one that stays closed is one that a client asks for again; one that another server has is none", async () => {
  const { shares, share, clock, client, waiting } = await serving();
  shares.remove("/Export", Absence.returning);
  const late = client.treeConnect("Export");
  await waiting(1);
  clock.pass(absentMsMax);
  expect((await late).status).toBe(NtStatus.SERVER_UNAVAILABLE);
  shares.lacks("/Export", share.policy, null, Absence.stopped);
  expect((await client.treeConnect("Export")).status).toBe(NtStatus.SERVER_UNAVAILABLE);
  shares.lacks("/Export", share.policy, null, Absence.gone);
  expect((await client.treeConnect("Export")).status).toBe(NtStatus.BAD_NETWORK_NAME);
});

test("whom a share is closed to doesn't wait for it, and nobody waits for one that is wanted no more", async () => {
  const { shares, share, client, waiting } = await serving();
  const closed = share.policy.with({ enabled: false });
  share.setPolicy(closed);
  shares.remove("/Export", Absence.returning);
  expect((await client.treeConnect("Export")).status).toBe(NtStatus.ACCESS_DENIED);
  shares.keepAbsent(() => closed.with({ enabled: true }));
  const waits = client.treeConnect("Export");
  await waiting(1);
  shares.keepAbsent(() => null);
  expect((await waits).status).toBe(NtStatus.BAD_NETWORK_NAME);
});
