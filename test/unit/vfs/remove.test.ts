import { expect, test } from "bun:test";
import { PackState } from "#model/change-set.ts";
import { type FileId, linksMax, type PackId, rootId } from "#model/ids.ts";
import { alice, bob, bytesOf, fails, file, folder, listAll, ok, openOn, openWorld, root, textOf, type World } from "./kit.ts";

test("REMOVE takes the name away and the file with its last link; whoever still has it learns that it is stale", async () => {
  const { share, store, content } = await openWorld();
  const made = await file(share, "f");
  ok(await share.write(alice, made.id, 0, [bytesOf("x")], 1, false));
  const handle = share.handleOf(made).slice();
  const removed = ok(await share.remove(alice, rootId, "f"));
  expect(removed.directory.after?.mtime.isAfter(removed.directory.before?.mtime as never)).toBe(true);
  fails(await share.lookup(alice, rootId, "f"), "noEntry");
  expect(content.forgotten).toEqual([made.id]);
  fails(await share.getattr(made.id), "stale");
  fails(await share.read(root, made.id, 0, 1), "stale");
  fails(await share.write(root, made.id, 0, [bytesOf("x")], 1, true), "stale");
  fails(await share.commit(root, made.id), "stale");
  fails(await share.setattr(root, made.id, { size: 0, mode: 0 }, null), "stale");
  fails(await share.link(root, made.id, rootId, "again"), "stale");
  fails(await share.access(root, made.id, 1), "stale");
  fails(await share.readdir(root, made.id, 0, handle, false, () => true), "stale");
  expect(await store.inode(made.id)).toBeNull();
  expect((await store.usage()).inodes).toBe(1);
});

test("a file with two names loses one and lives", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "a");
  const linked = ok(await share.link(bob, made.id, rootId, "b"));
  expect(linked.inode).toMatchObject({ id: made.id, links: 2 });
  expect(linked.inode.ctime.isAfter(made.ctime)).toBe(true);
  ok(await share.remove(alice, rootId, "a"));
  expect(ok(await share.lookup(alice, rootId, "b")).inode).toMatchObject({ id: made.id, links: 1 });
  expect(content.forgotten).toEqual([]);
  ok(await share.remove(alice, rootId, "b"));
  expect(content.forgotten).toEqual([made.id]);
});

test("LINK: directories, taken names, permission, bounds, types", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "f");
  const directory = await folder(share, "d");
  const closed = await folder(share, "closed", 0o555);
  fails(await share.link(root, directory.id, rootId, "e"), "perm");
  fails(await share.link(alice, made.id, rootId, "d"), "exists");
  fails(await share.link(alice, made.id, rootId, "f"), "exists");
  fails(await share.link(alice, made.id, closed.id, "g"), "access");
  fails(await share.link(alice, made.id, made.id, "g"), "notDirectory");
  fails(await share.link(alice, made.id, rootId, "."), "exists");
  fails(await share.link(alice, made.id, rootId, ""), "invalid");
  const symlink = ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {})).inode;
  expect(ok(await share.link(alice, symlink.id, rootId, "t")).inode.links).toBe(2);
  await store.apply({ conditions: [], changes: [{ do: "addLinks", id: made.id, delta: linksMax - 1, at: made.ctime }] });
  fails(await share.link(alice, made.id, rootId, "g"), "tooManyLinks");
});

test("REMOVE and RMDIR: names, types, what is not there", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  const directory = await folder(share, "d");
  await file(share, "inside", 0o644, alice, directory.id);
  fails(await share.remove(alice, rootId, "d"), "isDirectory");
  fails(await share.rmdir(alice, rootId, "f"), "notDirectory");
  fails(await share.rmdir(alice, rootId, "d"), "notEmpty");
  for (const remove of [share.remove.bind(share), share.rmdir.bind(share)]) {
    fails(await remove(alice, rootId, "none"), "noEntry");
    fails(await remove(alice, rootId, "."), "invalid");
    fails(await remove(alice, rootId, ".."), "exists");
    fails(await remove(alice, rootId, ""), "invalid");
    fails(await remove(alice, rootId, "a".repeat(256)), "nameTooLong");
    fails(await remove(alice, made.id, "a"), "notDirectory");
    fails(await remove(alice, 12345 as FileId, "a"), "stale");
  }
});

test("RMDIR takes the link of its \"..\" from the parent, and nothing is made in what was removed", async () => {
  const { share, store } = await openWorld();
  const directory = await folder(share, "d");
  expect(ok(await share.getattr(rootId)).links).toBe(3);
  ok(await share.rmdir(alice, rootId, "d"));
  expect(ok(await share.getattr(rootId)).links).toBe(2);
  fails(await share.create(alice, directory.id, "a", { mode: "guarded", attributes: {} }), "stale");
  fails(await share.lookup(alice, directory.id, ".."), "stale");
  expect(await store.inode(directory.id)).toBeNull();
});

test("removing takes the right to change the directory, and in a sticky one ownership", async () => {
  const { share } = await openWorld();
  const closed = await folder(share, "closed", 0o755);
  await file(share, "f", 0o777, alice, closed.id);
  fails(await share.remove(bob, closed.id, "f"), "access");
  // The root directory is sticky and belongs to the superuser.
  await file(share, "mine", 0o777);
  await folder(share, "dir", 0o777);
  fails(await share.remove(bob, rootId, "mine"), "perm");
  fails(await share.rmdir(bob, rootId, "dir"), "perm");
  fails(await share.rename(bob, rootId, "mine", rootId, "his"), "perm");
  await file(share, "his", 0o777, bob);
  fails(await share.rename(bob, rootId, "his", rootId, "mine"), "perm");
  ok(await share.remove(alice, rootId, "mine"));
  ok(await share.remove(root, rootId, "his"));
});

/** A file of so many extents that one set does not free it. */
async function longFile({ share, store, clock }: World, name: string): Promise<{ readonly id: FileId; readonly pack: PackId }> {
  const made = await file(share, name);
  const extents = 3_500;
  const id = store.draw() as PackId;
  const pack = { id, key: "a/1", state: PackState.live, size: extents * 10, live: 0, frames: new Uint8Array(0), since: clock.now() };
  const content = { id: made.id, sequence: 1, size: extents * 20, mtime: clock.now(), ctime: clock.now(), cutTo: -1 };
  const laid = Array.from({ length: extents }, (_, i) => ({ offset: i * 20, length: 10, pack: id, packOffset: i * 10 }));
  await store.apply({ conditions: [], changes: [{ do: "putPack", pack }, { do: "storeContent", ...content, extents: laid }] });
  expect((await store.usage()).bytes).toBe(extents * 10);
  return { id: made.id, pack: id };
}

test("a file of very many extents is freed bit by bit in the background", async () => {
  const world = await openWorld();
  const { share, store } = world;
  const { id, pack } = await longFile(world, "f");
  ok(await share.remove(alice, rootId, "f"));
  fails(await share.getattr(id), "stale");
  expect((await store.inode(id))?.links).toBe(0);
  await share.orphans.idle();
  expect(await store.inode(id)).toBeNull();
  expect((await store.pack(pack))?.live).toBe(0);
});

test("what a stop left unfreed, the next start frees", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const { id, pack } = await longFile(world, "f");
  ok(await share.remove(alice, rootId, "f"));
  await share.close();
  expect((await store.inode(id))?.links).toBe(0);
  await openOn(store, clock);
  expect(await store.inode(id)).toBeNull();
  expect((await store.pack(pack))?.live).toBe(0);
});

test("a store without room for the freeing is asked again later", async () => {
  const world = await openWorld();
  const { share, store, clock } = world;
  const { id } = await longFile(world, "f");
  const apply = store.apply.bind(store);
  store.apply = (set) => (set.conditions.length === 0 ? Promise.resolve({ applied: false, failed: "noSpace" }) : apply(set));
  ok(await share.remove(alice, rootId, "f"));
  await share.orphans.idle();
  store.apply = () => Promise.reject(new Error("the disk is gone"));
  clock.fire();
  await share.orphans.idle();
  expect((await store.inode(id))?.links).toBe(0);
  store.apply = apply;
  clock.fire();
  await share.orphans.idle();
  expect(await store.inode(id)).toBeNull();
});

test("REMOVE of a file that was looked up, listed and written leaves no trace in listings", async () => {
  const { share } = await openWorld();
  await file(share, "a");
  await file(share, "b");
  expect([...(await listAll(share, rootId)).keys()].sort()).toEqual(["a", "b"]);
  ok(await share.remove(alice, rootId, "a"));
  expect([...(await listAll(share, rootId)).keys()]).toEqual(["b"]);
  const again = await file(share, "a");
  expect((await listAll(share, rootId)).get("a")).toBe(again.id);
  expect(await textOf(share, again.id)).toBe("");
});
