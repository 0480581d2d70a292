import { superuser } from "../../../support/policy.ts";
import { rootId } from "#model/ids.ts";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { createBody, durable, lockBody, LockFlags, type SmbFiles } from "../../../support/smb-requests.ts";
import { emptyBody } from "../../../support/smb-client.ts";
import { alice } from "../../vfs/kit.ts";
import { batch, DurableWorld, guid, kept } from "./kit.ts";

let world: DurableWorld;
let files: SmbFiles;

beforeEach(async () => {
  world = await DurableWorld.open();
  files = await world.files();
});
afterEach(() => world.stop());

async function exists(name: string): Promise<boolean> {
  const { share } = world.server.world;
  const found = await share.lookup(alice, (await share.root()).id, name);
  if (!(found instanceof FsError)) return true;
  expect(found.code).toBe("noEntry");
  return false;
}

test("an open with a batch oplock outlives its connection, with its locks and share mode, and is come back to", async () => {
  const made = await files.create(kept([durable.v1]));
  expect(made.contexts.get("DHnQ")).toEqual(Buffer.alloc(8));
  expect(await files.write(made.fileId, 0, new Uint8Array(10))).toBe(0);
  expect(await files.lock(made.fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive }])).toBe(0);
  await world.lose(files);
  expect(world.waiting).toBe(1);
  expect(world.server.world.share.locks.held).toBe(1);

  files = await world.files(8);
  const back = await files.create({ name: "whatever", oplock: 0, contexts: [durable.reconnectV1(made.fileId)] });
  expect([back.status, back.oplock, back.action]).toEqual([0, batch, 1]);
  expect(back.contexts.size).toBe(0);
  expect(back.fileId.subarray(0, 8)).toEqual(made.fileId.subarray(0, 8));
  expect(back.fileId.subarray(8)).not.toEqual(made.fileId.subarray(8));
  expect(world.waiting).toBe(0);
  expect(world.clock.pending).toBe(0);
  expect(await files.read(back.fileId, 0, 10)).toBe(0);
  expect(await files.read(made.fileId, 0, 10)).toBe(NtStatus.FILE_CLOSED);
  expect(await files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.unlock }])).toBe(0);
  expect(await files.close(back.fileId)).toBe(0);
  expect((await files.create({ name: "x", contexts: [durable.reconnectV1(made.fileId)] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
});

test("what keeps no handle, is a directory, or was not asked for is closed with its connection", async () => {
  for (const fields of [kept(), kept([durable.v1], { name: "b", oplock: 8 }), kept([durable.v1], { name: "c", oplock: 0 }), kept([durable.v1], { name: "d", options: 1 })]) {
    const made = await files.create(fields);
    expect([made.status, made.contexts.has("DHnQ")]).toEqual([0, false]);
  }
  await world.lose(files);
  expect(world.waiting).toBe(0);
  expect(world.server.world.share.opens.size).toBe(0);
});

test("an open whose client does not come back in time is closed, and deleted where it was to be", async () => {
  await files.create(kept([durable.v2(guid(1), 5_000)], { access: 0x13019f, options: 0x1000 }));
  await files.create(kept([durable.v2(guid(2), 0xffff_ffff)], { name: "other" }));
  await world.lose(files);
  expect(world.clock.waits).toEqual([5_000, 300_000]);
  expect(await exists("file")).toBe(true);
  world.clock.fire();
  await world.waits(0);
  files = await world.files();
  expect((await files.create({ name: "file", disposition: 1 })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await exists("other")).toBe(true);
  expect(world.server.world.share.opens.size).toBe(0);
});

test("somebody who wants the file gets it: its client loses the open", async () => {
  const made = await files.create(kept([durable.v2(guid(1))]));
  expect(made.contexts.get("DH2Q")!.readUInt32LE(0)).toBe(60_000);
  await world.lose(files);
  files = await world.files(8);
  const taken = await files.create(kept([], { share: 7 }));
  // It waited, for no longer than it took to close.
  const answer = taken.status === NtStatus.PENDING ? await files.client.next() : taken;
  expect(answer.status).toBe(0);
  expect(world.waiting).toBe(0);
  files = await world.files();
  expect((await files.create(kept([durable.reconnectV2(made.fileId, guid(1))]))).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
});

test("an open whose client gave its handle up goes with its connection", async () => {
  const made = await files.create(kept([durable.v1], { share: 7 }));
  const other = await world.files(8);
  other.send(Command.CREATE, createBody(kept([], { share: 7 })));
  const told = await files.client.next();
  expect([told.command, told.body[2]]).toEqual([Command.OPLOCK_BREAK, 1]);
  const agreed = Buffer.alloc(24);
  agreed.writeUInt16LE(24, 0);
  agreed[2] = 1;
  agreed.set(made.fileId, 8);
  expect((await files.call(Command.OPLOCK_BREAK, agreed)).status).toBe(0);
  expect((await other.client.next()).status).toBe(NtStatus.PENDING);
  expect((await other.client.next()).status).toBe(0);
  await world.lose(files);
  expect(world.waiting).toBe(0);
  const { share } = world.server.world;
  const found = await share.lookup(alice, (await share.root()).id, "file");
  if (found instanceof FsError) throw new Error(found.code);
  expect(share.opens.of(found.inode.id)!.opens).toHaveLength(1);
});

for (const renames of [1, 2]) {
  test(`its client comes back to it by the name it had, or has now, after another protocol renamed a directory above it (${renames})`, async () => {
    const { share } = world.server.world;
    const made = await share.mkdir(superuser, rootId, "d", { mode: 0o777 });
    if (made instanceof FsError) throw new Error(made.code);
    const lease = durable.lease(guid(9), 7);
    const { fileId, oplock } = await files.create(kept([durable.v2(guid(2)), lease], { name: "d\\f", oplock: 0xff }));
    expect(oplock).toBe(0xff);
    await world.lose(files);
    await share.rename(superuser, rootId, "d", rootId, "e");
    if (renames > 1) await share.rename(superuser, rootId, "e", rootId, "g");
    files = await world.files(7);
    const back = async (name: string) => (await files.create({ name, oplock: 0xff, contexts: [durable.reconnectV2(fileId, guid(2)), lease] })).status;
    expect(await back("another")).toBe(NtStatus.INVALID_PARAMETER);
    expect(await back(renames > 1 ? "g\\f" : "d\\f")).toBe(0);
  });
}

test("only its owner comes back to it, with the GUID of version 2, and with its lease as the same client under the same name", async () => {
  const { fileId } = await files.create(kept([durable.v2(guid(1))]));
  const leased = await files.create(kept([durable.v2(guid(2)), durable.lease(guid(9), 7)], { name: "Leased", oplock: 0xff }));
  expect(leased.oplock).toBe(0xff);
  await world.lose(files);
  expect(world.waiting).toBe(2);
  const tries = async (who: SmbFiles, name: string, ...contexts: (readonly [string, Uint8Array])[]) => (await who.create({ name, contexts })).status;
  const bob = await world.files(7, "bob");
  files = await world.files(7);
  const other = await world.files(8);
  const back = durable.reconnectV2(fileId, guid(1));
  expect(await tries(bob, "file", back)).toBe(NtStatus.ACCESS_DENIED);
  expect(await tries(files, "file", durable.reconnectV2(fileId, guid(2)))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(files, "file", durable.reconnectV2(fileId, guid(1), true))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(files, "file", back, durable.lease(guid(9), 7))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(files, "file", back, durable.v1)).toBe(NtStatus.INVALID_PARAMETER);
  expect(await tries(files, "file", durable.reconnectV1(fileId), durable.v2(guid(1)))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await tries(files, "file", back)).toBe(0);
  const lease = durable.reconnectV2(leased.fileId, guid(2));
  expect(await tries(files, "leased", lease)).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(files, "leased", lease, durable.lease(guid(8), 7))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(other, "leased", lease, durable.lease(guid(9), 7))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await tries(files, "else", lease, durable.lease(guid(9), 7))).toBe(NtStatus.INVALID_PARAMETER);
  const answer = await files.create({ name: "leased", contexts: [lease, durable.lease(guid(9), 0)] });
  expect([answer.status, answer.oplock, answer.contexts.get("RqLs")!.readUInt32LE(16)]).toEqual([0, 0xff, 7]);
});

test("an open that its client still has is not come back to; LOGOFF leaves it, TREE_DISCONNECT does not", async () => {
  const first = await files.create(kept([durable.v1]));
  expect((await files.create({ name: "file", contexts: [durable.reconnectV1(first.fileId)] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect((await files.call(Command.LOGOFF, emptyBody)).status).toBe(0);
  expect(world.waiting).toBe(1);
  files = await world.files();
  const back = await files.create({ name: "file", contexts: [durable.reconnectV1(first.fileId)] });
  expect(back.status).toBe(0);
  expect((await files.call(Command.TREE_DISCONNECT, emptyBody)).status).toBe(0);
  expect(world.waiting).toBe(0);
  expect(world.server.world.share.opens.size).toBe(0);
});

test("a share that goes takes the opens that wait along", async () => {
  await files.create(kept([durable.v1]));
  await world.lose(files);
  world.server.smb.shareGone(world.server.world.share);
  await world.waits(0);
  expect(world.server.world.share.opens.size).toBe(0);
});

test("who closes a share that goes waits until what was open is closed, with what is deleted by that", async () => {
  const deleteOnClose = 0x1000;
  const { share } = world.server.world;
  await files.create(kept([durable.v1], { name: "away", access: 0x1f01ff, options: deleteOnClose }));
  await world.lose(files);
  expect(world.waiting).toBe(1);
  files = await world.files(8);
  await files.create({ name: "here", options: deleteOnClose });
  world.server.smb.shareGone(share);
  expect(await share.drain(5_000)).toBe(true);
  expect([share.opens.size, await exists("away"), await exists("here")]).toEqual([0, false, false]);
});

test("a LOCK that was done is not done again where it is sent again to a durable open", async () => {
  const { fileId } = await files.create(kept([durable.v2(guid(1))]));
  const take = lockBody(fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive | LockFlags.now }], (3 << 4) | 1);
  expect((await files.call(Command.LOCK, take)).status).toBe(0);
  await world.lose(files);
  files = await world.files();
  const back = await files.create(kept([durable.reconnectV2(fileId, guid(1))]));
  const again = (index: number, number: number) => files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive | LockFlags.now }], (index << 4) | number);
  expect(await again(3, 1)).toBe(0);
  expect(await again(3, 2)).toBe(NtStatus.LOCK_NOT_GRANTED);
  expect(await again(3, 1)).toBe(NtStatus.LOCK_NOT_GRANTED);
  expect(await again(65, 1)).toBe(NtStatus.LOCK_NOT_GRANTED);
});
