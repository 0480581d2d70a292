import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { alice, bob, fails, file, folder, ok, openWorld, type World } from "./kit.ts";

/** Look-ups whose case doesn't count, through the name cache. */

const guarded = { mode: "guarded", attributes: { mode: 0o644 } } as const;
const folding = { caseInsensitive: true } as const;

async function found({ share }: World, name: string, directory: FileId = rootId): Promise<string> {
  const outcome = await share.lookupFolded(alice, directory, name);
  return outcome instanceof FsError ? outcome.code : `${outcome.name} ${outcome.inode.id}`;
}

for (const asynchronous of [false, true]) {
  const how = asynchronous ? "a store that is waited for" : "a store that answers at once";
  test(`${how}: names are found whatever their case, the exact one first, and known from then on`, async () => {
    const world = await openWorld();
    const { share, store } = world;
    store.asynchronous = asynchronous;
    const a = await file(share, "Read Me.txt");
    const b = await file(share, "READ ME.TXT");
    const c = await file(share, "straße");
    share.names.drop(share.inodes.peek(rootId)!);
    expect(await found(world, "READ ME.TXT")).toBe(`READ ME.TXT ${b.id}`);
    expect(await found(world, "Read Me.txt")).toBe(`Read Me.txt ${a.id}`);
    expect(await found(world, "read me.txt")).toBe(`Read Me.txt ${a.id}`);
    expect(await found(world, "STRAßE")).toBe(`straße ${c.id}`);
    expect(await found(world, "STRASSE")).toBe("noEntry");
    expect(await found(world, "nothing")).toBe("noEntry");
    const reads = { ...store.reads };
    for (let i = 0; i < 3; i++) {
      expect(await found(world, "read me.txt")).toBe(`Read Me.txt ${a.id}`);
      expect(await found(world, "NOTHING")).toBe("noEntry");
    }
    expect(store.reads).toEqual(reads);
    ok(await share.remove(alice, rootId, "Read Me.txt"));
    expect(await found(world, "read me.txt")).toBe(`READ ME.TXT ${b.id}`);
    ok(await share.remove(alice, rootId, "READ ME.TXT"));
    expect(await found(world, "Read Me.txt")).toBe("noEntry");
    const made = await file(share, "Nothing");
    expect(await found(world, "nothing")).toBe(`Nothing ${made.id}`);
    ok(await share.rename(alice, rootId, "Nothing", rootId, "NOTHING"));
    expect(await found(world, "nothing")).toBe(`NOTHING ${made.id}`);
    expect(store.reads).toEqual({ ...reads, dirent: store.reads.dirent, inode: store.reads.inode });
  });
}

test("dots, directories without a right to search, files, and names there can't be", async () => {
  const world = await openWorld();
  const { share } = world;
  const closed = await folder(share, "closed", 0o600);
  const plain = await file(share, "plain");
  expect(await found(world, ".")).toBe(`. ${rootId}`);
  expect(await found(world, "..", closed.id)).toBe("access");
  fails(await share.lookupFolded(bob, closed.id, "x"), "access");
  fails(await share.lookupFolded(alice, plain.id, "x"), "notDirectory");
  fails(await share.lookupFolded(alice, 999_999 as FileId, "x"), "stale");
  fails(await share.lookupFolded(alice, rootId, "a/b"), "invalid");
});

test("what must be the only one of its fold is refused where there is one, and else made", async () => {
  const world = await openWorld();
  const { share } = world;
  const there = await file(share, "Foo");
  fails(await share.create(alice, rootId, "FOO", guarded, folding), "exists");
  fails(await share.mkdir(alice, rootId, "foo", {}, folding), "exists");
  ok(await share.create(alice, rootId, "bar", guarded, folding));
  // An unchecked create is handed the file that has the fold.
  expect(ok(await share.create(alice, rootId, "fOO", { mode: "unchecked", attributes: {} }, folding)).inode.id).toBe(there.id);
  // Who minds the case goes on as before.
  ok(await share.create(alice, rootId, "FOO", guarded));
});

async function settleUntil(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (holds()) return;
    await Promise.resolve();
  }
  throw new Error("the operation never came to the store");
}

test("NFS makes FOO between a look-up of foo and its making", async () => {
  const world = await openWorld();
  const { share, store } = world;
  expect(await found(world, "foo")).toBe("noEntry");
  store.hold();
  const byNfs = share.create(bob, rootId, "FOO", guarded);
  await settleUntil(() => store.heldSets === 1);
  expect(await found(world, "foo")).toBe("noEntry");
  const bySmb = share.create(alice, rootId, "foo", guarded, folding);
  await settleUntil(() => store.heldSets === 2);
  store.release();
  const made = ok(await byNfs).inode;
  fails(await bySmb, "exists");
  expect(await found(world, "foo")).toBe(`FOO ${made.id}`);
});

test("a name that comes while the store is asked is not overlooked afterwards", async () => {
  const world = await openWorld();
  const { share, store } = world;
  store.asynchronous = true;
  const { promise, resolve } = Promise.withResolvers<void>();
  store.gates.push(promise);
  const asking = found(world, "foo");
  const made = await file(share, "FOO");
  resolve();
  await asking;
  expect(await found(world, "foo")).toBe(`FOO ${made.id}`);
});

test("what is known of folds is bounded with the names, and forgotten with the directory", async () => {
  const world = await openWorld({ namesMax: 64 });
  const { share } = world;
  const directory = await folder(share, "d");
  const made = await file(share, "Kept", 0o644, alice, directory.id);
  for (let i = 0; i < 500; i++) expect(await found(world, `Missing ${i}`, directory.id)).toBe("noEntry");
  expect(share.names.size).toBeLessThanOrEqual(64);
  expect(share.inodes.peek(directory.id)?.names?.byKey?.size).toBeLessThanOrEqual(64);
  expect(await found(world, "kept", directory.id)).toBe(`Kept ${made.id}`);
});
