import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openWorld, root, textOf } from "./kit.ts";

const stranger: Credentials = { uid: 7, gid: 7, groups: [], superuser: false, access: "read-write" };

test("chmod is the owner's and the superuser's", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o666);
  fails(await share.setattr(bob, made.id, { mode: 0o600 }, null), "perm");
  expect(ok(await share.setattr(alice, made.id, { mode: 0o100640 }, null)).after?.mode).toBe(0o640);
  expect(ok(await share.setattr(root, made.id, { mode: 0o7777 }, null)).after?.mode).toBe(0o7777);
});

test("chmod by a stranger to the group can't give setgid", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o755);
  ok(await share.setattr(root, made.id, { gid: 77 }, null));
  expect(ok(await share.setattr(alice, made.id, { mode: 0o2755 }, null)).after?.mode).toBe(0o755);
  ok(await share.setattr(root, made.id, { gid: 50 }, null));
  expect(ok(await share.setattr(alice, made.id, { mode: 0o2755 }, null)).after?.mode).toBe(0o2755);
});

test("chown is the superuser's; an owner gives a file to a group of his", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  fails(await share.setattr(alice, made.id, { uid: 1001 }, null), "perm");
  fails(await share.setattr(bob, made.id, { uid: 1001 }, null), "perm");
  fails(await share.setattr(bob, made.id, { gid: 50 }, null), "perm");
  fails(await share.setattr(alice, made.id, { gid: 77 }, null), "perm");
  ok(await share.setattr(alice, made.id, { uid: 1000, gid: 1000 }, null));
  expect(ok(await share.setattr(alice, made.id, { gid: 50 }, null)).after?.gid).toBe(50);
  expect(ok(await share.setattr(root, made.id, { uid: 1, gid: 2 }, null)).after).toMatchObject({ uid: 1, gid: 2 });
});

test("chown takes setuid and setgid from files, not from directories", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o4755, root);
  ok(await share.setattr(root, made.id, { mode: 0o6755 }, null));
  expect(ok(await share.setattr(root, made.id, { uid: 5 }, null)).after?.mode).toBe(0o755);
  ok(await share.setattr(root, made.id, { mode: 0o6745 }, null));
  // Without group execute the bit meant mandatory locking.
  expect(ok(await share.setattr(root, made.id, { gid: 5 }, null)).after?.mode).toBe(0o2745);
  const directory = await folder(share, "d", 0o2755, root);
  ok(await share.setattr(root, directory.id, { mode: 0o2755 }, null));
  expect(ok(await share.setattr(root, directory.id, { uid: 5 }, null)).after?.mode).toBe(0o2755);
});

test("a write or truncation by another takes setuid and setgid away, the superuser's leaves them", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o777);
  for (const change of [
    () => share.write(alice, made.id, 0, [bytesOf("x")], 1, true),
    () => share.write(bob, made.id, 0, [bytesOf("x")], 1, false),
    () => share.setattr(bob, made.id, { size: 4 }, null),
  ]) {
    ok(await share.setattr(root, made.id, { mode: 0o6777 }, null));
    ok(await share.write(root, made.id, 0, [bytesOf("r")], 1, false));
    expect(ok(await share.getattr(made.id)).mode).toBe(0o6777);
    const outcome = await change();
    expect(outcome instanceof FsError).toBe(false);
    expect(ok(await share.getattr(made.id)).mode).toBe(0o777);
  }
});

test("times: explicit ones are the owner's, now is also the writers'", async () => {
  const { share, clock } = await openWorld();
  const made = await file(share, "f", 0o666);
  const readable = await file(share, "g", 0o644);
  const at = new Time(99, 1);
  fails(await share.setattr(bob, made.id, { mtime: at }, null), "perm");
  fails(await share.setattr(bob, made.id, { atime: at, mtime: "now" }, null), "perm");
  fails(await share.setattr(bob, readable.id, { mtime: "now" }, null), "access");
  clock.ms += 10_000;
  expect(ok(await share.setattr(bob, made.id, { mtime: "now", atime: "now" }, null)).after).toMatchObject({
    mtime: clock.now(),
    atime: clock.now(),
  });
  const set = ok(await share.setattr(alice, made.id, { mtime: at, atime: new Time(98, 0) }, null)).after;
  expect(set).toMatchObject({ mtime: at, atime: new Time(98, 0) });
  expect(set?.ctime.isAfter(clock.now())).toBe(true);
});

test("an explicit mtime outlives the storing of what was written before it, and yields to a later write", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f");
  ok(await share.write(alice, made.id, 0, [bytesOf("abc")], 3, false));
  const at = new Time(5, 5);
  expect(ok(await share.setattr(alice, made.id, { mtime: at }, null)).after).toMatchObject({ mtime: at, size: 3 });
  await content.flush(made.id);
  expect(ok(await share.getattr(made.id))).toMatchObject({ mtime: at, size: 3 });
  ok(await share.write(alice, made.id, 3, [bytesOf("d")], 1, false));
  const written = ok(await share.getattr(made.id));
  expect(written.mtime.isAfter(at)).toBe(true);
  await content.flush(made.id);
  expect(ok(await share.getattr(made.id))).toMatchObject({ mtime: written.mtime, ctime: written.ctime, size: 4 });
});

test("size: truncation, holes, permission, types, bounds", async () => {
  const { share, content } = await openWorld();
  const made = await file(share, "f", 0o644);
  ok(await share.write(alice, made.id, 0, [bytesOf("hello")], 5, false));
  const cut = ok(await share.setattr(alice, made.id, { size: 2 }, null));
  expect(cut.before?.size).toBe(5);
  expect(cut.after?.size).toBe(2);
  expect(content.synced).toContain(made.id);
  ok(await share.setattr(alice, made.id, { size: 4 }, null));
  expect(await textOf(share, made.id)).toBe("he\0\0");
  fails(await share.setattr(bob, made.id, { size: 0 }, null), "access");
  fails(await share.setattr(root, rootId, { size: 0 }, null), "isDirectory");
  const link = ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {})).inode;
  fails(await share.setattr(alice, link.id, { size: 0 }, null), "invalid");
  fails(await share.setattr(alice, made.id, { size: 2 ** 53 }, null), "fileTooBig");
  fails(await share.setattr(alice, made.id, { size: -1 }, null), "invalid");
  expect(ok(await share.setattr(alice, made.id, { size: 2 ** 53 - 1 }, null)).after?.size).toBe(2 ** 53 - 1);
});

test("size with other attributes: all or, where one is refused, nothing", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o666);
  ok(await share.write(alice, made.id, 0, [bytesOf("hello")], 5, false));
  fails(await share.setattr(bob, made.id, { size: 1, mode: 0o600 }, null), "perm");
  expect(ok(await share.getattr(made.id)).size).toBe(5);
  const set = ok(await share.setattr(alice, made.id, { size: 1, mode: 0o600, mtime: new Time(3, 3) }, null)).after;
  expect(set).toMatchObject({ size: 1, mode: 0o600, mtime: new Time(3, 3) });
});

test("a guard holds back what came too late", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  const seen = ok(await share.getattr(made.id)).ctime;
  ok(await share.setattr(alice, made.id, { mode: 0o600 }, seen));
  fails(await share.setattr(alice, made.id, { mode: 0o640 }, seen), "notSync");
  // What was written and is not stored yet counts too.
  const later = ok(await share.getattr(made.id)).ctime;
  ok(await share.write(alice, made.id, 0, [bytesOf("x")], 1, false));
  fails(await share.setattr(alice, made.id, { mode: 0o640 }, later), "notSync");
  fails(await share.setattr(alice, made.id, { size: 0 }, later), "notSync");
  const now = ok(await share.getattr(made.id)).ctime;
  expect(ok(await share.setattr(alice, made.id, { size: 0, mode: 0o604 }, now)).after).toMatchObject({ size: 0, mode: 0o604 });
});

test("of two guarded changes with the same guard one wins", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  for (const request of [{ mode: 0o600 }, { mtime: new Time(1, 1) }]) {
    const { ctime } = ok(await share.getattr(made.id));
    const outcomes = await Promise.all([1, 2].map(() => share.setattr(alice, made.id, request, ctime)));
    expect(outcomes.filter((outcome) => outcome instanceof FsError && outcome.code === "notSync").length).toBe(1);
  }
});

test("an owner who loses the file in the same moment can't change its mode any more", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o755);
  const [given, changed] = await Promise.all([
    share.setattr(root, made.id, { uid: 0 }, null),
    share.setattr(alice, made.id, { mode: 0o4777 }, null),
  ]);
  ok(given);
  fails(changed, "perm");
  expect(ok(await share.getattr(made.id)).mode).toBe(0o755);
});

test("the mode of a symbolic link stays, its owner changes", async () => {
  const { share } = await openWorld();
  const link = ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {})).inode;
  expect(ok(await share.setattr(root, link.id, { mode: 0o600, uid: 5 }, null)).after).toMatchObject({ mode: 0o777, uid: 5 });
});

test("nothing asked for changes nothing, and what is not there is stale", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "f");
  store.sets.length = 0;
  const change = ok(await share.setattr(stranger, made.id, {}, null));
  expect(change.before).toEqual(change.after);
  expect(store.sets.length).toBe(0);
  fails(await share.setattr(root, 4711 as FileId, { mode: 0 }, null), "stale");
});

test("what changed before and after is exact even while others change the file in the same turn", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o666);
  const one = share.setattr(alice, made.id, { mtime: new Time(1, 0) }, null);
  const two = share.setattr(alice, made.id, { mtime: new Time(2, 0) }, null);
  const written = ok(await share.write(bob, made.id, 0, [bytesOf("x")], 1, false));
  const [first, second] = [ok(await one), ok(await two)];
  expect(first.before).toEqual(written.file.after);
  expect(second.before).toEqual(first.after);
});
