import { describe, expect, test } from "bun:test";
import { Squash } from "#model/credentials.ts";
import { AccessLevel, type KnownUser } from "#model/identity.ts";
import { rootId } from "#model/ids.ts";
import type { SharePolicyFields } from "#vfs/access/policy.ts";
import { until } from "../net/helpers.ts";
import { ok, root } from "../vfs/kit.ts";
import { as, endAfterEach, live, openNamed } from "./live-world.ts";
import { Words } from "./words.ts";

endAfterEach();

const [OK, NOENT, ACCES, ROFS, STALE] = [0, 2, 13, 30, 70];
const unset = [0, 0, 0, 0, 0, 0] as const;

async function mounted(changes: Partial<SharePolicyFields> = {}) {
  const all = await live();
  const world = await openNamed("/export", changes);
  all.shares.add(world.share);
  const caller = await all.connect();
  const { handle } = await caller.mount("/export");
  const change = (to: Partial<SharePolicyFields>): void => world.share.setPolicy(world.share.policy.with(to));
  /** Makes a directory and gives the uid it belongs to, or the status. */
  const mkdir = async (name: string, credential = as(1000)): Promise<{ uid: number } | number> => {
    const status = await caller.status(9, new Words(handle, name, ...unset), credential);
    return status === OK ? { uid: ok(await world.share.lookup(root, rootId, name)).inode.uid } : status;
  };
  return { ...all, ...world, caller, handle, change, mkdir };
}

const getattr = (handle: Uint8Array): [number, Words] => [1, new Words(handle)];
const access = (handle: Uint8Array): [number, Words] => [4, new Words(handle, 0x3f)];

describe("a mounted client's next operation obeys", () => {
  test("another squash", async () => {
    const { mkdir, change } = await mounted();
    expect(await mkdir("a")).toEqual({ uid: 1000 });
    change({ squash: Squash.allToGuest });
    expect(await mkdir("b")).toEqual({ uid: 65534 });
    change({ anonymousUid: 99 });
    expect(await mkdir("c")).toEqual({ uid: 99 });
    change({ squash: Squash.allToAdmin });
    expect(await mkdir("d")).toEqual({ uid: 0 });
    change({ squash: Squash.rootToGuest });
    expect(await mkdir("e")).toEqual({ uid: 1000 });
    expect(await mkdir("f", as(0))).toEqual({ uid: 99 });
  });

  test("other grants, and users that come, go and are locked out", async () => {
    const { mkdir, change } = await mounted({ defaultPermission: AccessLevel.none });
    const user: KnownUser = { name: "alice", uid: 1000, gid: 1000, groups: [50], groupNames: ["staff"], enabled: true };
    const identity = (known: KnownUser | null) => ({ userByUid: (uid: number) => (uid === known?.uid ? known : null), userByName: () => null });
    const grants = { users: new Map(), groups: new Map([[50, AccessLevel.readWrite]]) };
    expect(await mkdir("a")).toBe(ACCES);
    change({ grants });
    expect(await mkdir("a")).toBe(ACCES);
    change({ identity: identity(user) });
    expect(await mkdir("a")).toEqual({ uid: 1000 });
    change({ grants: { ...grants, users: new Map([[1000, AccessLevel.read]]) } });
    expect(await mkdir("b")).toBe(ACCES);
    change({ grants });
    change({ identity: identity({ ...user, enabled: false }) });
    expect(await mkdir("b")).toBe(ACCES);
    change({ identity: identity(null), defaultPermission: AccessLevel.admin });
    expect(await mkdir("b")).toEqual({ uid: 1000 });
  });

  test("read-only, and writable again", async () => {
    const { mkdir, change } = await mounted();
    change({ readOnly: true });
    expect(await mkdir("a")).toBe(ROFS);
    change({ readOnly: false });
    expect(await mkdir("a")).toEqual({ uid: 1000 });
  });

  test("other clients let in", async () => {
    const { caller, connect, handle, change } = await mounted();
    change({ allowedClients: ["192.0.2.0/24"] });
    expect(await caller.status(...getattr(handle))).toBe(ACCES);
    expect((await (await connect()).mount("/export")).status).toBe(ACCES);
    change({ allowedClients: ["192.0.2.0/24", "127.0.0.1"] });
    expect(await caller.status(...getattr(handle))).toBe(OK);
    expect((await (await connect()).mount("/export")).status).toBe(OK);
  });

  test("a share that is disabled, or not offered over NFS: a clear answer, and the data is there afterwards", async () => {
    const { caller, handle, change, mkdir, connect } = await mounted();
    await mkdir("kept");
    for (const [off, on] of [[{ enabled: false }, { enabled: true }], [{ protocols: { nfs: false, smb: true } }, { protocols: { nfs: true, smb: true } }]] as const) {
      change(off);
      expect(await caller.status(...getattr(handle))).toBe(ACCES);
      expect(await caller.status(3, new Words(handle, "kept"))).toBe(ACCES);
      expect((await (await connect()).mount("/export")).status).toBe(ACCES);
      expect((await (await connect()).mount("/export/kept")).status).toBe(ACCES);
      change(on);
      expect(await caller.status(3, new Words(handle, "kept"))).toBe(OK);
    }
  });

  test("a level of none: what a mount needs is answered, everything else is not", async () => {
    const { caller, handle, change, mkdir } = await mounted();
    await mkdir("d");
    change({ defaultPermission: AccessLevel.none });
    for (const procedure of [1, 18, 19, 20]) expect(await caller.status(procedure, new Words(handle))).toBe(OK);
    expect((await caller.mount("/export")).status).toBe(OK);
    expect((await caller.mount("/export/d")).status).toBe(ACCES);
    const granted = await caller.nfs(...access(handle));
    expect([granted.getUint32(0), granted.getUint32(granted.byteLength - 4)]).toEqual([OK, 0]);
    expect(await caller.status(3, new Words(handle, "d"))).toBe(ACCES);
    expect(await caller.status(16, new Words(handle, 0n, 0n, 4096))).toBe(ACCES);
    expect(await mkdir("e")).toBe(ACCES);
  });
});

describe("shares that come and go", () => {
  test("one that is added is mounted at once by a client at work in another", async () => {
    const { shares, caller, handle } = await mounted();
    expect((await caller.mount("/new")).status).toBe(NOENT);
    const added = await openNamed("/new");
    shares.add(added.share);
    const { status, handle: root } = await caller.mount("/new");
    expect(status).toBe(OK);
    expect(await caller.status(9, new Words(root, "d", ...unset))).toBe(OK);
    expect(await caller.status(...getattr(handle))).toBe(OK);
  });

  test("one that is removed: stale, while the others go on; requests in hand are answered before it is drained", async () => {
    const { shares, share, store, caller, handle, connect } = await mounted();
    shares.add((await openNamed("/other")).share);
    const other = await connect();
    const { handle: otherRoot } = await other.mount("/other");
    store.hold();
    caller.send(100003, 9, new Words(handle, "in-hand", ...unset));
    await until(() => store.heldSets === 1);
    expect(shares.remove("/export")).toBe(share);
    let drained: boolean | null = null;
    const draining = share.drain(10_000).then((all) => (drained = all));
    expect(await other.status(...getattr(handle))).toBe(STALE);
    expect(await other.status(9, new Words(handle, "x", ...unset))).toBe(STALE);
    expect((await other.mount("/export")).status).toBe(NOENT);
    expect(await other.status(...getattr(otherRoot))).toBe(OK);
    expect(drained).toBeNull();
    store.release();
    expect((await caller.answer()).getUint32(0)).toBe(OK);
    expect(await draining).toBe(true);
    await share.close();
  });
});
