import { expect, test } from "bun:test";
import type { Call as NfsCall } from "#nfs/call.ts";
import type { OpenShare } from "../../../../src/app/share/open-share.ts";
import { SlowRequests } from "../../../../src/app/telemetry/slow-requests.ts";
import { noTelemetry } from "../../../../src/app/telemetry/telemetry.ts";
import type { Call as SmbCall } from "#smb/call.ts";
import { Command } from "#wire/smb2/header.ts";
import { Nfs3Procedure } from "#wire/nfs3.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { LogLines } from "../../../support/log-lines.ts";

/** A share, as far as is looked at what it counts the time of. */
function pretendedShare(name: string) {
  const durations = () => ({ count: 0, sum: 0 });
  const put = durations();
  const stats = { syncs: durations() };
  const share = { plan: { name }, requests: { put: { durations: put }, get: { durations: durations(), firstBytes: durations() } }, share: { store: {} }, store: {}, counts: { log: { stats }, flushes: { durations: durations() } }, dirtyBytes: 1, unstoredBytes: 2, report: { storeError: null } };
  return { share: share as unknown as OpenShare, put };
}

function world() {
  const clock = new ManualClock(0);
  const telemetry = noTelemetry(clock);
  const logger = new LogLines();
  const served = new Map<string, OpenShare>();
  const slow = new SlowRequests({ clock, telemetry, logger }, (name) => served.get(name) ?? null, () => served.values());
  return { clock, telemetry, logger, slow, served };
}

/** What a watch and the log know of a request. */
const request = () => ({ beganMs: -1, waitsIn: null, logFields: { request: "r-1", client: "192.0.2.7" } });

test("nobody watches unless slow requests are logged", () => {
  const { telemetry, slow } = world();
  const watched = () => [telemetry.nfsRequests.watch !== null, telemetry.smbRequests.watch !== null];
  expect(watched()).toEqual([false, false]);
  slow.set(100);
  slow.set(200);
  expect([watched(), telemetry.nfsRequests.watch?.slowMs]).toEqual([[true, true], 200]);
  const other = telemetry.nfsRequests.hold();
  slow.set(0);
  expect([watched(), telemetry.nfsRequests.watch?.slow]).toEqual([[true, false], null]);
  other.end();
  expect(watched()).toEqual([false, false]);
});

test("what takes long is told with its request and how long the loop stood still; what waits for others by its nature isn't", () => {
  const { clock, telemetry, logger, slow } = world();
  slow.set(100);
  const nfs = telemetry.nfsRequests.watch!;
  const smb = telemetry.smbRequests.watch!;
  const [read, quick, notify] = [request() as unknown as NfsCall, request() as unknown as NfsCall, request() as unknown as SmbCall];
  nfs.began(read, 0);
  smb.began(notify, 0);
  nfs.began(quick, 0);
  clock.ms = 99;
  nfs.ended(quick, Nfs3Procedure.READ, "/a", 0, 1);
  // No timer was run meanwhile: the loop did nothing else.
  clock.ms = 350;
  nfs.ended(read, Nfs3Procedure.READ, "/a", 5, 0);
  smb.ended(notify, Command.CHANGE_NOTIFY, "/a", 0, 0);
  expect(logger.lines.map((line) => JSON.parse(line))).toEqual([
    { request: "r-1", client: "192.0.2.7", status: "NFS3ERR_IO", ms: 350, bytes: 0, meanwhile: [{ what: "event loop held up", times: 1, ms: 300 }], message: "a slow request" },
  ]);
});

test("of a call that names a share what that share did meanwhile is told, closed or not by then", async () => {
  const { clock, slow, served } = world();
  const { share, put } = pretendedShare("/a");
  const other = pretendedShare("/b");
  served.set("/a", share).set("/b", other.share);
  slow.set(100);
  clock.pass(1_000);
  Object.assign(put, { count: 2, sum: 0.7 });
  Object.assign(other.put, { count: 1, sum: 9 });
  expect<object>(slow.during("/a", 800)).toEqual({ meanwhile: [{ what: "block store put", times: 2, ms: 700 }], dirtyBytes: 1, unstoredBytes: 2, storeError: null });
  expect(slow.during("", 800)).toEqual({ meanwhile: [] });
  // It is nobody's any more while it is closed, and what it stores then is what is waited for.
  served.delete("/a");
  const closing = Promise.withResolvers<void>();
  const closed = slow.lookedAtUntil(share, closing.promise);
  clock.pass(2_000);
  Object.assign(put, { count: 3, sum: 2.5 });
  closing.resolve();
  await closed;
  expect(slow.during("/a", 1_900)).toMatchObject({ meanwhile: [{ what: "block store put", times: 1, ms: 1_800 }] });
  clock.pass(1_000);
  expect(slow.during("/a", 100)).toEqual({ meanwhile: [] });
});
