import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { policyOf } from "../../support/policy.ts";
import { alice, bytesOf, file, ok, openOn, openWorld, type World } from "./kit.ts";

async function readOnce({ share }: World, id: FileId): Promise<Time> {
  const { inode, data } = ok(await share.read(alice, id, 0, 1));
  data.release();
  return inode.atime;
}

test("a read renews an access time that is not later than the last change, or a day old, and no other", async () => {
  const world = await openWorld();
  const { share, clock } = world;
  const made = await file(share, "f");
  clock.ms += 10_000;
  const first = await readOnce(world, made.id);
  expect(first).toEqual(clock.now());
  clock.ms += 10_000;
  expect(await readOnce(world, made.id)).toEqual(first);
  ok(await share.write(alice, made.id, 0, [bytesOf("x")], 1, false));
  clock.ms += 10_000;
  const second = await readOnce(world, made.id);
  expect(second).toEqual(clock.now());
  clock.ms += 86_399_000;
  expect(await readOnce(world, made.id)).toEqual(second);
  clock.ms += 1_000;
  expect(await readOnce(world, made.id)).toEqual(clock.now());
});

test("access times are stored late, once, without a new ctime or change number, and survive the cache", async () => {
  const world = await openWorld({ inodesMax: 3 });
  const { share, store, clock } = world;
  const made = await file(share, "f");
  clock.ms += 10_000;
  const atime = await readOnce(world, made.id);
  expect((await store.inode(made.id))?.atime).toEqual(made.atime);
  for (let i = 0; i < 6; i++) await file(share, `other${i}`);
  expect(share.cached(made.id)).toBeNull();
  expect(ok(await share.getattr(made.id)).atime).toEqual(atime);
  expect(clock.pending).toBe(1);
  clock.fire();
  await share.close();
  expect(await store.inode(made.id)).toEqual(made.with({ atime }));
});

test("close stores what waits, and reads after it leave nothing behind", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const made = await file(share, "f");
  clock.ms += 10_000;
  const atime = await readOnce(world, made.id);
  await share.close();
  expect((await store.inode(made.id))?.atime).toEqual(atime);
  expect(clock.pending).toBe(0);
});

test("an explicit access time takes the place of a noted one", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const made = await file(share, "f");
  clock.ms += 10_000;
  await readOnce(world, made.id);
  const explicit = new Time(7, 7);
  expect(ok(await share.setattr(alice, made.id, { atime: explicit }, null)).after?.atime).toEqual(explicit);
  expect(ok(await share.getattr(made.id)).atime).toEqual(explicit);
  await share.close();
  expect((await store.inode(made.id))?.atime).toEqual(explicit);
});

test("the access time of a removed file brings nothing back", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const made = await file(share, "f");
  clock.ms += 10_000;
  await readOnce(world, made.id);
  ok(await share.remove(alice, rootId, "f"));
  store.sets.length = 0;
  await share.close();
  expect(store.sets).toEqual([]);
});

test("listing a directory and reading a link count as reads; a read-only share notes nothing", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const link = ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {})).inode;
  clock.ms += 10_000;
  expect(ok(await share.readlink(alice, link.id)).inode.atime).toEqual(clock.now());
  const listing = ok(await share.readdir(alice, rootId, 0, new Uint8Array(8), false, () => true));
  expect(listing.directory.atime).toEqual(clock.now());
  await share.close();
  const closed = await openOn(store, clock, { policy: policyOf({ readOnly: true }) });
  clock.ms += 100_000_000;
  expect(ok(await closed.share.readlink(alice, link.id)).inode.atime.isAfter(link.atime)).toBe(true);
  expect(ok(await closed.share.readlink(alice, link.id)).inode.atime).not.toEqual(clock.now());
  store.sets.length = 0;
  await closed.share.close();
  expect(store.sets).toEqual([]);
});
