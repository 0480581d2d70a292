import { expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import type { Credentials } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import { fileId, rootId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { accessBits, contentPermissions, permissions, stickyForbids } from "#vfs/access/permissions.ts";
import { Access } from "#vfs/file-system.ts";
import { policyOf } from "../../support/policy.ts";
import { fails, file, folder, ok, openOn, openWorld, root } from "./kit.ts";

const owner = 1000;
const group = 50;
const callers: Readonly<Record<string, Credentials>> = {
  owner: { uid: owner, gid: 1, groups: [], superuser: false, access: "read-write" },
  "owner in the group": { uid: owner, gid: group, groups: [], superuser: false, access: "read-write" },
  "primary group": { uid: 2, gid: group, groups: [], superuser: false, access: "read-write" },
  "supplementary group": { uid: 2, gid: 1, groups: [7, group, 9], superuser: false, access: "read-write" },
  other: { uid: 2, gid: 1, groups: [7], superuser: false, access: "read-write" },
  superuser: { uid: 0, gid: 0, groups: [], superuser: true, access: "read-write" },
  "superuser that is not uid 0": { uid: 2, gid: 1, groups: [], superuser: true, access: "read-write" },
  "uid 0 that is not superuser": { uid: 0, gid: 0, groups: [], superuser: false, access: "read-write" },
};

export function inodeOf(type: FileType, mode: number, uid = owner, gid = group): Inode {
  const at = new Time(1, 0);
  const times = { atime: at, mtime: at, ctime: at, birth: at };
  const versions = { change: 1, attributeVersion: 0, contentSequence: 0, mtimeSequence: 0 };
  const rest = { links: 1, size: 0, used: 0, deviceMajor: 0, deviceMinor: 0, parent: 0, generation: 0, createVerifier: null, target: null, flags: 0 };
  return new Inode({ id: fileId(99), type, mode, uid, gid, ...times, ...versions, ...rest });
}

/** What POSIX says, written down a second time: [read, write, execute] from the class's letters. */
function expected(inode: Inode, who: Credentials): number {
  const letters = inode.mode.toString(8).padStart(3, "0");
  if (who.superuser) {
    const anyExecute = [...letters].some((digit) => "1357".includes(digit));
    return inode.type === FileType.directory || anyExecute ? 7 : 6;
  }
  const place = who.uid === inode.uid ? 0 : [who.gid, ...who.groups].includes(inode.gid) ? 1 : 2;
  return Number(letters[place]);
}

for (const [name, who] of Object.entries(callers)) {
  for (const type of Object.values(FileType)) {
    test(`${name} on type ${type}: permissions, ACCESS and content rights for all 512 modes`, () => {
      for (let mode = 0; mode < 512; mode++) {
        const inode = inodeOf(type, mode);
        const bits = expected(inode, who);
        expect(permissions(inode, who)).toBe(bits);
        const [r, w, x] = [(bits & 4) !== 0, (bits & 2) !== 0, (bits & 1) !== 0];
        const access =
          type === FileType.directory
            ? (r ? Access.read : 0) | (x ? Access.lookup : 0) | (w && x ? Access.modify | Access.extend | Access.delete : 0)
            : (r ? Access.read : 0) | (w ? Access.modify | Access.extend : 0) | (x ? Access.execute : 0);
        expect(accessBits(inode, who)).toBe(access);
        const owns = who.uid === owner;
        const content = contentPermissions(inode, who);
        expect((content & 4) !== 0).toBe(r || x || owns);
        expect((content & 2) !== 0).toBe(w || owns);
        expect((content & 1) !== 0).toBe(x);
      }
    });
  }
}

test("a sticky directory protects entries from all but the owners of both and the superuser", () => {
  const plain = inodeOf(FileType.directory, 0o777, 5);
  const sticky = inodeOf(FileType.directory, 0o1777, 5);
  const child = inodeOf(FileType.regular, 0o777, 6);
  for (const [uid, superuser, forbidden] of [
    [5, false, false],
    [6, false, false],
    [7, false, true],
    [7, true, false],
  ] as const) {
    const who: Credentials = { uid, gid: 1, groups: [], superuser, access: "read-write" };
    expect(stickyForbids(sticky, child, who)).toBe(forbidden);
    expect(stickyForbids(plain, child, who)).toBe(false);
  }
});

test("ACCESS grants exactly what the operations then do", async () => {
  const { share } = await openWorld();
  for (const mode of [0, 0o1, 0o2, 0o3, 0o4, 0o5, 0o6, 0o7]) {
    const directory = await folder(share, `d${mode}`, 0o770 | mode, root);
    await file(share, "inside", 0o777, root, directory.id);
    const other = callers.other as Credentials;
    const granted = ok(await share.access(other, directory.id, 0x3f)).granted;
    const may = (outcome: unknown): boolean => !(outcome instanceof FsError);
    expect(may(await share.lookup(other, directory.id, "inside"))).toBe((granted & Access.lookup) !== 0);
    expect(may(await share.readdir(other, directory.id, 0, new Uint8Array(8), false, () => true))).toBe((granted & Access.read) !== 0);
    expect(may(await share.mkdir(other, directory.id, "new", {}))).toBe((granted & Access.extend) !== 0);
    expect(may(await share.remove(other, directory.id, "inside"))).toBe((granted & Access.delete) !== 0);
    const made = await file(share, `f${mode}`, 0o770 | mode, root);
    const bits = ok(await share.access(other, made.id, 0x3f)).granted;
    expect(may(await share.write(other, made.id, 0, [new Uint8Array(1)], 1, false))).toBe((bits & Access.modify) !== 0);
    expect(may(await share.setattr(other, made.id, { size: 9 }, null))).toBe((bits & Access.extend) !== 0);
    expect(may(await share.read(other, made.id, 0, 1))).toBe((bits & (Access.read | Access.execute)) !== 0);
  }
});

test("ACCESS answers only what was asked, and says stale for what is not there", async () => {
  const { share } = await openWorld();
  expect(ok(await share.access(root, rootId, Access.read)).granted).toBe(Access.read);
  fails(await share.access(root, fileId(12345), 0x3f), "stale");
});

test("ACCESS on a read-only share grants no change, but for what lies on the client's machine", async () => {
  const { share, store, clock } = await openWorld();
  const made = await file(share, "f", 0o777);
  const fifo = ok(await share.mknod(root, rootId, "p", { type: FileType.fifo }, { mode: 0o666 })).inode;
  const { share: closed } = await openOn(store, clock, { policy: policyOf({ readOnly: true }) });
  expect(ok(await closed.access(root, rootId, 0x3f)).granted).toBe(Access.read | Access.lookup);
  expect(ok(await closed.access(root, made.id, 0x3f)).granted).toBe(Access.read | Access.execute);
  expect(ok(await closed.access(root, fifo.id, 0x3f)).granted).toBe(Access.read | Access.modify | Access.extend);
});

test("the owner reads and writes a file whose mode forbids it, but ACCESS does not tell so", async () => {
  const { share } = await openWorld();
  const me: Credentials = { uid: 1000, gid: 1000, groups: [], superuser: false, access: "read-write" };
  const made = await file(share, "f", 0, me);
  expect(ok(await share.access(me, made.id, 0x3f)).granted).toBe(0);
  ok(await share.write(me, made.id, 0, [new Uint8Array(3)], 3, false));
  ok(await share.read(me, made.id, 0, 3));
  ok(await share.setattr(me, made.id, { size: 1 }, null));
});
