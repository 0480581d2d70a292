import { describe, expect, test } from "bun:test";
import { FsError, type FsCode } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Share } from "#vfs/share.ts";
import { Kind, parentLinks, renameTable } from "#vfs/ops/rename-table.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openWorld, root, textOf } from "./kit.ts";

type Made = "file" | "symlink" | "empty directory" | "full directory" | "nothing";
const sources: readonly Made[] = ["file", "symlink", "empty directory", "full directory", "nothing"];

async function put(share: Share, kind: Made, directory: FileId, name: string): Promise<FileId | null> {
  if (kind === "nothing") return null;
  if (kind === "file") return (await file(share, name, 0o644, alice, directory)).id;
  if (kind === "symlink") return ok(await share.symlink(alice, directory, name, bytesOf("x"), {})).inode.id;
  const made = await folder(share, name, 0o755, alice, directory);
  if (kind === "full directory") await file(share, "inside", 0o644, alice, made.id);
  return made.id;
}

/** What POSIX says of each pair, written down a second time. */
function expected(source: Made, target: Made): FsCode | "success" {
  if (source === "nothing") return "noEntry";
  const [from, to] = [source.endsWith("directory"), target.endsWith("directory")];
  if (target === "nothing") return "success";
  if (!from && to) return "isDirectory";
  if (from && !to) return "notDirectory";
  return target === "full directory" ? "notEmpty" : "success";
}

for (const acrossParents of [false, true]) {
  describe(acrossParents ? "to another directory" : "within a directory", () => {
    for (const source of sources) {
      for (const target of sources) {
        test(`${source} over ${target}`, async () => {
          const { share, store } = await openWorld();
          const from = await folder(share, "from");
          const to = acrossParents ? await folder(share, "to") : from;
          const moved = await put(share, source, from.id, "a");
          const replaced = await put(share, target, to.id, "b");
          const [fromBefore, toBefore] = [ok(await share.getattr(from.id)), ok(await share.getattr(to.id))];
          const outcome = await share.rename(alice, from.id, "a", to.id, "b");
          const code = expected(source, target);
          expect(outcome instanceof FsError ? outcome.code : "success").toBe(code);
          if (outcome instanceof FsError || moved === null) {
            if (moved !== null) expect(ok(await share.lookup(alice, from.id, "a")).inode.id).toBe(moved);
            if (replaced !== null) expect(ok(await share.lookup(alice, to.id, "b")).inode.id).toBe(replaced);
            return;
          }
          fails(await share.lookup(alice, from.id, "a"), "noEntry");
          expect(ok(await share.lookup(alice, to.id, "b")).inode.id).toBe(moved);
          if (replaced !== null) expect(await store.inode(replaced)).toBeNull();
          // Link counts are what a count of the subdirectories gives.
          for (const directory of [from.id, to.id]) {
            const rows = await store.directory(directory, 0, 100);
            const inodes = await Promise.all(rows.map((row) => store.inode(row.child)));
            expect(ok(await share.getattr(directory)).links).toBe(2 + inodes.filter((inode) => inode?.type === 2).length);
          }
          const parent = ok(await share.getattr(moved)).parent;
          expect(parent).toBe(source.endsWith("directory") ? to.id : 0);
          expect(outcome.from.before).toEqual(fromBefore);
          expect(outcome.to.before).toEqual(toBefore);
          expect(outcome.to.after).toEqual(ok(await share.getattr(to.id)));
          expect(outcome.to.after?.mtime.isAfter(toBefore.mtime)).toBe(true);
        });
      }
    }
  });
}

test("the table answers every pair of kinds, and links follow it", () => {
  for (const source of ["file", "directory"] as const) {
    for (const target of Object.values(Kind)) expect(renameTable[source][target]).toBeString();
  }
  expect(parentLinks("directory", "removeEmptyDirectory")).toEqual({ from: -1, to: 0 });
  expect(parentLinks("directory", "nothing")).toEqual({ from: -1, to: 1 });
  expect(parentLinks("file", "unlinkFile")).toEqual({ from: 0, to: 0 });
});

test("the moved object keeps its identity and content and gets a new ctime", async () => {
  const { share } = await openWorld();
  const made = await file(share, "a");
  ok(await share.write(alice, made.id, 0, [bytesOf("text")], 4, false));
  const before = ok(await share.getattr(made.id));
  ok(await share.rename(alice, rootId, "a", rootId, "b"));
  const after = ok(await share.getattr(made.id));
  expect(after.ctime.isAfter(before.ctime)).toBe(true);
  expect(after.mtime).toEqual(before.mtime);
  expect(await textOf(share, made.id)).toBe("text");
});

test("two names of one file, and a name onto itself: success, and both stay", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "a");
  ok(await share.link(alice, made.id, rootId, "b"));
  store.sets.length = 0;
  const renamed = ok(await share.rename(alice, rootId, "a", rootId, "b"));
  expect(renamed.from.before).toEqual(renamed.from.after);
  ok(await share.rename(alice, rootId, "a", rootId, "a"));
  expect(ok(await share.lookup(alice, rootId, "a")).inode.links).toBe(2);
  expect(store.sets.length).toBe(0);
});

test("a directory never comes to lie within itself", async () => {
  const { share } = await openWorld();
  const a = await folder(share, "a");
  const b = await folder(share, "b", 0o755, alice, a.id);
  const c = await folder(share, "c", 0o755, alice, b.id);
  fails(await share.rename(alice, rootId, "a", a.id, "x"), "invalid");
  fails(await share.rename(alice, rootId, "a", c.id, "x"), "invalid");
  // Onto what it lies in: that isn't empty.
  fails(await share.rename(alice, b.id, "c", rootId, "a"), "notEmpty");
  ok(await share.rename(alice, b.id, "c", rootId, "c"));
  expect(ok(await share.lookup(alice, c.id, "..")).inode.id).toBe(rootId);
});

test("names and permissions", async () => {
  const { share } = await openWorld();
  await file(share, "a", 0o644, bob);
  const closed = await folder(share, "closed", 0o555);
  await file(share, "f", 0o644, root, closed.id);
  for (const name of ["", ".", "..", "x/y", "x\0"]) {
    fails(await share.rename(bob, rootId, name, rootId, "b"), "invalid");
    fails(await share.rename(bob, rootId, "a", rootId, name), "invalid");
  }
  fails(await share.rename(bob, rootId, "a", rootId, "b".repeat(256)), "nameTooLong");
  fails(await share.rename(bob, rootId, "a", closed.id, "b"), "access");
  fails(await share.rename(bob, closed.id, "f", rootId, "b"), "access");
  fails(await share.rename(bob, rootId, "a", 999 as FileId, "b"), "stale");
  fails(await share.rename(bob, 999 as FileId, "a", rootId, "b"), "stale");
});

test("a directory goes to another parent only by who may write it, as its \"..\" changes", async () => {
  const { share } = await openWorld();
  const here = await folder(share, "here", 0o777);
  const there = await folder(share, "there", 0o777);
  await folder(share, "d", 0o755, alice, here.id);
  fails(await share.rename(bob, here.id, "d", there.id, "d"), "access");
  ok(await share.rename(bob, here.id, "d", here.id, "e"));
  ok(await share.rename(alice, here.id, "e", there.id, "d"));
});

test("a rename that is to replace nothing leaves alone what came to the new name since its caller looked", async () => {
  const { share } = await openWorld();
  const moved = await file(share, "a");
  const [made, renamed] = await Promise.all([
    share.create(alice, rootId, "b", { mode: "guarded", attributes: {} }),
    share.rename(alice, rootId, "a", rootId, "b", null, false),
  ]);
  const created = ok(made);
  expect(renamed instanceof FsError ? renamed.code : "success").toBe("exists");
  expect(ok(await share.lookup(alice, rootId, "a")).inode.id).toBe(moved.id);
  expect(ok(await share.lookup(alice, rootId, "b")).inode.id).toBe(created.inode.id);
  fails(await share.rename(alice, rootId, "a", rootId, "b", null, false), "exists");
  ok(await share.rename(alice, rootId, "a", rootId, "a", null, false));
  ok(await share.rename(alice, rootId, "a", rootId, "c", null, false));
});
