import { expect, test } from "bun:test";
import { Absence, absentMsMax } from "#vfs/absent-shares.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { until } from "../net/helpers.ts";
import { endAfterEach, live, openNamed } from "./live-world.ts";
import { Words } from "./words.ts";

/** MOUNT and NFS of shares that are wanted and not served. */

endAfterEach();

const [OK, NOENT, IO, ACCES, NOTDIR, SERVERFAULT, JUKEBOX] = [0, 2, 5, 13, 20, 10_006, 10_008];

async function served(changes: Parameters<typeof openNamed>[1] = {}) {
  const clock = new ManualClock(1_000_000);
  const all = await live({ clock });
  const { share } = await openNamed("/export", changes);
  all.shares.add(share);
  const caller = await all.connect();
  const { handle } = await caller.mount("/export");
  const waiting = (count: number) => until(() => all.shares.absent.waiting === count);
  return { ...all, clock, share, caller, handle, waiting };
}

const exportsOf = async (caller: Awaited<ReturnType<typeof served>>["caller"]): Promise<string> => {
  caller.send(100005, 5, new Words());
  const { buffer, byteOffset, byteLength } = await caller.answer();
  return Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
};

test("one that is closed for a moment is listed, and mounted once it is back; others are mounted meanwhile, over the same connection too", async () => {
  const { shares, share, caller, handle, connect, waiting } = await served();
  shares.add((await openNamed("/other")).share);
  shares.remove("/export", Absence.returning);
  const other = await connect();
  caller.send(100005, 1, new Words("/export"));
  other.send(100005, 1, new Words("/export/none"));
  await waiting(2);
  expect((await (await connect()).mount("/other")).status).toBe(OK);
  // Its answer overtakes the one before.
  expect((await caller.mount("/other")).status).toBe(OK);
  expect(await exportsOf(caller)).toContain("/export");
  expect(await caller.status(1, new Words(handle))).toBe(JUKEBOX);
  shares.add(share);
  expect((await caller.answer()).getUint32(0)).toBe(OK);
  // As it would be of a share that was never away.
  expect((await other.answer()).getUint32(0)).toBe(NOENT);
  expect(await caller.status(1, new Words(handle))).toBe(OK);
});

test("one that stays closed is no share that is not there: whoever waited long enough hears of a fault", async () => {
  const { shares, clock, caller, waiting } = await served();
  shares.remove("/export", Absence.returning);
  caller.send(100005, 1, new Words("/export"));
  await waiting(1);
  clock.pass(absentMsMax);
  expect((await caller.answer()).getUint32(0)).toBe(SERVERFAULT);
  expect((await caller.mount("/none")).status).toBe(NOENT);
});

test("one that somebody has to put right is nothing to wait for, and one that another server has is an error for good", async () => {
  const { shares, share, clock, caller, handle } = await served();
  shares.remove("/export", Absence.stopped);
  expect([(await caller.mount("/export")).status, await caller.status(1, new Words(handle))]).toEqual([SERVERFAULT, JUKEBOX]);
  shares.lacks("/export", share.policy, null, Absence.gone);
  expect([(await caller.mount("/export/below")).status, await caller.status(1, new Words(handle))]).toEqual([IO, IO]);
  expect(await exportsOf(caller)).not.toContain("/export");
  expect(clock.pending).toBeLessThan(10);
});

test("whom a share is closed to doesn't wait for it; one that is none any more is said to be none", async () => {
  const { shares, share, caller, waiting } = await served({ allowedClients: [] });
  const nobodys = share.policy.with({ enabled: false });
  share.setPolicy(nobodys);
  shares.remove("/export", Absence.returning);
  expect((await caller.mount("/export")).status).toBe(ACCES);
  shares.keepAbsent(() => nobodys.with({ enabled: true }));
  caller.send(100005, 1, new Words("/export"));
  await waiting(1);
  shares.keepAbsent(() => null);
  expect((await caller.answer()).getUint32(0)).toBe(NOENT);
});

test("the longest name wins, also of a share that is away: a directory of another is not mounted in its place", async () => {
  const { shares, clock, caller, waiting } = await served();
  const { share: below } = await openNamed("/export/below");
  shares.add(below);
  expect((await caller.mount("/export/below")).status).toBe(OK);
  shares.remove("/export/below", Absence.returning);
  caller.send(100005, 1, new Words("/export/below"));
  await waiting(1);
  clock.pass(absentMsMax);
  expect((await caller.answer()).getUint32(0)).toBe(SERVERFAULT);
  expect([NOTDIR, NOENT]).toContain((await caller.mount("/export/else")).status);
});
