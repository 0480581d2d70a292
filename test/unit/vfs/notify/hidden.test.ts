import { describe, expect, test } from "bun:test";
import { Ace, AceType, allRights, Right, SdControl, userSid } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import { AccessLevel } from "#model/identity.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { Action, Concern, type Watch } from "#vfs/notify/index.ts";
import type { Share } from "#vfs/share.ts";
import { alice, bob, bytesOf, file, folder, ok, openOn, openWorld, root } from "../kit.ts";

/** What somebody who watches a tree is told of what happens where he may not look. */

const actionNames = new Map<number, string>(Object.entries(Action).map(([name, action]) => [action, name]));
const names = Concern.fileName | Concern.directoryName;

function watching(share: Share, who: () => Credentials, directory: FileId = rootId, concerns: number = names): Watch {
  return share.notify.watch({ directory, recursive: true, who, concerns, bytesMax: 2 ** 20, told: () => {} });
}
const taken = (watch: Watch) => watch.take()?.map(({ action, path }) => `${actionNames.get(action)} ${path.replace("\0", ":")}`) ?? "list anew";

async function settled(share: Share): Promise<void> {
  while ((share.notify as unknown as { finding: boolean }).finding) await new Promise(setImmediate);
}

describe("below a directory that he may not enter", () => {
  test("nothing is told, of names, content, streams or attributes; of the directory itself what its parent shows", async () => {
    const { share } = await openWorld();
    const watches = { alice: watching(share, () => alice, rootId, 0xfff), bob: watching(share, () => bob, rootId, 0xfff), root: watching(share, () => root, rootId, 0xfff) };
    const d = await folder(share, "d", 0o700);
    const e = await folder(share, "e", 0o777, alice, d.id);
    const f = await file(share, "f", 0o666, alice, e.id);
    ok(await share.write(alice, f.id, 0, [bytesOf("abc")], 3, false));
    ok(await share.makeStream(alice, f.id, "s"));
    ok(await share.setattr(alice, f.id, { mode: 0o600 }, null));
    ok(await share.rename(alice, e.id, "f", e.id, "g"));
    ok(await share.remove(alice, e.id, "g"));
    ok(await share.rmdir(alice, d.id, "e"));
    ok(await share.rmdir(alice, rootId, "d"));
    const all = ["added d", "added d/e", "added d/e/f", "modified d/e/f", "streamAdded d/e/f:s", "modified d/e/f", "oldName d/e/f", "newName d/e/g", "removed d/e/g", "removed d/e", "removed d"];
    expect(taken(watches.alice)).toEqual(all);
    expect(taken(watches.root)).toEqual(all);
    expect(taken(watches.bob)).toEqual(["added d", "removed d"]);
  });

  test("it takes to list it and to look names up in it, and the latter in the watched directory", async () => {
    const { share } = await openWorld();
    for (const [mode, told] of [[0o705, true], [0o704, false], [0o701, false], [0o700, false]] as const) {
      const d = await folder(share, `d${mode}`, mode);
      const watch = watching(share, () => bob);
      await file(share, "f", 0o644, alice, d.id);
      expect([mode, taken(watch)]).toEqual([mode, told ? [`added d${mode}/f`] : []]);
      // Who was given the directory itself to watch is told of its entries.
      const inside = watching(share, () => bob, d.id);
      const e = await folder(share, "e", 0o777, alice, d.id);
      await file(share, "g", 0o644, alice, e.id);
      expect([mode, taken(inside)]).toEqual([mode, (mode & 1) === 0 ? ["added e"] : ["added e", "added e/g"]]);
    }
  });

  test("a descriptor decides where there is one", async () => {
    const { share } = await openWorld();
    const allow = (mask: number, sid: string): Ace => new Ace(AceType.allowed, 0, mask, sid);
    const only = (...entries: Ace[]) => ({ dacl: { entries, control: SdControl.daclPresent } });
    const closed = await folder(share, "closed", 0o777);
    const open = await folder(share, "open", 0o700);
    ok(await share.setSecurity(alice, closed.id, only(allow(allRights, userSid(alice.uid)))));
    ok(await share.setSecurity(alice, open.id, only(allow(allRights, userSid(alice.uid)), allow(Right.readData | Right.execute, userSid(bob.uid)))));
    const watch = watching(share, () => bob);
    await file(share, "f", 0o644, alice, closed.id);
    await file(share, "f", 0o644, alice, open.id);
    expect(taken(watch)).toEqual(["added open/f"]);
  });

  test("what holds is what he may do at that moment, and who he is by then", async () => {
    const { share } = await openWorld();
    const d = await folder(share, "d", 0o700);
    let who = bob;
    const watch = watching(share, () => who);
    const next = async (name: string) => (await file(share, name, 0o644, alice, d.id), taken(watch));
    expect(await next("a")).toEqual([]);
    ok(await share.setattr(alice, d.id, { mode: 0o705 }, null));
    expect(await next("b")).toEqual(["added d/b"]);
    who = { ...bob, access: AccessLevel.none };
    expect(await next("c")).toEqual([]);
    who = bob;
    ok(await share.setattr(alice, d.id, { mode: 0o750 }, null));
    expect(await next("d")).toEqual([]);
    who = { ...bob, groups: [alice.gid] };
    expect(await next("e")).toEqual(["added d/e"]);
    who = { ...bob, access: AccessLevel.admin };
    ok(await share.setattr(alice, d.id, { mode: 0 }, null));
    ok(await share.remove(root, d.id, "e"));
    expect(taken(watch)).toEqual(["removed d/e"]);
  });
});

test("what moves out of sight is removed, and what comes into sight is added", async () => {
  const { share } = await openWorld();
  const shown = await folder(share, "shown");
  const hidden = await folder(share, "hidden", 0o700);
  const within = await folder(share, "within", 0o755, alice, shown.id);
  await file(share, "f", 0o644, alice, shown.id);
  await file(share, "old", 0o644, alice, hidden.id);
  const watch = watching(share, () => bob);
  ok(await share.rename(alice, shown.id, "f", hidden.id, "old"));
  ok(await share.rename(alice, hidden.id, "old", hidden.id, "new"));
  ok(await share.rename(alice, shown.id, "within", hidden.id, "w"));
  await file(share, "g", 0o644, alice, within.id);
  ok(await share.rename(alice, hidden.id, "w", rootId, "w"));
  await file(share, "h", 0o644, alice, within.id);
  ok(await share.rename(alice, hidden.id, "new", within.id, "back"));
  expect(taken(watch)).toEqual(["removed shown/f", "removed shown/within", "added w", "added w/h", "added w/back"]);
});

test("deeper below a watched directory than anybody goes, all that is told is that something changed", async () => {
  const { share } = await openWorld();
  const at: FileId[] = [rootId];
  for (let i = 0; i < 257; i++) at.push((await folder(share, "d", 0o755, alice, at[i]!)).id);
  const watch = watching(share, () => bob);
  const nearer = watching(share, () => bob, at[1]!);
  await file(share, "f", 0o644, alice, at[256]!);
  expect(taken(watch)).toEqual([`added ${"d/".repeat(256)}f`]);
  await file(share, "f", 0o644, alice, at[257]!);
  expect(taken(watch)).toBe("list anew");
  expect(taken(nearer)).toEqual([`added ${"d/".repeat(255)}f`, `added ${"d/".repeat(256)}f`]);
});

for (const asynchronous of [false, true]) {
  test(`directories of which nothing is in memory are read first, in the order things happened, from a store that ${asynchronous ? "is waited for" : "answers at once"}`, async () => {
    const { share, store, clock } = await openWorld();
    const shown = await folder(share, "shown");
    const hidden = await folder(share, "hidden", 0o700);
    const deep = await folder(share, "deep", 0o755, alice, hidden.id);
    const secured = await folder(share, "secured", 0o777);
    ok(await share.setSecurity(alice, secured.id, { dacl: { entries: [new Ace(AceType.allowed, 0, allRights, userSid(alice.uid))], control: SdControl.daclPresent } }));
    const again = (await openOn(store, clock, { inodesMax: 2, namesMax: 2 })).share;
    const watches = [bob, alice].map((who) => watching(again, () => who));
    store.asynchronous = asynchronous;
    for (const [directory, name] of [[shown.id, "a"], [deep.id, "b"], [shown.id, "c"], [secured.id, "d"], [hidden.id, "e"], [shown.id, "f"]] as const) await file(again, name, 0o644, alice, directory);
    await settled(again);
    expect(watches.map(taken)).toEqual([
      ["added shown/a", "added shown/c", "added shown/f"],
      ["added shown/a", "added hidden/deep/b", "added shown/c", "added secured/d", "added hidden/e", "added shown/f"],
    ]);
  });
}

test("nobody's rights are looked up where nobody watches a tree, nor for changes a watch does not mind", async () => {
  const { share } = await openWorld();
  const d = await folder(share, "d");
  let asked = 0;
  const who = () => (asked++, bob);
  share.notify.watch({ directory: rootId, recursive: false, who, concerns: names, bytesMax: 2 ** 20, told: () => {} });
  share.notify.watch({ directory: d.id, recursive: true, who, concerns: names, bytesMax: 2 ** 20, told: () => {} });
  watching(share, who, rootId, Concern.security);
  await file(share, "f", 0o644, alice, d.id);
  await file(share, "f", 0o644, alice, rootId);
  expect(asked).toBe(0);
});

test("whoever watches by many opens is judged once for a change, however deep it lies", async () => {
  const { share } = await openWorld();
  const depth = 40;
  const watches = 50;
  let at: FileId = rootId;
  for (let i = 0; i < depth; i++) at = (await folder(share, "d", 0o755, alice, at)).id;
  let judged = 0;
  // Whoever is judged is asked for his access to the share.
  const counted: Credentials = Object.defineProperty({ ...bob }, "access", { get: () => (judged++, bob.access) });
  const opened = Array.from({ length: watches }, () => watching(share, () => counted));
  await file(share, "f", 0o644, alice, at);
  for (const watch of opened) expect(taken(watch)).toEqual([`added ${"d/".repeat(depth)}f`]);
  expect(judged).toBeLessThan(3 * (depth + watches));
});
