import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { streamsOf } from "#model/inode-flags.ts";
import { FileType } from "#model/inode.ts";
import { Cached, type Lease, OpenFile, Right, Sharing } from "#vfs/opens/index.ts";
import { patienceMs } from "#vfs/ops/opened.ts";
import { alice, bytesOf, fails, file, folder, ok, open, openWorld, tryOpen, type World } from "../kit.ts";

/*
 * What callers without opens (NFS) may do to files that others have open.
 */
const place = { parent: rootId, name: "a" };
const payload = [bytesOf("new")];

async function opened(access: number, sharing: number, state: number): Promise<World & { id: OpenFile["file"]["id"]; held: OpenFile; lease: Lease | null }> {
  const it = await openWorld();
  const inode = await file(it.share, "a");
  ok(await it.share.write(alice, inode.id, 0, [bytesOf("old")], 3, false));
  const held = open(it.share, inode, access, { sharing, place, caching: state === 0 ? null : { key: "k", state, epoch: 0 } });
  return { ...it, id: inode.id, held, lease: held.lease };
}

test("who does not share a use of a file keeps callers without opens from it", async () => {
  const { share, id, held } = await opened(Right.readData, Sharing.none, 0);
  fails(await share.read(alice, id, 0, 3), "sharing");
  fails(await share.write(alice, id, 0, payload, 3, false), "sharing");
  fails(await share.setattr(alice, id, { size: 0 }, null), "sharing");
  fails(await share.remove(alice, rootId, "a"), "sharing");
  fails(await share.rename(alice, rootId, "a", rootId, "b"), "sharing");
  await file(share, "other");
  fails(await share.rename(alice, rootId, "other", rootId, "a"), "sharing");
  // Attributes are nobody's use.
  ok(await share.setattr(alice, id, { mode: 0o600 }, null));
  expect(share.release(held)).toBeNull();
  ok(await share.write(alice, id, 0, payload, 3, false));
  ok(await share.remove(alice, rootId, "a"));
});

test("who shares every use keeps nobody from anything, and what is read is what was written last", async () => {
  const { share, id } = await opened(Right.readData, Sharing.all, 0);
  ok(await share.write(alice, id, 0, payload, 3, false));
  ok(await share.read(alice, id, 0, 3)).data.release();
  ok(await share.rename(alice, rootId, "a", rootId, "b"));
});

test("a write waits until what somebody wrote and keeps has come, and takes everything that is cached", async () => {
  const { share, id, lease } = await opened(Right.readData, Sharing.all, Cached.all);
  const writing = share.write(alice, id, 0, payload, 3, false);
  expect(writing).toBeInstanceOf(Promise);
  expect(lease!.breaking).toBe(true);
  lease!.acknowledge(Cached.none);
  ok(await writing);
  expect(lease!.state).toBe(Cached.none);
});

test("what is only read and kept goes without a wait", async () => {
  const { share, id, lease } = await opened(Right.readData, Sharing.all, Cached.read);
  expect(share.write(alice, id, 0, payload, 3, false)).not.toBeInstanceOf(Promise);
  expect(lease!.state).toBe(Cached.none);
});

test("a read takes write caching alone", async () => {
  const { share, id, lease } = await opened(Right.readData, Sharing.all, Cached.all);
  const reading = share.read(alice, id, 0, 3);
  lease!.acknowledge(Cached.read | Cached.handle);
  ok(await reading).data.release();
  expect(lease!.state).toBe(Cached.read | Cached.handle);
});

test("whoever waits too long is told to come again, and finds the break where it was", async () => {
  const { share, id, lease, clock } = await opened(Right.readData, Sharing.all, Cached.all);
  const writing = share.write(alice, id, 0, payload, 3, false);
  clock.pass(patienceMs);
  fails(await writing, "jukebox");
  expect(lease!.breaking).toBe(true);
  const again = share.setattr(alice, id, { size: 0 }, null);
  lease!.acknowledge(Cached.none);
  ok(await again);
});

test("a removal and a rename take handles that are only kept", async () => {
  const { share, lease } = await opened(Right.readData, Sharing.all, Cached.read | Cached.handle);
  const renaming = share.rename(alice, rootId, "a", rootId, "b");
  while (!lease!.breaking) await Promise.resolve();
  lease!.acknowledge(Cached.read);
  ok(await renaming);
  expect(lease!.state).toBe(Cached.read);
});

test("an open goes with its file to another name, and the deletion it asked for too", async () => {
  const { share, held } = await opened(Right.delete, Sharing.all, 0);
  expect(await share.setDeletion(held, true)).toBeNull();
  ok(await share.rename(alice, rootId, "a", rootId, "b"));
  expect(held.place).toEqual({ parent: rootId, name: "b" });
  await file(share, "a");
  expect(await share.release(held)).toBeNull();
  ok(await share.lookup(alice, rootId, "a"));
  fails(await share.lookup(alice, rootId, "b"), "noEntry");
});

test("a file that is removed while it is open is read and written until its last close, and then freed", async () => {
  const { share, store, content, id, held } = await opened(Right.readData | Right.writeData, Sharing.all, 0);
  const second = open(share, ok(await share.getattr(id)), Right.readData, { place });
  ok(await share.remove(alice, rootId, "a"));
  fails(await share.lookup(alice, rootId, "a"), "noEntry");
  await share.orphans.idle();
  ok(await share.write(alice, id, 3, [bytesOf("er")], 2, false, held));
  const { data } = ok(await share.read(alice, id, 0, 10, held));
  expect(Buffer.concat(data.slices).toString()).toBe("older");
  data.release();
  expect(ok(await share.setattr(alice, id, { mtime: "now" }, null, held))).toBeDefined();
  ok(await share.setattr(alice, id, { size: 1 }, null, held));
  expect(share.release(held)).toBeNull();
  expect(ok(await share.getattr(id)).size).toBe(1);
  expect(share.release(second)).toBeNull();
  await share.orphans.idle();
  fails(await share.getattr(id), "stale");
  expect(await store.inner.inode(id)).toBeNull();
  void content;
});

test("nobody opens a file between its last close and its end", async () => {
  const { share, store, id, held } = await opened(Right.delete, Sharing.all, 0);
  const inode = ok(await share.getattr(id));
  held.deleteOnClose = true;
  store.hold();
  const closing = share.release(held);
  while (store.heldSets === 0) await Promise.resolve();
  const waiting = tryOpen(share, inode, Right.readData, { place });
  expect(waiting).toBeInstanceOf(Promise);
  store.release();
  expect(await closing).toBeNull();
  await waiting;
  fails(await share.lookup(alice, rootId, "a"), "noEntry");
  expect(share.opens.size).toBe(0);
});

test("a name whose deletion is asked for is opened by nobody, until that is taken back", async () => {
  const { share, id, held } = await opened(Right.delete | Right.readData, Sharing.all, 0);
  const inode = ok(await share.getattr(id));
  expect(await share.setDeletion(held, true)).toBeNull();
  expect(tryOpen(share, inode, Right.readData, { place })).toBe(FsError.of("deletePending"));
  expect(await share.setDeletion(held, false)).toBeNull();
  expect(tryOpen(share, inode, Right.readData, { place })).toBeInstanceOf(OpenFile);
});

test("a directory with something in it is not to be deleted, and one that was filled meanwhile stays", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  const held = open(share, directory, Right.delete, { place: { parent: rootId, name: "d" } });
  await file(share, "f", 0o644, alice, directory.id);
  fails(await share.setDeletion(held, true), "notEmpty");
  ok(await share.remove(alice, directory.id, "f"));
  expect(await share.setDeletion(held, true)).toBeNull();
  await file(share, "g", 0o644, alice, directory.id);
  fails(await share.release(held), "notEmpty");
  ok(await share.lookup(alice, rootId, "d"));
});

test("an empty file that is to become a link is neither written nor opened until that is decided; one that was written becomes none", async () => {
  const { share, store } = await openWorld();
  const inode = await file(share, "a");
  const held = open(share, inode, Right.writeData, { place });
  store.hold();
  const linking = share.becomeLink(alice, held, bytesOf("there"));
  for (let turn = 0; turn < 100 && store.heldSets < 1; turn++) await Promise.resolve();
  expect(store.heldSets).toBe(1);
  const writing = share.write(alice, inode.id, 0, payload, 3, false);
  const cutting = share.setattr(alice, inode.id, { size: 10 }, null);
  const opening = tryOpen(share, inode, Right.readData, { place });
  expect(opening).toBeInstanceOf(Promise);
  store.release();
  expect(ok(await linking).type).toBe(FileType.symlink);
  fails(await writing, "stale");
  fails(await cutting, "stale");
  await opening;
  const other = await file(share, "b");
  const keeper = open(share, other, Right.writeData, { place: { parent: rootId, name: "b" } });
  ok(await share.write(alice, other.id, 0, payload, 3, false));
  fails(await share.becomeLink(alice, keeper, bytesOf("there")), "notSupported");
});

test("a file whose stream is open by somebody who lets nobody delete it stays, for callers without opens too", async () => {
  const { share } = await openWorld();
  const owner = await file(share, "a");
  const stream = ok(await share.makeStream(alice, owner.id, "s")).inode;
  const held = open(share, stream, Right.readData, { sharing: Sharing.read | Sharing.write, place: { parent: streamsOf(owner.id), name: "s" } });
  fails(await share.remove(alice, rootId, "a"), "sharing");
  await file(share, "b");
  fails(await share.rename(alice, rootId, "b", rootId, "a"), "sharing");
  const { id } = await folder(share, "d");
  const other = ok(await share.makeStream(alice, id, "s")).inode;
  const kept = open(share, other, Right.readData, { sharing: Sharing.none, place: { parent: streamsOf(id), name: "s" } });
  fails(await share.rmdir(alice, rootId, "d"), "sharing");
  for (const one of [held, kept]) await share.release(one);
  ok(await share.rename(alice, rootId, "b", rootId, "a"));
  ok(await share.rmdir(alice, rootId, "d"));
});

test("a file that goes with its last close goes by whatever name somebody gives it at that moment", async () => {
  const { share, store } = await openWorld();
  const inode = await file(share, "a");
  const { id } = await folder(share, "d");
  const held = open(share, inode, Right.delete, { place, deleteOnClose: true });
  store.hold();
  const renaming = share.rename(alice, rootId, "a", id, "b");
  for (let turn = 0; turn < 100 && store.heldSets < 1; turn++) await Promise.resolve();
  const closing = share.release(held);
  for (let turn = 0; turn < 100 && store.heldSets < 2; turn++) await Promise.resolve();
  expect(store.heldSets).toBe(2);
  store.release();
  ok(await renaming);
  expect(await closing).toBeNull();
  fails(await share.lookup(alice, id, "b"), "noEntry");
});

test("where a directory is, is known by memory or found in the store", async () => {
  const { share } = await openWorld();
  const outer = await folder(share, "outer");
  const inner = await folder(share, "inner", 0o755, alice, outer.id);
  expect(share.pathOf(rootId)).toEqual([]);
  expect(share.pathOf(inner.id)).toEqual(["outer", "inner"]);
  ok(await share.rename(alice, rootId, "outer", rootId, "other"));
  expect(share.pathOf(inner.id)).toEqual(["other", "inner"]);
  share.inodes.remove(outer.id);
  expect(await share.pathOf(inner.id)).toEqual(["other", "inner"]);
  ok(await share.rmdir(alice, outer.id, "inner"));
  expect(await share.pathOf(inner.id)).toBeNull();
});
