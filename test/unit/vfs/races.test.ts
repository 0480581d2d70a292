import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { decisionsMax } from "#vfs/operation.ts";
import { alice, bob, bytesOf, fails, file, folder, listAll, ok, openWorld, type World } from "./kit.ts";

/** Both operations decide on the same state before either takes effect; then they take effect in the order of the list. */
async function race<A, B>(world: World, one: () => Promise<A>, two: () => Promise<B>): Promise<[A, B]> {
  const { store } = world;
  store.hold();
  const first = one();
  await settleUntil(() => store.heldSets === 1);
  const second = two();
  await settleUntil(() => store.heldSets === 2);
  store.release();
  return Promise.all([first, second]);
}

async function settleUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (holds()) return;
    await Promise.resolve();
  }
  throw new Error("the operation never came to the store");
}

const guarded = { mode: "guarded", attributes: {} } as const;

test("two creates of one name: one makes it", async () => {
  const world = await openWorld();
  const { share } = world;
  const [a, b] = await race(
    world,
    () => share.create(alice, rootId, "f", guarded),
    () => share.create(bob, rootId, "f", guarded),
  );
  expect(ok(a).inode.uid).toBe(alice.uid);
  fails(b, "exists");
  expect(await listAll(share, rootId)).toEqual(new Map([["f", ok(a).inode.id]]));
});

test("two unchecked creates of one name: both get the one file", async () => {
  const world = await openWorld();
  const { share } = world;
  const unchecked = { mode: "unchecked", attributes: { mode: 0o666 } } as const;
  const [a, b] = await race(
    world,
    () => share.create(alice, rootId, "f", unchecked),
    () => share.create(bob, rootId, "f", unchecked),
  );
  expect(ok(b).inode.id).toBe(ok(a).inode.id);
});

test("an exclusive create and its retransmission: one file, both succeed", async () => {
  const world = await openWorld();
  const { share } = world;
  const exclusive = { mode: "exclusive", verifier: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]) } as const;
  const [a, b] = await race(
    world,
    () => share.create(alice, rootId, "f", exclusive),
    () => share.create(alice, rootId, "f", exclusive),
  );
  expect(ok(b).inode.id).toBe(ok(a).inode.id);
});

test("a create in a directory that is being removed: the removal wins", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const directory = await folder(share, "d");
  const [removed, created] = await race(
    world,
    () => share.rmdir(alice, rootId, "d"),
    () => share.create(alice, directory.id, "f", guarded),
  );
  ok(removed);
  fails(created, "stale");
  expect((await store.usage()).inodes).toBe(1);
});

test("a removal of a directory something is made in: the create wins", async () => {
  const world = await openWorld();
  const { share } = world;
  const directory = await folder(share, "d");
  const [created, removed] = await race(
    world,
    () => share.create(alice, directory.id, "f", guarded),
    () => share.rmdir(alice, rootId, "d"),
  );
  ok(created);
  fails(removed, "notEmpty");
});

test("a link to a file that loses its last name: whoever comes first wins", async () => {
  const world = await openWorld();
  const { share } = world;
  const gone = await file(share, "f");
  const [removed, late] = await race(
    world,
    () => share.remove(alice, rootId, "f"),
    () => share.link(alice, gone.id, rootId, "g"),
  );
  ok(removed);
  fails(late, "stale");
  const kept = await file(share, "f");
  const [linked, removedLater] = await race(
    world,
    () => share.link(alice, kept.id, rootId, "g"),
    () => share.remove(alice, rootId, "f"),
  );
  ok(linked);
  ok(removedLater);
  expect(ok(await share.getattr(kept.id)).links).toBe(1);
});

test("two removals of one name: the second finds nothing", async () => {
  const world = await openWorld();
  const { share } = world;
  await file(share, "f");
  const [a, b] = await race(
    world,
    () => share.remove(alice, rootId, "f"),
    () => share.remove(alice, rootId, "f"),
  );
  ok(a);
  fails(b, "noEntry");
});

test("a removal of a name that was renamed over: what is there now goes, and what was renamed over is gone", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const a = await file(share, "a");
  const b = await file(share, "b");
  const [renamed, removed] = await race(
    world,
    () => share.rename(alice, rootId, "a", rootId, "b"),
    () => share.remove(alice, rootId, "b"),
  );
  ok(renamed);
  ok(removed);
  expect(await store.inode(a.id)).toBeNull();
  expect(await store.inode(b.id)).toBeNull();
  expect((await listAll(share, rootId)).size).toBe(0);
});

test("two renames of one name: one moves it", async () => {
  const world = await openWorld();
  const { share } = world;
  const made = await file(share, "a");
  const [x, y] = await race(
    world,
    () => share.rename(alice, rootId, "a", rootId, "x"),
    () => share.rename(alice, rootId, "a", rootId, "y"),
  );
  ok(x);
  fails(y, "noEntry");
  expect(await listAll(share, rootId)).toEqual(new Map([["x", made.id]]));
});

test("two directories moved into each other at once: one move happens, the tree stays one", async () => {
  const world = await openWorld();
  const { share } = world;
  const a = await folder(share, "a");
  const b = await folder(share, "b");
  const [first, second] = await race(
    world,
    () => share.rename(alice, rootId, "a", b.id, "a"),
    () => share.rename(alice, rootId, "b", a.id, "b"),
  );
  ok(first);
  fails(second, "invalid");
  expect(await listAll(share, rootId)).toEqual(new Map([["b", b.id]]));
});

test("many directories moved at once all arrive, though each move makes the others decide anew", async () => {
  const { share } = await openWorld();
  const [here, there] = [await folder(share, "here"), await folder(share, "there")];
  const names = Array.from({ length: 3 * decisionsMax }, (_, i) => `d${i}`);
  for (const name of names) await folder(share, name, 0o755, alice, here.id);
  for (const outcome of await Promise.all(names.map((name) => share.rename(alice, here.id, name, there.id, name)))) ok(outcome);
  expect((await listAll(share, there.id)).size).toBe(names.length);
  expect(ok(await share.getattr(there.id)).links).toBe(2 + names.length);
  expect(ok(await share.getattr(here.id)).links).toBe(2);
});

test("a rename onto a directory that is filled meanwhile is refused", async () => {
  const world = await openWorld();
  const { share } = world;
  await folder(share, "a");
  const b = await folder(share, "b");
  const [created, renamed] = await race(
    world,
    () => share.create(alice, b.id, "f", guarded),
    () => share.rename(alice, rootId, "a", rootId, "b"),
  );
  ok(created);
  fails(renamed, "notEmpty");
});

test("a rename into a directory that is removed meanwhile leaves the file where it was", async () => {
  const world = await openWorld();
  const { share } = world;
  const made = await file(share, "f");
  const directory = await folder(share, "d");
  const [removed, renamed] = await race(
    world,
    () => share.rmdir(alice, rootId, "d"),
    () => share.rename(alice, rootId, "f", directory.id, "f"),
  );
  ok(removed);
  fails(renamed, "stale");
  expect(await listAll(share, rootId)).toEqual(new Map([["f", made.id]]));
});

test("a rename onto a name that appears meanwhile replaces what appeared", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const a = await file(share, "a");
  const [created, renamed] = await race(
    world,
    () => share.create(alice, rootId, "b", guarded),
    () => share.rename(alice, rootId, "a", rootId, "b"),
  );
  ok(renamed);
  expect(await store.inode(ok(created).inode.id)).toBeNull();
  expect(await listAll(share, rootId)).toEqual(new Map([["b", a.id]]));
});

test("attributes set on a file that loses its last name meanwhile bring nothing back", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const made = await file(share, "f");
  const [removed, set] = await race(
    world,
    () => share.remove(alice, rootId, "f"),
    () => share.setattr(alice, made.id, { mode: 0o777 }, null),
  );
  ok(removed);
  fails(set, "stale");
  expect(await store.inode(made.id)).toBeNull();
});

test("a write that waits to be admitted while the file goes is refused, and one that waits while it grows sees the new size", async () => {
  const { share, content } = await openWorld();
  const gone = await file(share, "gone");
  const grown = await file(share, "grown");
  let admit: (error: FsError | null) => void = () => {};
  content.admission = new Promise((resolve) => (admit = resolve));
  const late = share.write(alice, gone.id, 0, [bytesOf("x")], 1, false);
  const second = share.write(alice, grown.id, 1, [bytesOf("b")], 1, false);
  content.admission = null;
  ok(await share.remove(alice, rootId, "gone"));
  ok(await share.write(alice, grown.id, 0, [bytesOf("a--d")], 4, false));
  admit(null);
  fails(await late, "stale");
  expect(ok(await second).file.after?.size).toBe(4);
  expect(ok(await share.getattr(grown.id)).size).toBe(4);
});

test("a write that waits to be admitted while the file is given setuid does not leave the bit", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f", 0o777);
  let admit: (error: FsError | null) => void = () => {};
  content.admission = new Promise((resolve) => (admit = resolve));
  const late = share.write(bob, made.id, 0, [bytesOf("x")], 1, false);
  content.admission = null;
  ok(await share.setattr(alice, made.id, { mode: 0o4777 }, null));
  admit(null);
  fails(await late, "jukebox");
  ok(await share.write(bob, made.id, 0, [bytesOf("x")], 1, false));
  expect(ok(await share.getattr(made.id)).mode).toBe(0o777);
});

test("operations that lose again and again end in jukebox", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const made = await file(share, "f");
  let applied = 0;
  const apply = store.apply.bind(store);
  store.apply = (set) => {
    applied++;
    return set.conditions.length === 0 ? apply(set) : Promise.resolve({ applied: false, failed: { is: "live", id: made.id } });
  };
  fails(await share.setattr(alice, made.id, { mode: 0 }, null), "jukebox");
  expect(applied).toBe(decisionsMax);
  store.apply = () => Promise.resolve({ applied: false, failed: "noSpace" });
  fails(await share.create(alice, rootId, "g", guarded), "noSpace");
});

test("a store that disagrees with the caches is believed after some tries", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "f");
  fails(await share.lookup(alice, rootId, "g"), "noEntry");
  // Behind the caches' back: the listener is cut off for one set.
  const listener = share["applying" as never] as { onApplied: unknown };
  const original = listener.onApplied;
  listener.onApplied = () => {};
  await store.inner.apply({ conditions: [], changes: [{ do: "insertDirent", parent: rootId, name: "g", child: made.id }] });
  listener.onApplied = original;
  fails(await share.create(alice, rootId, "g", guarded), "exists");
});
