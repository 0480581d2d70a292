import { expect, test } from "bun:test";
import { encodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import { rootId } from "#model/ids.ts";
import { Absence, absentMsMax, AbsentShares, absentWaitersMax } from "#vfs/absent-shares.ts";
import type { Share } from "#vfs/share.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { policyOf } from "../../support/policy.ts";
import { fails, openWorld } from "./kit.ts";

/** A share of which a table needs no more than its identity. */
function standIn(name: string, number: number): Share {
  const identity = { instance: new Uint8Array(8).fill(number), handleKey: new Uint8Array(32).fill(number) };
  const share = { name, policy: policyOf(), store: { identity }, locate: (id: number) => ({ fs: share, id }) };
  return share as unknown as Share;
}

function handleOf(share: Share): Uint8Array {
  const { instance, handleKey } = share.store.identity;
  return encodeFileHandle(instance, handleKey, { epoch: 0, id: rootId, generation: 0 });
}

const outcome = (table: ShareTable, share: Share) => table.locate(handleOf(share), 0, fileHandleBytes);

test("a share that is back in a moment, or once somebody put something right, has its clients come again; one that another server has gives an error", () => {
  for (const [why, code] of [[Absence.returning, "jukebox"], [Absence.stopped, "jukebox"], [Absence.gone, "io"]] as const) {
    const table = new ShareTable([standIn("/a", 1)]);
    const share = table.remove("/a", why) as Share;
    fails(outcome(table, share), code);
    expect([table.byName("/a"), table.list(), table.absent.byName("/a")?.why, table.absent.returning.length]).toEqual([undefined, [], why, why === Absence.returning ? 1 : 0]);
    table.add(share);
    expect(outcome(table, share)).toEqual({ fs: share, id: rootId });
    expect(table.absent.byName("/a")).toBeUndefined();
  }
});

test("what is said of one share is said of its handles alone: a stranger's are none, those of one that was removed are stale", () => {
  const [absent, removed, stranger] = [standIn("/absent", 1), standIn("/removed", 2), standIn("/stranger", 3)];
  const table = new ShareTable([absent, removed]);
  table.remove("/removed");
  table.remove("/absent", Absence.stopped);
  table.lacks("/never-served", policyOf(), new Uint8Array(8).fill(9), Absence.stopped);
  table.lacks("/in-memory", policyOf(), new Uint8Array(0), Absence.returning);
  fails(outcome(table, removed), "stale");
  fails(outcome(table, stranger), "badHandle");
  fails(outcome(table, absent), "jukebox");
  fails(outcome(table, standIn("/never-served", 9)), "jukebox");
  // Of which nobody knows what its handles look like: any may be its.
  table.lacks("/unknown", policyOf(), null, Absence.stopped);
  fails(outcome(table, stranger), "jukebox");
  fails(outcome(table, removed), "stale");
  table.lacks("/unknown", policyOf(), null, Absence.gone);
  fails(outcome(table, stranger), "badHandle");
});

test("removed, adopted again and moved: its handles are not those of what was removed", () => {
  const share = standIn("/a", 1);
  const table = new ShareTable([share]);
  table.remove("/a");
  table.add(share);
  table.remove("/a", Absence.returning);
  fails(outcome(table, share), "jukebox");
});

test("one that can't be opened again keeps its handles; wanted no more, or another tree by now, they are stale", () => {
  const [share, other] = [standIn("/a", 1), standIn("/a", 2)];
  const table = new ShareTable([share]);
  const { instance } = share.store.identity;
  table.remove("/a", Absence.returning);
  for (const known of [instance, null, new Uint8Array(0)]) {
    table.lacks("/a", policyOf(), known, Absence.stopped);
    fails(outcome(table, share), "jukebox");
  }
  const policy = policyOf({ readOnly: true });
  table.keepAbsent((name) => (name === "/a" ? policy : null));
  expect(table.absent.byName("/a")).toMatchObject({ policy, why: Absence.stopped });
  fails(outcome(table, share), "jukebox");
  table.keepAbsent(() => null);
  expect(table.absent.list()).toEqual([]);
  fails(outcome(table, share), "stale");

  table.add(share);
  table.remove("/a", Absence.returning);
  table.add(other);
  fails(outcome(table, share), "stale");
  table.remove("/a", Absence.returning);
  table.lacks("/a", policyOf(), instance, Absence.stopped);
  fails(outcome(table, other), "stale");
  fails(outcome(table, share), "jukebox");
});

test("whoever waits is told when the share is back, and doesn't wait for ever", async () => {
  const clock = new ManualClock();
  const { share } = await openWorld();
  const table = new ShareTable([share]);
  const { absent } = table;
  const wait = async (): Promise<boolean> => {
    await absent.settled(clock, () => absent.byName(share.name)?.why === Absence.returning);
    return table.byName(share.name) !== undefined;
  };
  expect(await wait()).toBe(true);
  table.remove(share.name, Absence.returning);
  const waiting = [wait(), wait()];
  // What becomes of another one is none of his business.
  table.lacks("/other", policyOf(), null, Absence.stopped);
  await Promise.resolve();
  expect(absent.waiting).toBe(2);
  table.add(share);
  expect(await Promise.all(waiting)).toEqual([true, true]);
  expect([absent.waiting, clock.pending]).toEqual([0, 0]);

  table.remove(share.name, Absence.returning);
  const late = wait();
  clock.pass(absentMsMax - 1);
  await Promise.resolve();
  expect(absent.waiting).toBe(1);
  clock.pass(1);
  expect(await late).toBe(false);

  const given = wait();
  table.lacks(share.name, policyOf(), null, Absence.gone);
  expect(await given).toBe(false);
});

test("not more wait than may, and nobody where the server ends", async () => {
  const clock = new ManualClock();
  const absent = new AbsentShares();
  const wait = () => absent.settled(clock, () => true);
  const waiting = Array.from({ length: absentWaitersMax }, wait);
  expect(absent.waiting).toBe(absentWaitersMax);
  await wait();
  absent.end();
  await Promise.all(waiting);
  await wait();
  expect([absent.waiting, clock.pending]).toEqual([0, 0]);
});
