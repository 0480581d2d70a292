import { describe, expect, test } from "bun:test";
import { Ace, AceFlag, AceType, allRights, executeRights, groupSid, readRights, Right, SdControl, userSid, WellKnown, writeRights } from "#model/acl.ts";
import type { Credentials } from "#model/credentials.ts";
import { AccessLevel } from "#model/identity.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { rightsThrough } from "#vfs/access/permissions.ts";
import { Access } from "#vfs/file-system.ts";
import type { NewList } from "#vfs/secured.ts";
import type { Share } from "#vfs/share.ts";
import { alice, bob, bytesOf, fails, file, folder, ok, openWorld, root } from "./kit.ts";

const allow = (mask: number, sid: string, flags = 0): Ace => new Ace(AceType.allowed, flags, mask, sid);
const deny = (mask: number, sid: string, flags = 0): Ace => new Ace(AceType.denied, flags, mask, sid);
const list = (...entries: Ace[]): NewList => ({ entries, control: SdControl.daclPresent });
const aliceSid = userSid(alice.uid);
const bobSid = userSid(bob.uid);
const heirs = AceFlag.objectInherit | AceFlag.containerInherit;
const everything = Access.read | Access.lookup | Access.modify | Access.extend | Access.delete | Access.execute;

async function secured(share: Share, id: FileId, dacl: NewList, who: Credentials = alice): Promise<Inode> {
  return ok(await share.setSecurity(who, id, { dacl })).after!;
}
async function granted(share: Share, who: Credentials, id: FileId): Promise<number> {
  return ok(await share.access(who, id, everything)).granted;
}
const now = (share: Share, id: FileId): Inode => share.cached(id)!;

describe("a stored descriptor decides for every protocol", () => {
  test("whom it bars can't read, write or open, whatever the mode was; whom it names can", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o666);
    await share.write(alice, made.id, 0, [bytesOf("text")], 4, true);
    expect(await granted(share, bob, made.id)).toBe(Access.read | Access.modify | Access.extend);
    await secured(share, made.id, list(allow(allRights, aliceSid)));
    expect(await granted(share, bob, made.id)).toBe(0);
    fails(await share.read(bob, made.id, 0, 4), "access");
    fails(await share.write(bob, made.id, 0, [bytesOf("x")], 1, false), "access");
    fails(await share.setattr(bob, made.id, { size: 0 }, null), "access");
    expect(now(share, made.id).mode & 0o777).toBe(0o700);
    await secured(share, made.id, list(allow(allRights, aliceSid), allow(readRights, bobSid)));
    expect(await granted(share, bob, made.id)).toBe(Access.read);
    expect(now(share, made.id).mode & 0o777).toBe(0o740);
  });

  test("an entry that denies comes before the group that allows", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o600);
    await secured(share, made.id, list(deny(Right.writeData | Right.appendData, bobSid), allow(readRights | writeRights, groupSid(50))));
    expect(await granted(share, bob, made.id)).toBe(Access.read);
    expect(await granted(share, { ...bob, uid: 7 }, made.id)).toBe(Access.read | Access.modify | Access.extend);
  });

  test("of a directory each right is asked for by itself: list, add a file, add a directory, traverse, delete", async () => {
    const { share } = await openWorld();
    const { id } = await folder(share, "d", 0o700);
    await file(share, "x", 0o644, alice, id);
    const may = (mask: number): Promise<Inode> => secured(share, id, list(allow(allRights, aliceSid), allow(mask, bobSid)));
    await may(Right.readData);
    expect(await share.readdir(bob, id, 0, new Uint8Array(8), false, () => true)).toMatchObject({ end: true });
    fails(await share.lookup(bob, id, "x"), "access");
    await may(Right.execute);
    ok(await share.lookup(bob, id, "x"));
    fails(await share.create(bob, id, "new", { mode: "guarded", attributes: {} }), "access");
    fails(await share.remove(bob, id, "x"), "access");
    await may(Right.execute | Right.writeData);
    ok(await share.create(bob, id, "new", { mode: "guarded", attributes: {} }));
    fails(await share.mkdir(bob, id, "sub", {}), "access");
    fails(await share.remove(bob, id, "x"), "access");
    await may(Right.execute | Right.appendData);
    ok(await share.mkdir(bob, id, "sub", {}));
    fails(await share.create(bob, id, "other", { mode: "guarded", attributes: {} }), "access");
    await may(Right.execute | Right.deleteChild);
    ok(await share.remove(bob, id, "x"));
  });

  test("a file's own right to be deleted does for one its directory doesn't give, in a sticky one too", async () => {
    const { share } = await openWorld({ rootMode: 0o1777 });
    const made = await file(share, "f", 0o666);
    fails(await share.remove(bob, rootId, "f"), "perm");
    expect(rightsThrough(now(share, rootId), made, bob) & Right.delete).toBe(0);
    const after = await secured(share, made.id, list(allow(allRights, aliceSid), allow(Right.delete, bobSid)));
    expect(rightsThrough(now(share, rootId), after, bob) & Right.delete).toBe(Right.delete);
    ok(await share.remove(bob, rootId, "f"));
  });

  test("the superuser and a share's admins pass it, as far as their level goes; the level bounds everybody", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o600);
    await secured(share, made.id, list(allow(allRights, WellKnown.everyone)));
    expect(await granted(share, { ...bob, access: AccessLevel.read }, made.id)).toBe(Access.read | Access.execute);
    await secured(share, made.id, list());
    expect(await granted(share, root, made.id)).toBe(Access.read | Access.modify | Access.extend);
    expect(await granted(share, { ...bob, access: AccessLevel.admin }, made.id)).toBe(Access.read | Access.modify | Access.extend);
    expect(await granted(share, { ...root, access: AccessLevel.read }, made.id)).toBe(Access.read);
  });

  test("what was opened before stays opened", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o666);
    await secured(share, made.id, list(allow(allRights, aliceSid)));
    const opened = { ...bob, opened: Right.readData | Right.writeData };
    ok(await share.write(opened, made.id, 0, [bytesOf("text")], 4, true));
    ok(await share.read(opened, made.id, 0, 4));
    fails(await share.write({ ...bob, opened: Right.readData }, made.id, 0, [bytesOf("x")], 1, false), "access");
  });
});

describe("a stored descriptor is kept", () => {
  test("through the loss of the caches, and writes, and a store that has to be waited for", async () => {
    const world = await openWorld();
    const { share, store } = world;
    const made = await file(share, "f", 0o666);
    await secured(share, made.id, list(allow(allRights, aliceSid)));
    await share.write(alice, made.id, 0, [bytesOf("text")], 4, true);
    ok(await share.setattr(alice, made.id, { mtime: "now" }, null));
    expect(await granted(share, bob, made.id)).toBe(0);
    for (const asynchronous of [false, true]) {
      store.asynchronous = asynchronous;
      share.inodes.remove(made.id);
      expect(share.cached(made.id)).toBeNull();
      expect(await granted(share, bob, made.id)).toBe(0);
      expect(await granted(share, alice, made.id)).toBe(Access.read | Access.modify | Access.extend | Access.execute);
    }
  });

  test("and one that can't be read lets nobody in but the owner, who may set it anew", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o666);
    ok(await share.setXattr(alice, made.id, "security", bytesOf("no descriptor")));
    expect(await granted(share, bob, made.id)).toBe(0);
    await secured(share, made.id, list(allow(readRights, WellKnown.everyone)));
    expect(await granted(share, bob, made.id)).toBe(Access.read);
  });

  test("whoever came last decides: a chmod takes its place, one to the bits it shows does not, a chown leaves the list", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o666);
    await secured(share, made.id, list(allow(allRights, aliceSid), allow(readRights, bobSid)));
    ok(await share.setattr(alice, made.id, { mode: 0o740 }, null));
    expect(now(share, made.id).security).toBeDefined();
    expect(await granted(share, bob, made.id)).toBe(Access.read);
    ok(await share.setattr(root, made.id, { uid: 77 }, null));
    expect(await granted(share, bob, made.id)).toBe(Access.read);
    expect(await granted(share, alice, made.id)).toBe(Access.read | Access.modify | Access.extend | Access.execute);
    ok(await share.setattr(root, made.id, { uid: alice.uid, mode: 0o600 }, null));
    expect(now(share, made.id).security).toBeUndefined();
    expect(await granted(share, bob, made.id)).toBe(0);
    share.inodes.remove(made.id);
    expect(await granted(share, bob, made.id)).toBe(0);
    ok(await share.setattr(alice, made.id, { mode: 0o604 }, null));
    expect(await granted(share, bob, made.id)).toBe(Access.read);
  });
});

describe("who may change a descriptor", () => {
  test("the owner, whom it lets, and nobody else", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o666);
    fails(await share.setSecurity(bob, made.id, { dacl: list() }), "perm");
    await secured(share, made.id, list(allow(Right.writeDac, bobSid)));
    ok(await share.setSecurity(bob, made.id, { dacl: list(allow(Right.writeOwner, bobSid)) }));
    fails(await share.setSecurity(bob, made.id, { dacl: list() }), "perm");
    ok(await share.setSecurity(alice, made.id, { dacl: list(allow(Right.writeOwner, bobSid)) }));
    fails(await share.setSecurity(alice, made.id, { sacl: list() }), "perm");
    ok(await share.setSecurity(root, made.id, { sacl: list() }));
  });

  test("an object is taken, not given: the new owner is the caller, or a group of his", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o4755);
    const give = (who: Credentials, id: number): Promise<unknown> => share.setSecurity(who, made.id, { owner: { sid: userSid(id), id } });
    fails(await give(bob, bob.uid), "perm");
    fails(await give(alice, bob.uid), "invalid");
    await secured(share, made.id, list(allow(Right.writeOwner | executeRights, bobSid)));
    ok((await give(bob, bob.uid)) as never);
    expect(now(share, made.id)).toMatchObject({ uid: bob.uid });
    expect(now(share, made.id).mode & 0o4000).toBe(0);
    ok((await give(root, 5)) as never);
    expect(now(share, made.id).uid).toBe(5);
  });

  test("an owner without a number is kept as such, and goes with the next that has one", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o600);
    ok(await share.setSecurity(alice, made.id, { owner: { sid: groupSid(50), id: null } }));
    expect(now(share, made.id)).toMatchObject({ uid: alice.uid, security: { owner: groupSid(50) } });
    ok(await share.setSecurity(bob, made.id, { dacl: list(allow(readRights, WellKnown.everyone)) }));
    ok(await share.setattr(root, made.id, { uid: alice.uid }, null));
    expect(now(share, made.id).security!.owner).toBeNull();
  });

  test("a list that is too long is refused, and nothing changed", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o600);
    const entries = Array.from({ length: 2400 }, () => allow(1, "S-1-5-21-1-2-3-4"));
    fails(await share.setSecurity(alice, made.id, { dacl: list(...entries) }), "invalid");
    expect(now(share, made.id).security).toBeUndefined();
  });

  test("in a share that is only read nobody changes one", async () => {
    const { share } = await openWorld();
    const made = await file(share, "f", 0o600);
    share.setPolicy(share.policy.with({ readOnly: true }));
    fails(await share.setSecurity(alice, made.id, { dacl: list() }), "readOnly");
  });
});

describe("what a new object inherits", () => {
  test("it is the directory's to say, by whatever protocol the object is made", async () => {
    const { share } = await openWorld();
    const { id } = await folder(share, "d", 0o777);
    await secured(share, id, list(allow(allRights, WellKnown.creatorOwner, heirs), allow(readRights | executeRights, bobSid, heirs), allow(allRights, aliceSid)));
    const made = await file(share, "f", 0o644, alice, id);
    expect(made.mode & 0o777).toBe(0o750);
    expect(now(share, made.id).security!.dacl).toEqual([allow(allRights, aliceSid), allow(readRights | executeRights, bobSid)]);
    expect(await granted(share, bob, made.id)).toBe(Access.read | Access.execute);
    expect(await granted(share, { ...bob, uid: 9 }, made.id)).toBe(0);
    const sub = await folder(share, "s", 0o755, alice, id);
    expect(now(share, sub.id).security!.dacl).toHaveLength(3);
    const below = await file(share, "g", 0o644, alice, sub.id);
    expect(await granted(share, bob, below.id)).toBe(Access.read | Access.execute);
  });

  test("a mode that keeps everybody else out is taken at its word", async () => {
    const { share } = await openWorld();
    const { id } = await folder(share, "d", 0o777);
    await secured(share, id, list(allow(allRights, WellKnown.everyone, heirs)));
    const key = await file(share, "key", 0o600, alice, id);
    expect(now(share, key.id).security).toBeUndefined();
    expect(await granted(share, bob, key.id)).toBe(0);
  });

  test("nothing to inherit: its mode for a protocol without descriptors, its owner alone for one that has them", async () => {
    const { share } = await openWorld();
    const { id } = await folder(share, "d", 0o777);
    await secured(share, id, list(allow(allRights, WellKnown.everyone)));
    const plain = await file(share, "plain", 0o644, alice, id);
    expect(now(share, plain.id).security).toBeUndefined();
    const made = ok(await share.create(alice, id, "made", { mode: "guarded", attributes: { mode: 0o644 } }, { secured: true })).inode;
    expect(now(share, made.id).security!.dacl).toEqual([allow(allRights, aliceSid), allow(allRights, WellKnown.system)]);
    const elsewhere = ok(await share.create(alice, rootId, "made", { mode: "guarded", attributes: { mode: 0o644 } }, { secured: true })).inode;
    expect(now(share, elsewhere.id).security).toBeUndefined();
  });

  test("a descriptor its maker gives comes first", async () => {
    const { share } = await openWorld();
    const given = { control: SdControl.daclPresent, owner: null, group: null, dacl: [allow(readRights, WellKnown.everyone)], sacl: null };
    const made = ok(await share.create(alice, rootId, "f", { mode: "guarded", attributes: {} }, { secured: true, security: given })).inode;
    expect(made.mode & 0o777).toBe(0o444);
    expect(await granted(share, bob, made.id)).toBe(Access.read);
  });
});
