import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { rootId } from "#model/ids.ts";
import { InodeFlag, xattrBytesMax, xattrsMax } from "#model/inode-flags.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openWorld, root } from "./kit.ts";

/** Extended attributes, DOS attributes and the time of birth. */

test("an attribute is set, read, replaced and taken away; its flag, ctime and attribute version go with it", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  expect(ok(await share.xattr(alice, made.id, "security"))).toBeNull();
  const { after } = ok(await share.setXattr(alice, made.id, "security", bytesOf("one")));
  expect(after?.flags).toBe(InodeFlag.hasSecurity);
  expect(after?.ctime.isAfter(made.ctime)).toBe(true);
  expect(after?.attributeVersion).toBe(made.attributeVersion + 1);
  expect(ok(await share.xattr(bob, made.id, "security"))).toEqual(bytesOf("one"));
  ok(await share.setXattr(alice, made.id, "security", bytesOf("another")));
  ok(await share.setXattr(alice, made.id, "reparse", bytesOf("r")));
  ok(await share.setXattr(alice, made.id, "ea", new Uint8Array(0)));
  expect(ok(await share.xattr(alice, made.id, "security"))).toEqual(bytesOf("another"));
  expect(ok(await share.xattrs(alice, made.id)).map(({ name, value }) => [name, value.length])).toEqual([["ea", 0], ["reparse", 1], ["security", 7]]);
  const gone = ok(await share.setXattr(alice, made.id, "security", null));
  expect(gone.after?.flags).toBe(InodeFlag.hasEas | InodeFlag.reparse);
  expect(ok(await share.xattr(alice, made.id, "security"))).toBeNull();
  ok(await share.remove(alice, rootId, "f"));
  fails(await share.xattr(alice, made.id, "ea"), "stale");
  expect(await share.store.xattrs(made.id)).toEqual([]);
});

test("bytes are kept as they were when they were given", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f");
  const value = bytesOf("value");
  const setting = share.setXattr(alice, made.id, "ea", value);
  value.fill(0);
  ok(await setting);
  expect(ok(await share.xattr(alice, made.id, "ea"))).toEqual(bytesOf("value"));
});

test("too long, too many, without a name, and for whom it is not", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o664);
  fails(await share.setXattr(alice, made.id, "ea", new Uint8Array(xattrBytesMax + 1)), "fileTooBig");
  ok(await share.setXattr(alice, made.id, "ea", new Uint8Array(xattrBytesMax)));
  fails(await share.setXattr(alice, made.id, "", bytesOf("x")), "invalid");
  fails(await share.setXattr(alice, made.id, "n\0", bytesOf("x")), "invalid");
  fails(await share.setXattr(alice, made.id, "n".repeat(256), bytesOf("x")), "nameTooLong");
  for (let i = 1; i < xattrsMax; i++) ok(await share.setXattr(alice, made.id, `n${i}`, bytesOf("x")));
  fails(await share.setXattr(alice, made.id, "one more", bytesOf("x")), "noSpace");
  ok(await share.setXattr(alice, made.id, "n1", bytesOf("y")));
  ok(await share.setXattr(alice, made.id, "one more", null));
  ok(await share.setXattr(alice, made.id, "n1", null));
  ok(await share.setXattr(alice, made.id, "one more", bytesOf("x")));
  ok(await share.setXattr(alice, made.id, "n2", null));
  fails(await share.setXattr(bob, made.id, "security", bytesOf("sd")), "perm");
  fails(await share.setXattr(bob, made.id, "ea", bytesOf("sd")), "access");
  ok(await share.setXattr(root, made.id, "security", bytesOf("sd")));
});

test("an object has its attributes from its making on", async () => {
  const { share } = await openWorld();
  const xattrs = [{ name: "security", value: bytesOf("sd") }, { name: "ea", value: bytesOf("eas") }];
  const attributes = { flags: 0x22, birth: new Time(5, 600) };
  const { inode } = ok(await share.create(alice, rootId, "f", { mode: "guarded", attributes }, { xattrs }));
  expect(inode.flags).toBe(0x22 | InodeFlag.dosSet | InodeFlag.hasSecurity | InodeFlag.hasEas);
  expect(inode.birth).toEqual(new Time(5, 600));
  expect(ok(await share.xattr(alice, inode.id, "ea"))).toEqual(bytesOf("eas"));
  fails(await share.mkdir(alice, rootId, "d", {}, { xattrs: [{ name: "ea", value: new Uint8Array(xattrBytesMax + 1) }] }), "fileTooBig");
  fails(await share.lookup(alice, rootId, "d"), "noEntry");
});

test("DOS attributes and birth are set by SETATTR: all at once, by who may, and what the server says of the file itself stays", async () => {
  const { share } = await openWorld();
  const made = await file(share, "f", 0o666);
  expect(made.flags).toBe(0);
  ok(await share.setXattr(alice, made.id, "ea", bytesOf("x")));
  ok(await share.setattr(bob, made.id, { flags: 0x27 }, null));
  const set = ok(await share.setattr(alice, made.id, { flags: 0xff_0001, birth: new Time(7, 0) }, null)).after;
  expect(set?.flags).toBe(1 | InodeFlag.dosSet | InodeFlag.hasEas);
  expect(set?.birth).toEqual(new Time(7, 0));
  fails(await share.setattr(bob, made.id, { birth: new Time(8, 0) }, null), "perm");
  const directory = await folder(share, "d", 0o755);
  fails(await share.setattr(bob, directory.id, { flags: 2 }, null), "access");
});

test("what two make of an attribute at once is there of both, and so are the DOS attributes that two change", async () => {
  const { share, store } = await openWorld();
  const made = await file(share, "f");
  const add = (text: string) => share.changeXattr(alice, made.id, "ea", (now) => Buffer.concat([now ?? new Uint8Array(0), bytesOf(text)]));
  store.hold();
  const adding = [add("a"), add("b")];
  const flag = (bit: number) => share.setattr(alice, made.id, { flagsFrom: ({ flags }) => flags | bit }, null);
  const flagging = [flag(1), flag(2)];
  for (let turn = 0; turn < 100 && store.heldSets < 4; turn++) await Promise.resolve();
  expect(store.heldSets).toBe(4);
  store.release();
  for (const one of [...adding, ...flagging]) ok(await one);
  expect(Buffer.from(ok(await share.xattr(alice, made.id, "ea"))!).toString().split("").sort()).toEqual(["a", "b"]);
  expect(share.cached(made.id)!.flags & InodeFlag.dosMask).toBe(3);
});
