import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { fileSizeMax, rootId } from "#model/ids.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openOn, openWorld, root, textOf } from "./kit.ts";

test("an unstable write is accepted at once: no promise, seen by every reader, times changed", async () => {
  const { share, clock, content } = await openWorld();
  const made = await file(share, "f");
  clock.ms += 1_000;
  const written = share.write(alice, made.id, 2, [bytesOf("ab"), bytesOf("c")], 3, false);
  if (written instanceof Promise) throw new Error("it had to be waited for");
  const { before, after } = ok(written).file;
  expect(before).toEqual(made);
  expect(after).toMatchObject({ size: 5, mtime: clock.now(), ctime: clock.now() });
  expect(after?.change).toBeGreaterThan(made.change);
  expect(share.getattr(made.id)).toEqual(after as never);
  expect(content.synced).toEqual([]);
  expect(await textOf(share, made.id)).toBe("\0\0abc");
});

test("a stable write and a COMMIT answer when content is durable, or say why it isn't", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f");
  const sync = Promise.withResolvers<FsError | null>();
  content.durability = sync.promise;
  let answered = 0;
  const both = [
    Promise.resolve(share.write(alice, made.id, 0, [bytesOf("x")], 1, true)).then((outcome) => (answered++, outcome)),
    Promise.resolve(share.commit(bob, made.id)).then((outcome) => (answered++, outcome)),
  ];
  await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(0);
  sync.resolve(null);
  const [written, committed] = (await Promise.all(both)).map(ok);
  expect(written?.file.after?.size).toBe(1);
  expect(committed?.file.before).toEqual(committed?.file.after);
  content.durability = FsError.of("io");
  fails(await share.write(alice, made.id, 0, [bytesOf("x")], 1, true), "io");
  fails(await share.commit(alice, made.id), "io");
});

test("nobody is told that data of a file is safe before the file itself is", async () => {
  const { share, store } = await openWorld();
  // Made but not durable yet: the store applied the set, told the caches, and is still syncing.
  const synced = Promise.withResolvers<void>();
  const apply = store.apply.bind(store);
  store.apply = async (set) => {
    const result = await apply(set);
    await synced.promise;
    return result;
  };
  const creating = share.create(alice, rootId, "f", { mode: "guarded", attributes: { mode: 0o666 } });
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  const { inode } = ok(await share.lookup(bob, rootId, "f"));
  ok(await share.write(bob, inode.id, 0, [bytesOf("x")], 1, false));
  let committed = false;
  const committing = Promise.resolve(share.commit(bob, inode.id)).then(() => (committed = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(committed).toBe(false);
  synced.resolve();
  await Promise.all([creating, committing]);
  expect(share.commit(bob, inode.id) instanceof Promise).toBe(false);
});

test("WRITE: permission, types, bounds, nothing to write", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o644);
  const one = [bytesOf("x")];
  fails(await share.write(bob, made.id, 0, one, 1, false), "access");
  fails(await share.write(root, rootId, 0, one, 1, false), "isDirectory");
  const link = ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {})).inode;
  fails(await share.write(alice, link.id, 0, one, 1, false), "invalid");
  fails(await share.write(alice, made.id, fileSizeMax, one, 1, false), "fileTooBig");
  fails(await share.write(alice, made.id, -1, one, 1, false), "invalid");
  fails(await share.write(alice, made.id, Number.NaN, one, 1, false), "invalid");
  const nothing = ok(await share.write(alice, made.id, 5, [], 0, false)).file;
  expect(nothing.after).toEqual(made);
  fails(await share.write(alice, 4711 as never, 0, one, 1, false), "stale");
});

test("what content refuses is answered as it is", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f");
  content.admission = FsError.of("noSpace");
  fails(await share.write(alice, made.id, 0, [bytesOf("x")], 1, false), "noSpace");
  content.admission = Promise.resolve(FsError.of("jukebox"));
  fails(await share.write(alice, made.id, 0, [bytesOf("x")], 1, false), "jukebox");
  expect(ok(await share.getattr(made.id)).size).toBe(0);
});

test("READ: the bytes, the end, permission, types, bounds", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f", 0o640);
  ok(await share.write(alice, made.id, 0, [bytesOf("hello")], 5, false));
  const read = async (offset: number, length: number): Promise<[string, boolean]> => {
    const { data } = ok(await share.read(alice, made.id, offset, length));
    data.release();
    return [data.slices.map((slice) => new TextDecoder().decode(slice)).join(""), data.endOfFile];
  };
  expect(await read(0, 5)).toEqual(["hello", true]);
  expect(await read(1, 2)).toEqual(["el", false]);
  expect(await read(9, 2)).toEqual(["", true]);
  expect(await read(fileSizeMax, fileSizeMax)).toEqual(["", true]);
  expect(content.released).toBe(4);
  fails(await share.read(bob, made.id, 0, 1), "access");
  fails(await share.read(root, rootId, 0, 1), "isDirectory");
  fails(await share.read(alice, made.id, -1, 1), "invalid");
  fails(await share.read(alice, made.id, 0, Number.NaN), "invalid");
  const fifo = ok(await share.mknod(alice, rootId, "p", { type: 7 }, {})).inode;
  fails(await share.read(alice, fifo.id, 0, 1), "invalid");
});

test("a file that goes while its content is read is stale, and the bytes are let go of", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f");
  const gate = Promise.withResolvers<void>();
  content.reading = gate.promise;
  const reading = share.read(alice, made.id, 0, 1);
  ok(await share.remove(alice, rootId, "f"));
  gate.resolve();
  fails(await reading, "stale");
  expect(content.released).toBe(1);
});

test("COMMIT: types and what is not there", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  fails(await share.commit(alice, directory.id), "isDirectory");
  fails(await share.commit(alice, 4711 as never), "stale");
});

test("what was written is in the inode while it is not stored, when it is stored, and after a restart", async () => {
  const { share, store, content, clock } = await openWorld({ inodesMax: 3 });
  const made = await file(share, "f");
  clock.ms += 3_000;
  ok(await share.write(alice, made.id, 0, [bytesOf("hello")], 5, false));
  const written = ok(await share.getattr(made.id));
  // Out of the cache and in again: the row alone has the old size.
  for (let i = 0; i < 6; i++) await file(share, `other${i}`);
  expect(share.cached(made.id)).toBeNull();
  expect(ok(await share.getattr(made.id))).toEqual(written);
  ok(await share.setattr(alice, made.id, { mode: 0o600 }, null));
  expect(ok(await share.getattr(made.id))).toMatchObject({ size: 5, mode: 0o600, mtime: written.mtime });
  await content.flush(made.id);
  const stored = ok(await share.getattr(made.id));
  expect(stored).toMatchObject({ size: 5, mode: 0o600, mtime: written.mtime });
  const again = await openOn(store, clock);
  expect(ok(await again.share.getattr(made.id))).toEqual(stored);
});

test("usage: of a bounded store, and where there is no bound", async () => {
  const { share, content } = await openWorld();
  const open = ok(await share.usage());
  expect(open.totalBytes).toBe(fileSizeMax);
  expect(open.freeBytes).toBe(open.availableBytes);
  content.bound = { total: 1000_000, free: 400_000, available: 350_000 };
  await file(share, "f");
  const bounded = await share.usage();
  expect(bounded).toMatchObject({ totalBytes: 1000_000, freeBytes: 400_000, availableBytes: 350_000 });
  expect(bounded.totalFiles - bounded.freeFiles).toBe(2);
});

test("a read that is done, and whose file can't be looked up any more, lets go of what it read", async () => {
  const { share, store, content } = await openWorld();
  const made = await file(share, "f");
  ok(await share.write(alice, made.id, 0, [bytesOf("abc")], 3, false));
  const reading = Promise.withResolvers<void>();
  content.reading = reading.promise;
  const late = Promise.resolve(share.read(alice, made.id, 0, 3));
  // Others took its place in the cache.
  share.inodes.remove(made.id);
  store.inode = () => Promise.reject(new Error("away"));
  reading.resolve();
  await expect(late).rejects.toThrow("away");
  expect(content.released).toBe(1);
});
