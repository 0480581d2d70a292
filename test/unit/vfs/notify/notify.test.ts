import { describe, expect, test } from "bun:test";
import { type FileId, rootId } from "#model/ids.ts";
import { Action, Concern, type Watch } from "#vfs/notify/index.ts";
import type { Share } from "#vfs/share.ts";
import { alice, bob, bytesOf, file, folder, ok, openOn, openWorld, root } from "../kit.ts";

const names = Concern.fileName | Concern.directoryName;
const everything = 0xfff;
const actionNames = new Map<number, string>(Object.entries(Action).map(([name, action]) => [action, name]));

function watching(share: Share, directory: FileId, recursive: boolean, concerns = names, bytesMax = 10_000, who = root): Watch & { tellings: number } {
  const counted = { told: 0 };
  const watch = share.notify.watch({ directory, recursive, who: () => who, concerns, bytesMax, told: () => counted.told++ });
  return Object.defineProperty(watch, "tellings", { get: () => counted.told }) as Watch & { tellings: number };
}
const taken = (watch: Watch) => watch.take()?.map(({ action, path }) => `${actionNames.get(action)} ${path.replace("\0", ":")}`) ?? "list anew";

describe("a watched directory", () => {
  test("tells of names that came, went and changed, and says so once for each change", async () => {
    const { share } = await openWorld();
    const watch = watching(share, rootId, false);
    await file(share, "f");
    const d = await folder(share, "d");
    ok(await share.rename(alice, rootId, "f", rootId, "g"));
    ok(await share.link(alice, ok(await share.lookup(alice, rootId, "g")).inode.id, d.id, "h"));
    ok(await share.rename(alice, d.id, "h", rootId, "i"));
    ok(await share.remove(alice, rootId, "i"));
    ok(await share.rmdir(alice, rootId, "d"));
    ok(await share.symlink(alice, rootId, "s", bytesOf("x"), {}));
    expect(taken(watch)).toEqual(["added f", "added d", "oldName f", "newName g", "added i", "removed i", "removed d", "added s"]);
    expect(watch.tellings).toBe(7);
    expect(taken(watch)).toEqual([]);
  });

  test("tells of what was replaced by a rename before the rename", async () => {
    const { share } = await openWorld();
    await file(share, "a");
    await file(share, "b");
    const watch = watching(share, rootId, false);
    ok(await share.rename(alice, rootId, "a", rootId, "b"));
    expect(taken(watch)).toEqual(["removed b", "oldName a", "newName b"]);
  });

  test("tells only of what its owner minds, and a rename as a modification to whom attributes alone matter", async () => {
    const { share } = await openWorld();
    const watches = { files: Concern.fileName, directories: Concern.directoryName, attributes: Concern.attributes, size: Concern.size, write: Concern.lastWrite, security: Concern.security };
    const told = Object.fromEntries(Object.entries(watches).map(([name, concerns]) => [name, watching(share, rootId, false, concerns)]));
    const f = await file(share, "f");
    await folder(share, "d");
    ok(await share.write(alice, f.id, 0, [bytesOf("abc")], 3, false));
    ok(await share.write(alice, f.id, 0, [bytesOf("abc")], 3, false));
    ok(await share.setattr(alice, f.id, { size: 1 }, null));
    ok(await share.setattr(root, f.id, { uid: 5 }, null));
    ok(await share.rename(alice, rootId, "d", rootId, "e"));
    ok(await share.rename(root, rootId, "f", rootId, "g"));
    expect(Object.fromEntries(Object.entries(told).map(([name, watch]) => [name, taken(watch)]))).toEqual({
      files: ["added f", "oldName f", "newName g"],
      directories: ["added d", "oldName d", "newName e"],
      attributes: ["modified g"],
      size: ["modified f"],
      write: ["modified f"],
      security: ["modified f"],
    });
  });

  test("is not told of itself, nor of what lies deeper unless it wants to be", async () => {
    const { share } = await openWorld();
    const d = await folder(share, "d");
    const flat = watching(share, d.id, false, everything);
    const deep = watching(share, d.id, true, everything);
    ok(await share.setattr(alice, d.id, { mode: 0o700 }, null));
    const e = await folder(share, "e", 0o755, alice, d.id);
    const f = await file(share, "f", 0o644, alice, e.id);
    ok(await share.write(alice, f.id, 0, [bytesOf("abc")], 3, false));
    ok(await share.rename(alice, e.id, "f", d.id, "f"));
    expect(taken(flat)).toEqual(["added e", "added f"]);
    expect(taken(deep)).toEqual(["added e", "added e/f", "modified e/f", "removed e/f", "added f"]);
  });

  test("of which more happened than is kept has to be listed anew; what follows is told again", async () => {
    const { share } = await openWorld();
    const watch = watching(share, rootId, false, names, 60);
    for (const name of ["aaaa", "bbbb", "cccc", "dddd"]) await file(share, name);
    expect(taken(watch)).toBe("list anew");
    await file(share, "eeee");
    expect(taken(watch)).toEqual(["added eeee"]);
    const none = watching(share, rootId, false, names, 0);
    await file(share, "ffff");
    expect(none.ready).toBe(true);
    expect(taken(none)).toBe("list anew");
  });

  test("that is removed ends its watch", async () => {
    const { share } = await openWorld();
    const d = await folder(share, "d");
    const watch = watching(share, d.id, false);
    ok(await share.rmdir(alice, rootId, "d"));
    expect([watch.removed, watch.tellings]).toEqual([true, 1]);
  });

  test("tells nobody any more once it is unwatched, and nothing is left behind", async () => {
    const { share } = await openWorld();
    const watch = watching(share, rootId, true);
    await file(share, "f");
    share.notify.unwatch(watch);
    share.notify.unwatch(watch);
    await file(share, "g");
    expect(watch.tellings).toBe(1);
    expect(share.notify.size).toBe(0);
  });
});

describe("the path of a change", () => {
  test("follows directories that were moved", async () => {
    const { share } = await openWorld();
    const a = await folder(share, "a");
    const b = await folder(share, "b", 0o755, alice, a.id);
    const c = await folder(share, "c");
    const watch = watching(share, rootId, true);
    ok(await share.rename(alice, a.id, "b", c.id, "B"));
    await file(share, "f", 0o644, alice, b.id);
    ok(await share.rename(alice, rootId, "c", rootId, "C"));
    await file(share, "g", 0o644, alice, b.id);
    expect(taken(watch)).toEqual(["removed a/b", "added c/B", "added c/B/f", "oldName c", "newName C", "added C/B/g"]);
  });

  test("is found out among entries where only handles were used since the start, in the order things happened", async () => {
    const { share, store, clock } = await openWorld();
    const a = await folder(share, "a");
    const b = await folder(share, "b", 0o755, alice, a.id);
    const again = (await openOn(store, clock)).share;
    const watch = watching(again, rootId, true);
    store.asynchronous = true;
    await file(again, "f", 0o644, alice, b.id);
    await file(again, "g", 0o644, alice, a.id);
    await file(again, "h", 0o644, alice, rootId);
    while (watch.tellings < 3) await new Promise(setImmediate);
    expect(taken(watch)).toEqual(["added a/b/f", "added a/g", "added h"]);
  });

  test("that nobody knows, as a file was reached by its handle alone, makes watches list anew, once for each file", async () => {
    const { share, store, clock } = await openWorld();
    const f = await file(share, "f");
    const again = (await openOn(store, clock)).share;
    ok(await again.getattr(f.id));
    const watch = watching(again, rootId, false, everything);
    const minding = watching(again, rootId, false, names);
    ok(await again.write(alice, f.id, 0, [bytesOf("x")], 1, false));
    expect(taken(watch)).toBe("list anew");
    ok(await again.write(alice, f.id, 0, [bytesOf("xy")], 2, false));
    expect(taken(watch)).toEqual([]);
    ok(await again.lookup(bob, rootId, "f"));
    ok(await again.write(alice, f.id, 0, [bytesOf("xyz")], 3, false));
    expect(taken(watch)).toEqual(["modified f"]);
    expect(taken(minding)).toEqual([]);
  });

  test("is not that of a link that is gone", async () => {
    const { share } = await openWorld();
    const f = await file(share, "f");
    ok(await share.link(alice, f.id, rootId, "g"));
    ok(await share.remove(alice, rootId, "g"));
    const watch = watching(share, rootId, false, everything);
    ok(await share.write(alice, f.id, 0, [bytesOf("x")], 1, false));
    expect(taken(watch)).toBe("list anew");
  });
});

test("streams, attributes, times and extended attributes are told of under their owner's name, each to whom it matters to", async () => {
  const { share } = await openWorld();
  const d = await folder(share, "d");
  const f = await file(share, "f", 0o644, alice, d.id);
  const each = Object.entries(Concern).map(([name, concern]) => [name, watching(share, rootId, true, concern)] as const);
  const stream = ok(await share.makeStream(alice, f.id, "s")).inode;
  ok(await share.write(alice, stream.id, 0, [bytesOf("abc")], 3, false));
  ok(await share.renameStream(alice, f.id, "s", "t", false));
  ok(await share.setXattr(alice, f.id, "ea", bytesOf("x")));
  ok(await share.setXattr(alice, f.id, "security", bytesOf("x")));
  ok(await share.setattr(alice, f.id, { birth: share.clock.now() }, null));
  ok(await share.setattr(alice, f.id, { mtime: share.clock.now() }, null));
  ok(await share.setattr(alice, f.id, { atime: share.clock.now() }, null));
  ok(await share.setattr(alice, f.id, { flags: 2 }, null));
  ok(await share.removeStream(alice, f.id, "t"));
  expect(Object.fromEntries(each.map(([name, watch]) => [name, taken(watch)]))).toEqual({
    fileName: [],
    directoryName: [],
    attributes: ["modified d/f"],
    size: [],
    lastWrite: ["modified d/f"],
    lastAccess: ["modified d/f"],
    creation: ["modified d/f"],
    extendedAttributes: ["modified d/f"],
    security: ["modified d/f"],
    streamName: ["streamAdded d/f:s", "streamRemoved d/f:s", "streamAdded d/f:t", "streamRemoved d/f:t"],
    streamSize: ["streamModified d/f:s"],
    streamWrite: ["streamModified d/f:s"],
  });
  ok(await share.makeStream(alice, f.id, "u"));
  ok(await share.remove(alice, d.id, "f"));
  const last = Object.fromEntries(each.map(([name, watch]) => [name, taken(watch)]));
  expect([last["fileName"], last["streamName"]]).toEqual([["removed d/f"], ["streamAdded d/f:u"]]);
});
