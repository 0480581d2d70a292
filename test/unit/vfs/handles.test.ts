import { expect, test } from "bun:test";
import { openMemoryStore } from "#metadata/index.ts";
import { encodeFileHandle, fileHandleBytes } from "#model/file-handle.ts";
import { FsError } from "#model/fs-error.ts";
import { fileId, rootId } from "#model/ids.ts";
import type { Share } from "#vfs/share.ts";
import { ShareTable } from "#vfs/share-table.ts";
import { alice, fails, file, folder, HeldStore, ok, openOn, openWorld, TestRandom } from "./kit.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** Twice: the first time the MAC is verified, afterwards bytes are compared. */
function locateTwice(table: ShareTable, bytes: Uint8Array, offset = 0, length = bytes.length): ReturnType<ShareTable["locate"]> {
  const first = table.locate(bytes, offset, length);
  expect(table.locate(bytes, offset, length)).toEqual(first);
  return first;
}

test("a handle finds its share and file, wherever in a message it lies", async () => {
  const { share } = await openWorld();
  const table = new ShareTable([share]);
  const made = await file(share, "f");
  const message = new Uint8Array(100);
  message.set(share.handleOf(made), 7);
  expect(ok(locateTwice(table, message, 7, fileHandleBytes))).toEqual({ fs: share, id: made.id });
  expect(share.handleOf(made)).toBe(share.handleOf(ok(await share.getattr(made.id))));
});

test("one flipped bit anywhere makes it a bad handle, cached or not", async () => {
  const { share } = await openWorld();
  const table = new ShareTable([share]);
  const made = await file(share, "f");
  const handle = share.handleOf(made).slice();
  ok(table.locate(handle, 0, handle.length));
  for (let bit = 0; bit < handle.length * 8; bit++) {
    const forged = handle.slice();
    forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
    fails(table.locate(forged, 0, forged.length), "badHandle");
  }
  ok(table.locate(handle, 0, handle.length));
});

test("cut, stretched and out of bounds", async () => {
  const { share } = await openWorld();
  const table = new ShareTable([share]);
  const handle = share.handleOf(await file(share, "f"));
  for (let length = 0; length < fileHandleBytes; length++) fails(table.locate(handle.subarray(0, length), 0, length), "badHandle");
  fails(table.locate(new Uint8Array(64), 0, 64), "badHandle");
  fails(table.locate(handle, 1, fileHandleBytes), "badHandle");
  fails(table.locate(handle, -1, fileHandleBytes), "badHandle");
});

test("the handle of a deleted file is found, and the operation says stale", async () => {
  const { share } = await openWorld();
  const table = new ShareTable([share]);
  const made = await file(share, "f");
  const handle = share.handleOf(made).slice();
  ok(table.locate(handle, 0, handle.length));
  ok(await share.remove(alice, rootId, "f"));
  const located = locateTwice(table, handle);
  expect(located).toEqual({ fs: share, id: made.id });
  fails(await share.getattr(made.id), "stale");
});

test("another generation of the id, or a snapshot's epoch, is stale", async () => {
  const { share, store } = await openWorld();
  const table = new ShareTable([share]);
  const made = await file(share, "f");
  const { instance, handleKey } = store.identity;
  const other = encodeFileHandle(instance, handleKey, { epoch: 0, id: made.id, generation: made.generation + 1 });
  fails(locateTwice(table, other), "stale");
  const snapshot = encodeFileHandle(instance, handleKey, { epoch: 1, id: made.id, generation: made.generation });
  fails(locateTwice(table, snapshot), "stale");
});

test("two shares never answer for each other's handles, and a removed one's are stale", async () => {
  const one = await openWorld({ name: "/one" });
  const clock = new ManualClock();
  const random = new TestRandom();
  random.bytes(100);
  const two = await openOn(new HeldStore(openMemoryStore({ clock, random })), clock, { name: "/two" });
  const table = new ShareTable([one.share, two.share]);
  const [a, b] = [await file(one.share, "a"), await file(two.share, "b")];
  expect(ok(locateTwice(table, one.share.handleOf(a))).fs).toBe(one.share);
  expect(ok(locateTwice(table, two.share.handleOf(b))).fs).toBe(two.share);
  expect(table.byName("/two")).toBe(two.share);
  expect(table.list()).toEqual([one.share, two.share]);
  expect(() => table.add(one.share)).toThrow("two shares named /one");
  expect(table.remove("/one")).toBe(one.share);
  expect(table.remove("/none")).toBeUndefined();
  fails(locateTwice(table, one.share.handleOf(a)), "stale");
  const forged = one.share.handleOf(a).slice();
  forged[43] = (forged[43] as number) ^ 1;
  fails(locateTwice(table, forged), "badHandle");
  expect(table.byName("/one")).toBeUndefined();
  table.add(one.share);
  expect(ok(locateTwice(table, one.share.handleOf(a))).fs).toBe(one.share);
});

test("a share takes the place of another: with a store of its own, and on the same store", async () => {
  const old = await openWorld();
  const clock = new ManualClock();
  const random = new TestRandom();
  random.bytes(100);
  const other = await openOn(new HeldStore(openMemoryStore({ clock, random })), clock);
  const table = new ShareTable([old.share]);
  const [before, after] = [old.share.handleOf(await file(old.share, "f")), other.share.handleOf(await file(other.share, "f"))];
  fails(table.locate(after, 0, after.length), "badHandle");
  expect(table.replace(other.share)).toBe(old.share);
  expect([table.byName("/export"), table.list()]).toEqual([other.share, [other.share]]);
  fails(locateTwice(table, before), "stale");
  expect(ok(locateTwice(table, after)).fs).toBe(other.share);
  const again = await openOn(old.store, old.clock);
  expect(table.replace(again.share)).toBe(other.share);
  expect(ok(locateTwice(table, before)).fs).toBe(again.share);
  fails(locateTwice(table, after), "stale");
  expect(new ShareTable().replace(again.share)).toBeUndefined();
});

test("shares removed long ago are strangers, and many removed cost a bound", async () => {
  const table = new ShareTable();
  const removed = Array.from({ length: 1_100 }, (_, i) => standIn(i));
  for (const share of removed) {
    table.add(share);
    table.remove(share.name);
  }
  const outcomes = removed.map((share) => {
    const { instance, handleKey } = share.store.identity;
    const handle = encodeFileHandle(instance, handleKey, { epoch: 0, id: rootId, generation: 0 });
    return (table.locate(handle, 0, handle.length) as FsError).code;
  });
  expect(outcomes).toEqual([...Array<"badHandle">(76).fill("badHandle"), ...Array<"stale">(1024).fill("stale")]);
});

test("a share that comes and goes often makes none of the others forgotten", async () => {
  const table = new ShareTable();
  const [other, restless] = [standIn(1), standIn(2)];
  for (const share of [other, ...Array<Share>(2_000).fill(restless)]) {
    table.add(share);
    table.remove(share.name);
  }
  const { instance, handleKey } = other.store.identity;
  fails(table.locate(encodeFileHandle(instance, handleKey, { epoch: 0, id: rootId, generation: 0 }), 0, fileHandleBytes), "stale");
});

/** A share of which a table needs no more than its identity. Instances begin alike, sixteen at a time. */
function standIn(number: number): Share {
  const instance = new Uint8Array(8);
  new DataView(instance.buffer).setUint32(0, number >> 4);
  new DataView(instance.buffer).setUint32(4, number);
  const share = { name: `/${number}`, store: { identity: { instance, handleKey: new Uint8Array(32).fill(number) } }, locate: (id: number) => ({ fs: share, id }) };
  return share as unknown as Share;
}

test("shares whose instances begin alike are told apart", async () => {
  const shares = [standIn(1), standIn(2)];
  const table = new ShareTable(shares);
  for (const share of shares) {
    const { instance, handleKey } = share.store.identity;
    const handle = encodeFileHandle(instance, handleKey, { epoch: 0, id: fileId(2 ** 40 + 5), generation: 0 });
    expect(ok(table.locate(handle, 0, handle.length))).toEqual({ fs: share, id: fileId(2 ** 40 + 5) });
  }
  table.remove("/1");
  expect(table.list().length).toBe(1);
  const [gone, left] = shares.map(({ store: { identity } }) => encodeFileHandle(identity.instance, identity.handleKey, { epoch: 0, id: rootId, generation: 0 }));
  fails(table.locate(gone!, 0, gone!.length), "stale");
  expect(ok(table.locate(left!, 0, left!.length)).fs).toBe(shares[1] as Share);
});

test("a handle outlives the cache, a rename, a move to another directory and a restart", async () => {
  const { share, store, clock } = await openWorld({ inodesMax: 4 });
  const made = await file(share, "f");
  const handle = share.handleOf(made).slice();
  const directory = await folder(share, "d");
  ok(await share.rename(alice, rootId, "f", directory.id, "g"));
  for (let i = 0; i < 10; i++) await file(share, `other${i}`);
  expect(share.cached(made.id)).toBeNull();
  // Not cached: made anew, the same.
  expect(share.handleOf(made)).toEqual(handle);
  expect(ok(locateTwice(new ShareTable([share]), handle)).id).toBe(made.id);
  await share.close();
  const again = await openOn(store, clock);
  expect(ok(locateTwice(new ShareTable([again.share]), handle)).id).toBe(made.id);
  expect(again.share.handleOf(ok(await again.share.getattr(made.id)))).toEqual(handle);
});

test("a handle is found while its row still has to be read", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const handle = share.handleOf(made).slice();
  const again = await openOn(store, clock);
  store.asynchronous = true;
  const table = new ShareTable([again.share]);
  expect(ok(table.locate(handle, 0, handle.length))).toEqual({ fs: again.share, id: made.id });
  expect(ok(await again.share.getattr(made.id)).id).toBe(made.id);
});
