import { expect, test } from "bun:test";
import { type FileId, rootId } from "#model/ids.ts";
import { alice, bytesOf, fails, file, folder, ok, openOn, openWorld, root } from "./kit.ts";

test("what is cached is answered without a promise and without the store", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "f");
  ok(await share.lookup(alice, rootId, "f"));
  fails(await share.lookup(alice, rootId, "none"), "noEntry");
  store.asynchronous = true;
  store.reads.inode = 0;
  store.reads.dirent = 0;
  const answers = [
    share.getattr(made.id),
    share.root(),
    share.lookup(alice, rootId, "f"),
    share.lookup(alice, rootId, "none"),
    share.lookup(alice, rootId, "."),
    share.lookup(alice, rootId, ".."),
    share.access(alice, made.id, 0x3f),
    share.read(alice, made.id, 0, 1),
    share.write(alice, made.id, 0, [bytesOf("x")], 1, false),
    share.write(alice, made.id, 0, [bytesOf("x")], 1, true),
    share.commit(alice, made.id),
  ];
  expect(answers.some((answer) => answer instanceof Promise)).toBe(false);
  expect(store.reads).toMatchObject({ inode: 0, dirent: 0 });
});

test("LOOKUP: names, types, permission, the dots", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d", 0o755);
  const closed = await folder(share, "closed", 0o644);
  const plain = await file(share, "f", 0o644, alice, directory.id);
  const found = ok(await share.lookup(alice, directory.id, "f"));
  expect(found.inode).toEqual(plain);
  expect(found.directory).toEqual(ok(await share.getattr(directory.id)));
  expect(ok(await share.lookup(alice, directory.id, ".")).inode.id).toBe(directory.id);
  expect(ok(await share.lookup(alice, directory.id, "..")).inode.id).toBe(rootId);
  expect(ok(await share.lookup(alice, rootId, "..")).inode.id).toBe(rootId);
  fails(await share.lookup(alice, plain.id, "x"), "notDirectory");
  fails(await share.lookup(alice, closed.id, "x"), "access");
  fails(await share.lookup(alice, closed.id, ".."), "access");
  fails(await share.lookup(alice, directory.id, ""), "invalid");
  fails(await share.lookup(alice, directory.id, "a/b"), "invalid");
  fails(await share.lookup(alice, directory.id, "a".repeat(256)), "nameTooLong");
  fails(await share.lookup(alice, 4711 as FileId, "x"), "stale");
  ok(await share.lookup(root, closed.id, ".."));
});

test("a name that was looked up in vain is found once it is there", async () => {
  const { share } = await openWorld();
  fails(await share.lookup(alice, rootId, "f"), "noEntry");
  const made = await file(share, "g");
  ok(await share.rename(alice, rootId, "g", rootId, "f"));
  expect(ok(await share.lookup(alice, rootId, "f")).inode.id).toBe(made.id);
  fails(await share.lookup(alice, rootId, "g"), "noEntry");
});

test("many who miss the same inode share one read", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const again = await openOn(store, clock);
  store.asynchronous = true;
  store.reads.inode = 0;
  const all = await Promise.all(Array.from({ length: 10 }, () => again.share.getattr(made.id)));
  expect(new Set(all).size).toBe(1);
  expect(store.reads.inode).toBe(1);
});

test("a read of an old row that comes late does not undo what happened meanwhile", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f", 0o644);
  const { share: other } = await openOn(store, clock);
  store.asynchronous = true;
  const gate = Promise.withResolvers<void>();
  store.gates.push(gate.promise);
  // The row is read now and handed out after the change.
  const late = other.getattr(made.id);
  await store.inner.apply({ conditions: [], changes: [{ do: "setAttributes", id: made.id, at: clock.now(), mode: 0o600 }] });
  gate.resolve();
  expect(ok(await late).mode).toBe(0o600);
  expect(ok(await other.getattr(made.id)).mode).toBe(0o600);
});

test("a read of a row that was deleted meanwhile finds nothing", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const { share: other } = await openOn(store, clock);
  store.asynchronous = true;
  const gate = Promise.withResolvers<void>();
  store.gates.push(gate.promise);
  const late = other.getattr(made.id);
  await store.inner.apply({
    conditions: [],
    changes: [
      { do: "deleteDirent", parent: rootId, name: "f" },
      { do: "addLinks", id: made.id, delta: -1, at: clock.now() },
    ],
  });
  gate.resolve();
  fails(await late, "stale");
  expect(other.cached(made.id)).toBeNull();
});

test("a look-up that comes late does not undo what happened to the name meanwhile", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const { share: other } = await openOn(store, clock);
  await other.root();
  store.asynchronous = true;
  for (const [name, before, after] of [
    ["f", "success", "noEntry"],
    ["g", "noEntry", "success"],
  ] as const) {
    const gate = Promise.withResolvers<void>();
    store.gates.push(gate.promise);
    const late = other.lookup(alice, rootId, name);
    const change = before === "success" ? { do: "deleteDirent" as const, parent: rootId, name } : null;
    await store.inner.apply({ conditions: [], changes: [change ?? { do: "insertDirent", parent: rootId, name, child: made.id }] });
    gate.resolve();
    if (after === "success") expect(ok(await late).inode.id).toBe(made.id);
    else fails(await late, after);
    if (after === "success") ok(await other.lookup(alice, rootId, name));
    else fails(await other.lookup(alice, rootId, name), after);
  }
});

test("a read that fails is passed on and tried again by the next", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const { share: other } = await openOn(store, clock);
  await other.root();
  store.asynchronous = true;
  const broken = (): Promise<void> => Promise.reject(new Error("the disk is gone"));
  store.gates.push(broken());
  await expect(Promise.resolve(other.getattr(made.id))).rejects.toThrow("the disk is gone");
  store.gates.push(broken());
  await expect(Promise.resolve(other.lookup(alice, rootId, "f"))).rejects.toThrow("the disk is gone");
  expect(ok(await other.lookup(alice, rootId, "f")).inode.id).toBe(made.id);
});

test("a change whose row is looked at again in vain fails, and ends nothing else", async () => {
  const { share, store } = await openWorld();
  const { id } = await file(share, "f");
  store.apply = () => Promise.resolve({ applied: false, failed: { is: "live", id } });
  store.inode = () => Promise.reject(new Error("away"));
  await expect(share.setattr(alice, id, { mode: 0o600 }, null)).rejects.toThrow("away");
});

test("caches never hold more than they may", async () => {
  const { share } = await openWorld({ inodesMax: 10, namesMax: 15 });
  for (let i = 0; i < 60; i++) {
    await file(share, `f${i}`);
    fails(await share.lookup(alice, rootId, `none${i}`), "noEntry");
    expect(share.inodes.size).toBeLessThanOrEqual(10);
    expect(share.names.size).toBeLessThanOrEqual(15);
  }
});

test("names leave with the directory they are in", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  for (let i = 0; i < 20; i++) fails(await share.lookup(alice, directory.id, `none${i}`), "noEntry");
  const size = share.names.size;
  ok(await share.rmdir(alice, rootId, "d"));
  expect(share.names.size).toBe(size - 20);
});

test("a new share has a root as asked for, an opened one keeps its own", async () => {
  const first = await openWorld({ rootMode: 0o750, rootUid: 5, rootGid: 6 });
  expect(await first.share.root()).toMatchObject({ id: rootId, mode: 0o750, uid: 5, gid: 6, links: 2, parent: rootId });
  const again = await openOn(first.store, first.clock, { rootMode: 0o777 });
  expect(await again.share.root()).toMatchObject({ mode: 0o750, uid: 5 });
  expect(await (await openWorld()).share.root()).toMatchObject({ mode: 0o1777, uid: 0, gid: 0 });
});

test("a share's write verifier is 8 bytes", async () => {
  expect((await openWorld()).share.writeVerifier.length).toBe(8);
});
