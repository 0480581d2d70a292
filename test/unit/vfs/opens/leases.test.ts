import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { Acknowledged, breakMs, Cached, Cause, type Lease, type LeaseHolder, OpenFile, type OpenRequest, Right } from "#vfs/opens/index.ts";
import type { Share } from "#vfs/share.ts";
import { file, folder, openWorld, tryOpen, type World } from "../kit.ts";

const { none, read, all } = Cached;
const RH = Cached.read | Cached.handle;
const RW = Cached.read | Cached.write;

class Told implements LeaseHolder {
  readonly breaks: { from: number; to: number; acknowledged: boolean; epoch: number }[] = [];
  /** False: no connection to tell anybody by. */
  reachable = true;
  broken(lease: Lease, from: number, to: number, acknowledged: boolean): boolean {
    this.breaks.push({ from, to, acknowledged, epoch: lease.epoch });
    return this.reachable;
  }
}

interface Caching {
  readonly open: OpenFile;
  readonly lease: Lease;
  readonly told: Told;
}

function openCaching(share: Share, inode: Inode, key: string | null, state: number, more: Partial<OpenRequest> = {}, told = new Told()): Caching {
  const opened = tryOpen(share, inode, Right.readData | Right.writeData, { caching: { key, state, epoch: 0 }, ...more }, told);
  if (!(opened instanceof OpenFile)) throw new Error("expected an open");
  return { open: opened, lease: opened.lease as Lease, told };
}

async function world(): Promise<World & { inode: Inode }> {
  const it = await openWorld();
  return { ...it, inode: await file(it.share, "a") };
}

function isWaiting(outcome: ReturnType<typeof tryOpen>): Promise<void> {
  if (!(outcome instanceof Promise)) throw new Error("expected a wait");
  return outcome;
}

test("a second open waits until the first has given its write caching up, and both then read and keep handles", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", all);
  expect(a.lease.state).toBe(all);
  const waiting = isWaiting(tryOpen(share, inode, Right.readData, { caching: { key: "b", state: all, epoch: 0 } }));
  expect(a.told.breaks).toEqual([{ from: all, to: RH, acknowledged: true, epoch: 2 }]);
  expect(a.lease.breaking).toBe(true);
  expect(a.lease.acknowledge(RH)).toBe(Acknowledged.done);
  await waiting;
  const b = openCaching(share, inode, "b", all, { retried: true });
  expect(b.lease.state).toBe(RH);
  expect(a.lease.state).toBe(RH);
});

test("whoever does not answer a break loses all it cached when its time is over, and may not answer later", async () => {
  const { share, inode, clock } = await world();
  const a = openCaching(share, inode, "a", all);
  const waiting = isWaiting(tryOpen(share, inode, Right.readData));
  expect(clock.waits).toContain(breakMs);
  clock.fire();
  await waiting;
  expect(a.lease.state).toBe(none);
  expect(a.lease.acknowledge(RH)).toBe(Acknowledged.notBreaking);
});

test("an answer that keeps more than it was asked to is refused, one that keeps less is taken", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", all);
  isWaiting(tryOpen(share, inode, Right.readData));
  expect(a.lease.acknowledge(RW)).toBe(Acknowledged.tooMuch);
  expect(a.lease.breaking).toBe(true);
  expect(a.lease.acknowledge(read)).toBe(Acknowledged.done);
  expect(a.lease.state).toBe(read);
  expect(a.lease.acknowledge(read)).toBe(Acknowledged.notBreaking);
});

test("what others need while a break is under way is asked for after its answer, read caching last and without one", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", all);
  isWaiting(tryOpen(share, inode, Right.readData));
  isWaiting(tryOpen(share, inode, Right.readData, { overwrites: true, momentary: Right.writeData }));
  expect(a.told.breaks.length).toBe(1);
  expect(a.lease.acknowledge(RH)).toBe(Acknowledged.done);
  expect(a.told.breaks.at(-1)).toMatchObject({ from: RH, to: read, acknowledged: true });
  expect(a.lease.acknowledge(read)).toBe(Acknowledged.done);
  expect(a.told.breaks.at(-1)).toMatchObject({ from: read, to: none, acknowledged: false });
  expect(a.lease.state).toBe(none);
  expect(a.lease.breaking).toBe(false);
});

test("opens with one key share a lease, which is upgraded whole or not at all and ends with the last of them", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", read);
  const again = openCaching(share, inode, "a", RH);
  expect(again.lease).toBe(a.lease);
  expect(a.lease.state).toBe(RH);
  expect(a.lease.epoch).toBe(2);
  const other = openCaching(share, inode, "b", read);
  // Somebody else is there: no write caching, and so nothing changes.
  expect(openCaching(share, inode, "a", all).lease.state).toBe(RH);
  expect(a.lease.epoch).toBe(2);
  for (const open of [...share.opens.of(inode.id)!.opens]) if (open.lease === a.lease) share.release(open);
  expect(share.opens.lease("a")).toBeNull();
  expect(other.lease.state).toBe(read);
});

test("a key that stands for one file is refused for another", async () => {
  const { share, inode } = await world();
  openCaching(share, inode, "a", read);
  const outcome = tryOpen(share, await file(share, "b"), Right.readData, { caching: { key: "a", state: read, epoch: 0 } });
  expect(outcome).toBe(FsError.of("invalid"));
});

test("an oplock goes down to level II for who opens, to nothing for who empties; attributes alone break nothing", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, null, all);
  expect(tryOpen(share, inode, Right.readAttributes)).toBeInstanceOf(OpenFile);
  expect(a.told.breaks).toEqual([]);
  isWaiting(tryOpen(share, inode, Right.readData));
  expect(a.told.breaks).toMatchObject([{ from: all, to: read }]);
  a.lease.acknowledge(read);
  // Level II: who empties the file doesn't wait for it.
  expect(tryOpen(share, inode, Right.readAttributes, { overwrites: true, momentary: Right.writeData })).toBeInstanceOf(OpenFile);
  expect(a.told.breaks.at(-1)).toMatchObject({ from: read, to: none, acknowledged: false });
});

test("a conflict of sharing takes handle caching first, and is decided anew by whether the handle was closed then", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", RH, { sharing: 0 });
  const waiting = isWaiting(tryOpen(share, inode, Right.readData));
  expect(a.told.breaks).toMatchObject([{ from: RH, to: read, acknowledged: true }]);
  share.release(a.open);
  await waiting;
  expect(tryOpen(share, inode, Right.readData)).toBeInstanceOf(OpenFile);
});

test("where there is nobody to tell, nobody waits", async () => {
  const { share, inode } = await world();
  const told = new Told();
  const a = openCaching(share, inode, "a", all, {}, told);
  told.reachable = false;
  expect(tryOpen(share, inode, Right.readData)).toBeInstanceOf(OpenFile);
  expect(a.lease.state).toBe(none);
});

test("a lease on a directory goes when something in it changes, unless its holder does it", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  const lease = (key: string): Caching => openCaching(share, directory, key, RH, { access: Right.readData });
  const a = lease("a");
  const b = lease("b");
  const who = { uid: 1000, gid: 1000, groups: [], superuser: false, access: "read-write", parentKey: "a" } as const;
  const made = await share.create(who, directory.id, "new", { mode: "guarded", attributes: {} });
  expect(made).not.toBeInstanceOf(FsError);
  expect(a.told.breaks).toEqual([]);
  expect(b.told.breaks).toMatchObject([{ from: RH, to: none, acknowledged: true }]);
  await share.remove({ ...who, parentKey: "other" }, directory.id, "new");
  expect(a.told.breaks).toMatchObject([{ from: RH, to: none }]);
});

test("every cause wakes nobody who need not wait", async () => {
  const { share, inode } = await world();
  const a = openCaching(share, inode, "a", RH);
  expect(a.lease.breakFor(Cause.open, false)).toBe(false);
  expect(a.lease.breakFor(Cause.content, false)).toBe(false);
  expect(a.lease.breaking).toBe(true);
});

test("leases and oplocks are counted while they are held, breaks when they are sent and when nobody answers", async () => {
  const { share, inode, clock } = await world();
  const counts = share.opens.leaseCounts;
  const a = openCaching(share, inode, "a", all);
  const other = await file(share, "b");
  const b = openCaching(share, other, null, all);
  expect({ ...counts }).toEqual({ leases: 1, oplocks: 1, breaks: 0, unanswered: 0 });
  isWaiting(tryOpen(share, inode, Right.readData));
  expect(a.lease.acknowledge(RH)).toBe(Acknowledged.done);
  expect({ ...counts }).toEqual({ leases: 1, oplocks: 1, breaks: 1, unanswered: 0 });
  const waiting = isWaiting(tryOpen(share, other, Right.readData));
  clock.fire();
  await waiting;
  expect({ ...counts }).toEqual({ leases: 1, oplocks: 1, breaks: 2, unanswered: 1 });
  await share.release(a.open);
  await share.release(b.open);
  expect({ ...counts }).toEqual({ leases: 0, oplocks: 0, breaks: 2, unanswered: 1 });
});
