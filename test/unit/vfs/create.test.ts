import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { policyOf } from "../../support/policy.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openWorld, root, textOf } from "./kit.ts";

const unchecked = (attributes = {}) => ({ mode: "unchecked", attributes }) as const;
const guarded = (attributes = {}) => ({ mode: "guarded", attributes }) as const;
const exclusive = (verifier: number) => ({ mode: "exclusive", verifier: new Uint8Array(8).fill(verifier) }) as const;

test("a new file belongs to its maker, has the mode asked for and one link, and its directory changed", async () => {
  const { share, clock } = await openWorld();
  clock.ms += 5_000;
  const created = ok(await share.create(alice, rootId, "a", guarded({ mode: 0o640 })));
  expect(created.inode).toMatchObject({ type: FileType.regular, mode: 0o640, links: 1, uid: 1000, gid: 1000, size: 0 });
  expect(created.inode.mtime).toEqual(clock.now());
  expect(created.directory.before?.mtime.isAfter(clock.now())).toBe(false);
  expect(created.directory.after?.mtime).toEqual(clock.now());
  expect(created.directory.after?.change).toBeGreaterThan(created.directory.before?.change ?? Infinity);
  expect(ok(await share.lookup(bob, rootId, "a")).inode).toEqual(created.inode);
});

test("two changes in one moment still differ in the directory's times", async () => {
  const { share } = await openWorld();
  const first = ok(await share.create(alice, rootId, "a", guarded()));
  const second = ok(await share.create(alice, rootId, "b", guarded()));
  expect(second.directory.before).toEqual(first.directory.after);
  expect(second.directory.after?.ctime.isAfter(first.directory.after?.ctime ?? Time.zero)).toBe(true);
});

test("guarded refuses any name that is taken, unchecked all but regular files", async () => {
  const { share } = await openWorld();
  await file(share, "f");
  await folder(share, "d");
  ok(await share.symlink(alice, rootId, "s", bytesOf("f"), {}));
  for (const name of ["f", "d", "s"]) fails(await share.create(alice, rootId, name, guarded()), "exists");
  for (const name of ["d", "s"]) fails(await share.create(alice, rootId, name, unchecked()), "exists");
  ok(await share.create(alice, rootId, "f", unchecked()));
});

test("unchecked on an existing file keeps its attributes and content, but for a size that is asked for", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o600);
  ok(await share.write(alice, made.id, 0, [bytesOf("hello")], 5, false));
  const again = ok(await share.create(alice, rootId, "f", unchecked({ mode: 0o777 })));
  expect(again.inode).toMatchObject({ id: made.id, mode: 0o600, size: 5 });
  expect(again.directory.before).toEqual(again.directory.after);
  expect(ok(await share.create(alice, rootId, "f", unchecked({ size: 0 }))).inode.size).toBe(0);
  fails(await share.create(bob, rootId, "f", unchecked({ size: 0 })), "access");
});

test("a file can be made with a size and times", async () => {
  const { share } = await openWorld();
  const mtime = new Time(77, 5);
  const made = ok(await share.create(alice, rootId, "f", guarded({ mode: 0o400, size: 10, mtime, atime: new Time(78, 0) }))).inode;
  expect(made).toMatchObject({ size: 10, mode: 0o400 });
  expect(made.mtime).toEqual(mtime);
  expect(made.atime).toEqual(new Time(78, 0));
  expect(await textOf(share, made.id)).toBe("\0".repeat(10));
  fails(await share.create(alice, rootId, "g", guarded({ size: 2 ** 53 })), "fileTooBig");
  fails(await share.create(alice, rootId, "g", guarded({ size: -1 })), "invalid");
});

test("an exclusive create recognises its own retry until attributes are set", async () => {
  const { share } = await openWorld();
  const made = ok(await share.create(alice, rootId, "f", exclusive(7))).inode;
  expect(made.mode).toBe(0);
  expect(ok(await share.create(alice, rootId, "f", exclusive(7))).inode.id).toBe(made.id);
  fails(await share.create(alice, rootId, "f", exclusive(8)), "exists");
  ok(await share.setattr(alice, made.id, { mode: 0o644 }, null));
  fails(await share.create(alice, rootId, "f", exclusive(7)), "exists");
});

test("a create that is repeated after a restart is answered when what it made is published", async () => {
  const published = Promise.withResolvers<null>();
  let waits = false;
  const { share } = await openWorld({ publication: { refuses: () => null, published: () => (waits ? published.promise : null) } });
  ok(await share.create(alice, rootId, "e", exclusive(7)));
  ok(await share.create(alice, rootId, "u", unchecked()));
  waits = true;
  let answered = 0;
  const repeated = [exclusive(7), unchecked()].map((how, i) => share.create(alice, rootId, "eu".charAt(i), how).finally(() => answered++));
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(answered).toBe(0);
  published.resolve(null);
  for (const one of repeated) ok(await one);
});

test("who asks to set nothing makes no exclusive create forget its verifier, a new size does", async () => {
  const { share } = await openWorld();
  const made = ok(await share.create(alice, rootId, "f", exclusive(7))).inode;
  ok(await share.setattr(bob, made.id, {}, null));
  expect(ok(await share.getattr(made.id))).toEqual(made);
  expect(ok(await share.create(alice, rootId, "f", exclusive(7))).inode.id).toBe(made.id);
  ok(await share.setattr(alice, made.id, { size: 0 }, null));
  fails(await share.create(alice, rootId, "f", exclusive(7)), "exists");
});

test("only the superuser makes files for others", async () => {
  const { share } = await openWorld();
  expect(ok(await share.create(root, rootId, "a", guarded({ uid: 5, gid: 6 }))).inode).toMatchObject({ uid: 5, gid: 6 });
  expect(ok(await share.create(alice, rootId, "b", guarded({ uid: 5, gid: 6 }))).inode).toMatchObject({ uid: 1000, gid: 1000 });
});

test("a setgid directory hands on its group, and the bit to directories", async () => {
  const { share } = await openWorld();
  const shared = await folder(share, "shared", 0o777, root);
  ok(await share.setattr(root, shared.id, { mode: 0o2777, gid: 50 }, null));
  expect(await file(share, "f", 0o644, alice, shared.id)).toMatchObject({ gid: 50, mode: 0o644 });
  expect(await folder(share, "d", 0o755, alice, shared.id)).toMatchObject({ gid: 50, mode: 0o2755 });
  const stranger = { ...alice, groups: [] };
  expect(await file(share, "g", 0o2755, stranger, shared.id)).toMatchObject({ gid: 50, mode: 0o755 });
  expect(await file(share, "h", 0o2755, alice, shared.id)).toMatchObject({ gid: 50, mode: 0o2755 });
});

test("names: empty, dots, slash, NUL, too long, not well-formed", async () => {
  const { share } = await openWorld();
  fails(await share.create(alice, rootId, "", guarded()), "invalid");
  fails(await share.create(alice, rootId, ".", guarded()), "exists");
  fails(await share.mkdir(alice, rootId, "..", {}), "exists");
  fails(await share.create(alice, rootId, "a/b", guarded()), "invalid");
  fails(await share.create(alice, rootId, "a\0", guarded()), "invalid");
  fails(await share.create(alice, rootId, "\ud800", guarded()), "invalid");
  fails(await share.create(alice, rootId, "a".repeat(256), guarded()), "nameTooLong");
  fails(await share.create(alice, rootId, "é".repeat(128), guarded()), "nameTooLong");
  ok(await share.create(alice, rootId, "é".repeat(127), guarded()));
  ok(await share.create(alice, rootId, "a".repeat(255), guarded()));
});

test("permission, type and existence of the directory", async () => {
  const { share } = await openWorld();
  const plain = await file(share, "f");
  const closed = await folder(share, "closed", 0o555);
  const unsearchable = await folder(share, "unsearchable", 0o666);
  fails(await share.create(alice, plain.id, "a", guarded()), "notDirectory");
  fails(await share.create(alice, closed.id, "a", guarded()), "access");
  fails(await share.create(alice, unsearchable.id, "a", guarded()), "access");
  fails(await share.create(alice, 999_999 as FileId, "a", guarded()), "stale");
  ok(await share.create(root, closed.id, "a", guarded()));
  // `mkdir -p` below a directory it may not write relies on this order.
  fails(await share.create(alice, closed.id, "a", guarded()), "exists");
});

test("directories, links and nodes", async () => {
  const { share } = await openWorld();
  const before = ok(await share.getattr(rootId));
  expect(await folder(share, "d")).toMatchObject({ type: FileType.directory, links: 2, parent: rootId, size: 4096 });
  expect(ok(await share.getattr(rootId)).links).toBe(before.links + 1);
  const made = ok(await share.symlink(alice, rootId, "s", bytesOf("über/all"), { mode: 0o600 })).inode;
  expect(made).toMatchObject({ type: FileType.symlink, mode: 0o777, size: 9 });
  expect(ok(await share.readlink(bob, made.id)).target).toEqual(bytesOf("über/all"));
  fails(await share.symlink(alice, rootId, "t", new Uint8Array(0), {}), "invalid");
  fails(await share.symlink(alice, rootId, "t", new Uint8Array([65, 0]), {}), "invalid");
  fails(await share.symlink(alice, rootId, "t", new Uint8Array(4097).fill(65), {}), "nameTooLong");
  fails(await share.readlink(alice, rootId), "invalid");
  const fifo = ok(await share.mknod(alice, rootId, "fifo", { type: FileType.fifo }, { mode: 0o622 })).inode;
  expect(fifo).toMatchObject({ type: FileType.fifo, mode: 0o622 });
  fails(await share.mknod(alice, rootId, "sda", { type: FileType.block, major: 8, minor: 1 }, {}), "perm");
  const device = ok(await share.mknod(root, rootId, "sda", { type: FileType.block, major: 8, minor: 1 }, {})).inode;
  expect(device).toMatchObject({ type: FileType.block, deviceMajor: 8, deviceMinor: 1, mode: 0o600 });
  fails(await share.mknod(alice, rootId, "fifo", { type: FileType.fifo }, {}), "exists");
});

test("a read-only share refuses every change", async () => {
  const { store, clock } = await openWorld();
  const { openOn } = await import("./kit.ts");
  const { share } = await openOn(store, clock, { policy: policyOf({ readOnly: true }) });
  fails(await share.create(root, rootId, "a", guarded()), "readOnly");
  fails(await share.mkdir(root, rootId, "a", {}), "readOnly");
  fails(await share.symlink(root, rootId, "a", bytesOf("b"), {}), "readOnly");
  fails(await share.mknod(root, rootId, "a", { type: FileType.fifo }, {}), "readOnly");
  fails(await share.remove(root, rootId, "a"), "readOnly");
  fails(await share.rmdir(root, rootId, "a"), "readOnly");
  fails(await share.rename(root, rootId, "a", rootId, "b"), "readOnly");
  fails(await share.link(root, rootId, rootId, "b"), "readOnly");
  fails(await share.setattr(root, rootId, { mode: 0 }, null), "readOnly");
  fails(await share.write(root, rootId, 0, [], 0, false), "readOnly");
});
