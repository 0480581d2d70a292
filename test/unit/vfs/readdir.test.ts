import { expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Node } from "#vfs/cache/node.ts";
import { pageEntries } from "#vfs/cache/pages.ts";
import type { Listing } from "#vfs/file-system.ts";
import type { Share } from "#vfs/share.ts";
import { alice, bob, fails, file, folder, type HeldStore, listAll, ok, openOn, openWorld, root } from "./kit.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const none = new Uint8Array(8);

function take(count: number): () => boolean {
  return () => count-- > 0;
}

async function page(share: Share, directory: FileId, cookie: number, verifier: Uint8Array, count: number, inodes = true): Promise<Listing> {
  return ok(await share.readdir(root, directory, cookie, verifier, inodes, take(count)));
}

/** Creates many files at once, for the sake of time. */
async function fill(share: Share, directory: FileId, count: number, prefix = "f"): Promise<void> {
  for (let from = 0; from < count; from += 200) {
    await Promise.all(Array.from({ length: Math.min(200, count - from) }, (_, i) => file(share, `${prefix}${from + i}`, 0o644, alice, directory)));
  }
}

test("the dots come first, then the entries, each with its inode", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  const made = await file(share, "f", 0o644, alice, directory.id);
  const listing = await page(share, directory.id, 0, none, 100);
  expect(listing.entries.map(({ name, id }) => [name, id as number])).toEqual([
    [".", directory.id],
    ["..", rootId],
    ["f", made.id],
  ]);
  expect(listing.entries.map((entry) => entry.cookie as number).slice(0, 2)).toEqual([1, 2]);
  expect(listing.entries[2]?.inode).toEqual(made);
  expect(listing.entries[1]?.inode).toEqual(ok(await share.getattr(rootId)));
  expect(listing.end).toBe(true);
  const dots = (await page(share, rootId, 0, none, 2)).entries;
  expect(dots.map((entry) => entry.id as number)).toEqual([rootId, rootId]);
});

test("an empty directory holds the dots", async () => {
  const { share } = await openWorld();
  const directory = await folder(share, "d");
  expect((await page(share, directory.id, 0, none, 100)).entries.length).toBe(2);
  const rest = await page(share, directory.id, 2, share.store.identity.instance, 100);
  expect(rest.entries).toEqual([]);
  expect(rest.end).toBe(true);
});

for (const perPage of [1, 2, 3, 7, 1000]) {
  test(`${perPage} entries at a time give each entry once`, async () => {
    const { share } = await openWorld();
    await fill(share, rootId, 40);
    const names = [...(await listAll(share, rootId, perPage)).keys()].sort();
    expect(names).toEqual(Array.from({ length: 40 }, (_, i) => `f${i}`).sort());
  });
}

test("an entry that no longer fits comes with the next page, and a page that fits nothing says so", async () => {
  const { share } = await openWorld();
  await fill(share, rootId, 3);
  const first = await page(share, rootId, 0, none, 3);
  expect(first.entries.length).toBe(3);
  expect(first.end).toBe(false);
  const nothing = await page(share, rootId, first.entries[2]?.cookie ?? 0, first.verifier, 0);
  expect(nothing.entries).toEqual([]);
  expect(nothing.end).toBe(false);
});

test("cookies and verifiers", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f");
  const listing = await page(share, rootId, 0, none, 100);
  const cookie = listing.entries[2]?.cookie as number;
  fails(await share.readdir(root, rootId, cookie, none, false, take(9)), "badCookie");
  fails(await share.readdir(root, rootId, 1, new Uint8Array(7), false, take(9)), "badCookie");
  fails(await share.readdir(root, rootId, -1, listing.verifier, false, take(9)), "badCookie");
  fails(await share.readdir(root, rootId, 2 ** 60, listing.verifier, false, take(9)), "badCookie");
  fails(await share.readdir(root, made.id, 0, none, false, take(9)), "notDirectory");
  fails(await share.readdir(root, 4711 as FileId, 0, none, false, take(9)), "stale");
  // The listing goes on after a restart.
  await share.close();
  const again = await openOn(store, clock);
  const rest = await page(again.share, rootId, 2, listing.verifier, 100);
  expect(rest.entries.map((entry) => entry.cookie as number)).toEqual([cookie]);
});

test("listing takes permission to read, not to search", async () => {
  const { share } = await openWorld();
  const searchable = await folder(share, "x", 0o711);
  const readable = await folder(share, "r", 0o744);
  await file(share, "f", 0o644, alice, readable.id);
  fails(await share.readdir(bob, searchable.id, 0, none, false, take(9)), "access");
  expect(ok(await share.readdir(bob, readable.id, 0, none, true, take(9))).entries.length).toBe(3);
});

test("who may not search a directory gets its names alone, or READDIRPLUS would hand out what LOOKUP refuses", async () => {
  const { share } = await openWorld();
  const readable = await folder(share, "r", 0o744);
  const made = await file(share, "f", 0o644, alice, readable.id);
  fails(await share.lookup(bob, readable.id, "f"), "access");
  const listing = ok(await share.readdir(bob, readable.id, 0, none, true, take(9)));
  expect(listing.entries.map(({ name, id, inode }) => [name, id as number, inode?.id ?? null])).toEqual([
    [".", readable.id, readable.id],
    ["..", rootId, null],
    ["f", made.id, null],
  ]);
});

for (const asynchronous of [false, true]) {
  for (const namesMax of [200_000, 700, 40]) {
    test(`a directory of several pages, changed while it is listed (${asynchronous ? "asynchronous" : "synchronous"} reads, ${namesMax} names)`, async () => {
      const { share, store } = await openWorld({ namesMax });
      const directory = (await folder(share, "d")).id;
      await fill(share, directory, 1500);
      store.asynchronous = asynchronous;
      const always = new Set(Array.from({ length: 1500 }, (_, i) => `f${i}`).filter((_, i) => i % 3 !== 0));
      const everThere = new Set(Array.from({ length: 1500 }, (_, i) => `f${i}`));
      for (let round = 0; round < 3; round++) {
        const seen = new Set<string>();
        let cookie = 0;
        let verifier = none as Uint8Array;
        for (let step = 0; ; step++) {
          const listing = await page(share, directory, cookie, verifier, 90, step % 2 === 0);
          for (const entry of listing.entries) {
            cookie = entry.cookie;
            // What was made anew under its old name may come again; what stayed comes once.
            if (always.has(entry.name)) expect(seen.has(entry.name)).toBe(false);
            seen.add(entry.name);
            if (entry.cookie > 2) expect(everThere.has(entry.name)).toBe(true);
          }
          verifier = listing.verifier;
          if (listing.end) break;
          const victim = `f${((step * 37 + round) % 500) * 3}`;
          await share.remove(alice, directory, victim);
          await file(share, `new${round}-${step}`, 0o644, alice, directory);
          everThere.add(`new${round}-${step}`);
          await share.rename(alice, directory, `new${round}-${step}`, directory, victim);
          if (step > 500) throw new Error("the listing does not end");
        }
        for (const name of always) expect(seen.has(name)).toBe(true);
        const rows = await store.inner.directory(directory, 0, 10_000);
        expect(await listAll(share, directory, 250)).toEqual(new Map(rows.map((row) => [row.name, row.child])));
      }
      expect(share.names.size).toBeLessThanOrEqual(namesMax);
    });
  }
}

test("a listing that was read once is given from memory, exact, whatever came and went", async () => {
  const { share, store } = await openWorld();
  await fill(share, rootId, 1200);
  await listAll(share, rootId);
  store.reads.directory = 0;
  store.reads.inode = 0;
  await file(share, "new");
  ok(await share.remove(alice, rootId, "f7"));
  ok(await share.rename(alice, rootId, "f8", rootId, "g8"));
  const names = await listAll(share, rootId);
  expect(store.reads).toMatchObject({ directory: 0, inode: 0 });
  expect(names.size).toBe(1200);
  expect([names.has("new"), names.has("f7"), names.has("f8"), names.has("g8")]).toEqual([true, false, false, true]);
});

test("pages read from the middle and from the start fit together", async () => {
  const { share } = await openWorld();
  await fill(share, rootId, 1500);
  const verifier = share.store.identity.instance;
  const all = [...(await page(share, rootId, 0, none, 2000, false)).entries].map((entry) => entry.cookie);
  const { share: other } = await openOn(share.store as HeldStore, new ManualClock());
  for (const from of [700, 1400, 300]) await page(other, rootId, all[from] ?? 0, verifier, 5, false);
  expect((await listAll(other, rootId)).size).toBe(1500);
  for (const from of [0, 299, 301, 699, 1213, 1399]) {
    const rest = await page(other, rootId, all[from] ?? 0, verifier, 2000, false);
    expect(rest.entries.map((entry) => entry.cookie)).toEqual(all.slice(from + 1));
  }
  // What comes and goes is seen whatever page it is in, also when the page beside it left the cache.
  ok(await other.remove(alice, rootId, "f710"));
  await file(other, "new");
  await listAll(other, rootId);
  other.names.forget(other.inodes.peek(rootId) as Node, "f600");
  const rest = await page(other, rootId, all[705] ?? 0, verifier, 20, false);
  expect(rest.entries.map((entry) => entry.name)).not.toContain("f710");
  const names = await listAll(other, rootId);
  expect([names.size, names.has("f710"), names.has("new")]).toEqual([1500, false, true]);
});

for (const change of ["remove", "create"] as const) {
  test(`a page that was being read while an entry was ${change}d is not kept`, async () => {
    const { share, store, clock } = await openWorld();
    await fill(share, rootId, 3);
    const { share: other } = await openOn(store, clock);
    await other.root();
    ok(await other.lookup(alice, rootId, "f1"));
    store.asynchronous = true;
    const gate = Promise.withResolvers<void>();
    store.gates.push(gate.promise);
    const late = other.readdir(root, rootId, 2, store.identity.instance, false, take(9));
    const made = await store.inner.dirent(rootId, "f1");
    await store.inner.apply({
      conditions: [],
      changes: [
        change === "remove"
          ? { do: "deleteDirent", parent: rootId, name: "f1" }
          : { do: "insertDirent", parent: rootId, name: "new", child: made?.child as FileId },
      ],
    });
    gate.resolve();
    // The answer may have either state, the next one must have the new one.
    ok(await late);
    const names = (await page(other, rootId, 2, store.identity.instance, 9, false)).entries.map((entry) => entry.name).sort();
    expect(names).toEqual(change === "remove" ? ["f0", "f2"] : ["f0", "f1", "f2", "new"]);
  });
}

test("a directory that grows by more than is kept in mind is read again", async () => {
  const { share } = await openWorld();
  await fill(share, rootId, 10);
  await listAll(share, rootId);
  await fill(share, rootId, 700, "g");
  expect((await listAll(share, rootId)).size).toBe(710);
});

test("a directory larger than the cache takes a part of it and leaves the rest to others", async () => {
  const { share } = await openWorld({ namesMax: 1200 });
  await file(share, "kept");
  const directory = (await folder(share, "d")).id;
  await fill(share, directory, 4000);
  ok(await share.lookup(alice, rootId, "kept"));
  expect((await listAll(share, directory, 100)).size).toBe(4000);
  expect((await listAll(share, directory, 600)).size).toBe(4000);
  expect(share.names.size).toBeLessThanOrEqual(1200);
});

test("an entry whose file went while a slow store was read has no inode", async () => {
  const { share, store, clock } = await openWorld();
  await fill(share, rootId, 2);
  await share.close();
  const world = await openOn(store, clock);
  store.asynchronous = true;
  const gate = Promise.withResolvers<void>();
  // The root's row, the page, the row of the first entry (held), the row of the second.
  store.gates.push(Promise.resolve(), Promise.resolve(), gate.promise);
  const listing = world.share.readdir(root, rootId, 2, store.identity.instance, true, take(9));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  const gone = (await store.inner.dirent(rootId, "f0"))?.child as FileId;
  await store.inner.apply({
    conditions: [],
    changes: [
      { do: "deleteDirent", parent: rootId, name: "f0" },
      { do: "addLinks", id: gone, delta: -1, at: clock.now() },
      { do: "freeOrphan", id: gone, extentsMax: 1 },
    ],
  });
  gate.resolve();
  const listed = ok(await listing);
  expect(listed.entries.map((entry) => [entry.name, entry.inode === null])).toEqual([
    ["f0", true],
    ["f1", false],
  ]);
});

test("an answer reads so many inodes and no more", async () => {
  const { share, store, clock } = await openWorld();
  await fill(share, rootId, 1_500);
  const { share: other } = await openOn(store, clock);
  const listing = await page(other, rootId, 0, none, 5_000);
  expect(listing.entries.length).toBe(2 + 1_024);
  expect(listing.end).toBe(false);
  expect((await page(other, rootId, 0, none, 5_000)).entries.length).toBe(2 + 1_500);
});

test("one answer is bounded however much room there is", async () => {
  const { share } = await openWorld();
  await fill(share, rootId, 8_300);
  const listing = await page(share, rootId, 0, none, Number.POSITIVE_INFINITY, false);
  expect(listing.end).toBe(false);
  expect(listing.entries.length).toBe(8_192);
  expect(listing instanceof FsError).toBe(false);
  expect((await listAll(share, rootId, Number.POSITIVE_INFINITY)).size).toBe(8_300);
});

test("a listing whose store goes away fails once, and nothing it asked for in vain ends the process", async () => {
  const { share, store, clock } = await openWorld();
  await fill(share, rootId, 600);
  const { share: other } = await openOn(store, clock);
  store.asynchronous = true;
  const [rows, next] = [Promise.withResolvers<never>(), Promise.withResolvers<never>()];
  // The root's row and the page are there; the rows of its entries and the next page are waited for together.
  store.gates.push(Promise.resolve(), Promise.resolve(), ...Array.from({ length: pageEntries }, () => rows.promise), next.promise);
  const listing = Promise.resolve(other.readdir(root, rootId, 2, store.identity.instance, true, take(600)));
  const turn = (): Promise<void> => new Promise((resolve) => systemClock.atTurnEnd(resolve));
  await turn();
  expect(store.gates).toEqual([]);
  rows.reject(new Error("away"));
  await turn();
  next.reject(new Error("away"));
  await expect(listing).rejects.toThrow("away");
});
