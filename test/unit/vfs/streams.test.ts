import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { InodeFlag, streamsMax } from "#model/inode-flags.ts";
import { alice, bob, bytesOf, fails, file, folder, listAll, ok, openWorld, root, textOf, type World } from "./kit.ts";

/** Streams: files that only their owner leads to. */

async function withText(world: World, id: FileId, text: string): Promise<void> {
  ok(await world.share.write(alice, id, 0, [bytesOf(text)], text.length, true));
}

async function names({ share }: World, id: FileId): Promise<string[]> {
  return ok(await share.streams(alice, id)).map(({ name }) => name).sort();
}

/** Every inode with a link and every orphan there is. */
async function rows({ store }: World): Promise<{ readonly inodes: number; readonly orphans: number }> {
  return { inodes: (await store.usage()).inodes, orphans: (await store.orphans(0, 1000)).length };
}

test("a stream is made, found whatever its case, written, renamed and removed; nothing of it shows among files", async () => {
  const world = await openWorld();
  const { share } = world;
  const owner = await file(share, "f");
  await withText(world, owner.id, "content");
  expect(ok(await share.streams(alice, owner.id))).toEqual([]);
  fails(await share.openStream(alice, owner.id, "Zone.Identifier"), "noEntry");
  const made = ok(await share.makeStream(alice, owner.id, "Zone.Identifier"));
  expect(made).toMatchObject({ name: "Zone.Identifier", owner: { id: owner.id }, inode: { type: FileType.regular, size: 0, links: 1, parent: owner.id } });
  expect(made.owner.flags & InodeFlag.hasStreams).not.toBe(0);
  expect(made.owner.ctime.isAfter(owner.ctime)).toBe(true);
  await withText(world, made.inode.id, "[ZoneTransfer]");
  expect(await textOf(share, made.inode.id)).toBe("[ZoneTransfer]");
  expect(await textOf(share, owner.id)).toBe("content");
  expect(ok(await share.openStream(bob, owner.id, "zone.IDENTIFIER"))).toMatchObject({ name: "Zone.Identifier", inode: { id: made.inode.id, size: 14 } });
  fails(await share.makeStream(alice, owner.id, "ZONE.identifier"), "exists");
  expect(await listAll(share, rootId)).toEqual(new Map([["f", owner.id]]));

  ok(await share.makeStream(alice, owner.id, "other"));
  fails(await share.renameStream(alice, owner.id, "other", "ZONE.IDENTIFIER", false), "exists");
  ok(await share.renameStream(alice, owner.id, "zone.identifier", "ZONE.Identifier", false));
  expect(await names(world, owner.id)).toEqual(["ZONE.Identifier", "other"]);
  ok(await share.renameStream(alice, owner.id, "ZONE.identifier", "OTHER", true));
  expect(await names(world, owner.id)).toEqual(["OTHER"]);
  expect(await textOf(share, ok(await share.openStream(alice, owner.id, "other")).inode.id)).toBe("[ZoneTransfer]");
  fails(await share.removeStream(alice, owner.id, "gone"), "noEntry");
  ok(await share.removeStream(alice, owner.id, "Other"));
  expect(await names(world, owner.id)).toEqual([]);
  expect(await rows(world)).toEqual({ inodes: 2, orphans: 0 });
});

test("a directory has streams: names of its entries don't meet them, it is empty with them and goes with them", async () => {
  const world = await openWorld();
  const { share } = world;
  const directory = await folder(share, "d");
  const stream = ok(await share.makeStream(alice, directory.id, "same")).inode;
  const entry = await file(share, "same", 0o644, alice, directory.id);
  expect(await listAll(share, directory.id)).toEqual(new Map([["same", entry.id]]));
  expect(await names(world, directory.id)).toEqual(["same"]);
  ok(await share.remove(alice, directory.id, "same"));
  expect(ok(await share.openStream(alice, directory.id, "same")).inode.id).toBe(stream.id);
  ok(await share.rmdir(alice, rootId, "d"));
  expect(await rows(world)).toEqual({ inodes: 1, orphans: 0 });
  fails(await share.getattr(stream.id), "stale");
});

test("the owner's streams go with its last link, by REMOVE and by RENAME, and only with that", async () => {
  const world = await openWorld();
  const { share } = world;
  const owner = await file(share, "f");
  for (const name of ["a", "b"]) await withText(world, ok(await share.makeStream(alice, owner.id, name)).inode.id, name);
  ok(await share.link(alice, owner.id, rootId, "g"));
  ok(await share.remove(alice, rootId, "f"));
  expect(await names(world, owner.id)).toEqual(["a", "b"]);
  await file(share, "h");
  ok(await share.rename(alice, rootId, "h", rootId, "g"));
  expect(await rows(world)).toEqual({ inodes: 2, orphans: 0 });
  fails(await share.streams(alice, owner.id), "stale");
});

test("a stream has no streams, and its attributes are its owner's", async () => {
  const { share } = await openWorld();
  const owner = await file(share, "f");
  const stream = ok(await share.makeStream(alice, owner.id, "s")).inode;
  fails(await share.makeStream(alice, stream.id, "t"), "invalid");
  fails(await share.streams(alice, stream.id), "invalid");
  ok(await share.setXattr(alice, stream.id, "ea", bytesOf("x")));
  expect(ok(await share.xattr(alice, owner.id, "ea"))).toEqual(bytesOf("x"));
  expect((ok(await share.getattr(owner.id)) as Inode).flags & InodeFlag.hasEas).not.toBe(0);
});

test("who may not write the owner makes, renames and removes none", async () => {
  const { share } = await openWorld();
  const owner = await file(share, "f", 0o644);
  ok(await share.makeStream(alice, owner.id, "s"));
  fails(await share.makeStream(bob, owner.id, "t"), "access");
  fails(await share.removeStream(bob, owner.id, "s"), "access");
  fails(await share.renameStream(bob, owner.id, "s", "t", true), "access");
  ok(await share.makeStream(root, owner.id, "t"));
});

test("a file has so many streams and no more", async () => {
  const { share } = await openWorld();
  const owner = await file(share, "f");
  for (let i = 0; i < streamsMax; i++) ok(await share.makeStream(alice, owner.id, `s${i}`));
  fails(await share.makeStream(alice, owner.id, "one more"), "noSpace");
  expect(ok(await share.streams(alice, owner.id)).length).toBe(streamsMax);
  ok(await share.remove(alice, rootId, "f"));
});

async function settleUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (holds()) return;
    await Promise.resolve();
  }
  throw new Error("the operation never came to the store");
}

/** Both decide on the same state; then they take effect in this order. */
async function race<A, B>({ store }: World, one: () => Promise<A>, two: () => Promise<B>): Promise<[A, B]> {
  store.hold();
  const first = one();
  await settleUntil(() => store.heldSets === 1);
  const second = two();
  await settleUntil(() => store.heldSets === 2);
  store.release();
  return Promise.all([first, second]);
}

test("a stream that is made while its owner is removed goes with it, whichever comes first", async () => {
  for (const before of [0, 1]) {
    for (const removalFirst of [true, false]) {
      const world = await openWorld();
      const { share } = world;
      const owner = await file(share, "f");
      if (before === 1) ok(await share.makeStream(alice, owner.id, "old"));
      const make = () => share.makeStream(alice, owner.id, "s");
      const remove = () => share.remove(alice, rootId, "f");
      if (removalFirst) {
        const [removed, made] = await race(world, remove, make);
        ok(removed);
        fails(made, "stale");
      } else {
        const [made, removed] = await race(world, make, remove);
        ok(made);
        ok(removed);
      }
      await share.orphans.idle();
      expect(await rows(world)).toEqual({ inodes: 1, orphans: 0 });
    }
  }
});

test("a link that comes or goes while an owner with streams is removed: they stay as long as there is a link, and no longer", async () => {
  const world = await openWorld();
  const { share } = world;
  const owner = await file(share, "f");
  ok(await share.makeStream(alice, owner.id, "s"));
  const [linked, removed] = await race(world, () => share.link(alice, owner.id, rootId, "g"), () => share.remove(alice, rootId, "f"));
  ok(linked);
  ok(removed);
  expect(await names(world, owner.id)).toEqual(["s"]);
  ok(await share.link(alice, owner.id, rootId, "h"));
  const both = await race(world, () => share.remove(alice, rootId, "g"), () => share.remove(alice, rootId, "h"));
  both.forEach(ok);
  expect(await rows(world)).toEqual({ inodes: 1, orphans: 0 });
});

test("two who make one stream: one makes it", async () => {
  const world = await openWorld();
  const { share } = world;
  const owner = await file(share, "f", 0o666);
  const [a, b] = await race(world, () => share.makeStream(alice, owner.id, "s"), () => share.makeStream(bob, owner.id, "S"));
  expect([a, b].map((one) => (one instanceof FsError ? one.code : one.name))).toEqual(["s", "exists"]);
  expect(await names(world, owner.id)).toEqual(["s"]);
});

test("with a store that has to be waited for, a list that was read before a change is not taken for the list after it", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const owner = await file(share, "f");
  ok(await share.makeStream(alice, owner.id, "a"));
  store.asynchronous = true;
  const { promise, resolve } = Promise.withResolvers<void>();
  store.gates.push(promise);
  const reading = share.streams(alice, owner.id);
  ok(await share.makeStream(alice, owner.id, "b"));
  resolve();
  expect(ok(await reading).length).toBeGreaterThanOrEqual(1);
  expect(await names(world, owner.id)).toEqual(["a", "b"]);
});

test("writing or cutting a stream is a write and a change of its owner: seen at once, stored together a moment later, kept by a close", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const owner = await file(share, "f");
  const stream = ok(await share.makeStream(alice, owner.id, "s")).inode;
  const before = ok(await share.getattr(owner.id)) as Inode;
  clock.ms += 10_000;
  store.sets.length = 0;
  for (let i = 0; i < 5; i++) await withText(world, stream.id, "text");
  const written = ok(await share.getattr(owner.id)) as Inode;
  expect(written.mtime.isAfter(before.mtime)).toBe(true);
  expect(written.ctime).toEqual(written.mtime);
  expect(written.size).toBe(before.size);
  expect(store.sets.flatMap((set) => set.changes).filter((change) => change.do === "setAttributes")).toEqual([]);
  clock.fire();
  await settleUntil(() => store.sets.some((set) => set.changes.some((change) => change.do === "setAttributes" && change.id === owner.id)));
  // Sets apply in order: with this one that one is.
  await store.apply({ conditions: [], changes: [] });
  expect((await store.inode(owner.id))?.mtime).toEqual(written.mtime);
  clock.ms += 10_000;
  ok(await share.setattr(alice, stream.id, { size: 1 }, null));
  const cut = ok(await share.getattr(owner.id)) as Inode;
  expect(cut.mtime.isAfter(written.mtime)).toBe(true);
  await share.close();
  expect((await store.inode(owner.id))?.mtime).toEqual(cut.mtime);
});

test("an mtime that is set holds against what was written to streams before, and not against what is written after", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const owner = await file(share, "f");
  const stream = ok(await share.makeStream(alice, owner.id, "s")).inode;
  clock.ms += 10_000;
  await withText(world, stream.id, "text");
  const mtime = new Time(7, 0);
  ok(await share.setattr(alice, owner.id, { mtime }, null));
  expect((ok(await share.getattr(owner.id)) as Inode).mtime).toEqual(mtime);
  clock.fire();
  await share.close();
  expect((await store.inode(owner.id))?.mtime).toEqual(mtime);
});
