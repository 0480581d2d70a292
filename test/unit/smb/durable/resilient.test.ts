import { afterEach, beforeEach, expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { rootId } from "#model/ids.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { FsControl } from "#wire/smb2/io.ts";
import { durable, ioctlBody, LockFlags, SmbFiles } from "../../../support/smb-requests.ts";
import { superuser } from "../../../support/policy.ts";
import { DurableWorld, guid, kept } from "./kit.ts";

let world: DurableWorld;
let files: SmbFiles;

beforeEach(async () => {
  world = await DurableWorld.open();
  files = await clientOf("alice");
});
afterEach(() => world.stop());

/** A client of the dialect that resilient handles came with. */
async function clientOf(user: string, dialect = 0x210): Promise<SmbFiles> {
  const smb = await world.server.connect();
  await smb.negotiate({ clientGuid: guid(7), dialects: [dialect] });
  expect((await smb.login(user, "secret")).status).toBe(0);
  smb.signs = true;
  return SmbFiles.of(smb);
}

function asked(timeoutMs: number): Uint8Array {
  const input = Buffer.alloc(8);
  input.writeUInt32LE(timeoutMs);
  return input;
}

const request = async (by: SmbFiles, fileId: Uint8Array, input: Uint8Array) => (await by.call(Command.IOCTL, ioctlBody(FsControl.LMR_REQUEST_RESILIENCY, fileId, input, 0))).status;

test("a resilient open outlives its connection though it caches nothing, with its locks and share mode, and is come back to", async () => {
  const { fileId, status } = await files.create(kept([], { oplock: 0 }));
  expect([status, await request(files, fileId, asked(5_000))]).toEqual([0, 0]);
  expect(await files.lock(fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive }])).toBe(0);
  await world.lose(files);
  expect([world.waiting, world.server.world.share.locks.held]).toEqual([1, 1]);
  const other = await world.files(8, "bob");
  expect((await other.create({ name: "file", access: 0x1, share: 7, disposition: 1 })).status).toBe(NtStatus.SHARING_VIOLATION);
  expect((await other.create({ name: "file", contexts: [durable.reconnectV1(fileId)] })).status).toBe(NtStatus.ACCESS_DENIED);
  files = await clientOf("alice");
  const back = await files.create({ name: "file", oplock: 0, contexts: [durable.reconnectV1(fileId)] });
  expect([back.status, world.waiting, world.clock.pending]).toEqual([0, 0, 0]);
  expect(await files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.unlock }])).toBe(0);
  expect(await files.close(back.fileId)).toBe(0);
});

test("it waits as long as its client asked for, and then is closed", async () => {
  const { fileId } = await files.create(kept([], { oplock: 0 }));
  expect(await request(files, fileId, asked(5_000))).toBe(0);
  await world.lose(files);
  expect(world.clock.waits).toEqual([5_000]);
  world.clock.fire();
  await world.waits(0);
  expect(world.server.world.share.opens.size).toBe(0);
});

test("while it waits it gives up what it caches without being asked, and stays", async () => {
  const { fileId, oplock } = await files.create(kept([], { share: 7 }));
  expect([oplock, await request(files, fileId, asked(5_000))]).toEqual([9, 0]);
  await world.lose(files);
  const other = await world.files(8);
  const taken = await other.create(kept([], { share: 7 }));
  const answer = taken.status === NtStatus.PENDING ? await other.client.next() : taken;
  expect([answer.status, world.waiting]).toEqual([0, 1]);
  files = await clientOf("alice");
  const back = await files.create({ name: "file", contexts: [durable.reconnectV1(fileId)] });
  expect([back.status, back.oplock]).toEqual([0, 0]);
});

test("it is come back to although its file and the directory that was in are gone", async () => {
  const { share } = world.server.world;
  for (const name of ["d", "e"]) await files.close((await files.create({ name, options: 1 })).fileId);
  const { fileId } = await files.create(kept([], { oplock: 0, name: "d\\file", share: 7 }));
  expect(await request(files, fileId, asked(5_000))).toBe(0);
  await world.lose(files);
  const directory = await share.lookup(superuser, rootId, "d");
  if (directory instanceof FsError) throw new Error(directory.code);
  for (const gone of [await share.remove(superuser, directory.inode.id, "file"), await share.rmdir(superuser, rootId, "d"), await share.rename(superuser, rootId, "e", rootId, "f")]) expect(gone).not.toBeInstanceOf(FsError);
  files = await clientOf("alice");
  const back = await files.create({ name: "d\\file", contexts: [durable.reconnectV1(fileId)] });
  expect([back.status, world.waiting]).toEqual([0, 0]);
});

test("a durable open that is made resilient stays what it was besides", async () => {
  const { fileId } = await files.create(kept([durable.v1], { share: 7 }));
  expect(await request(files, fileId, asked(5_000))).toBe(0);
  await world.lose(files);
  expect(world.waiting).toBe(1);
});

test("who is too old, a directory, a time too long and a request too short get none", async () => {
  const { fileId } = await files.create(kept([], { oplock: 0 }));
  const folder = await files.create({ name: "folder", options: 1 });
  expect(await request(files, folder.fileId, asked(1_000))).toBe(NtStatus.INVALID_DEVICE_REQUEST);
  expect(await request(files, fileId, asked(300_001))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await request(files, fileId, asked(1_000).subarray(0, 7))).toBe(NtStatus.INVALID_PARAMETER);
  const old = await clientOf("alice", 0x202);
  const theirs = await old.create({ name: "theirs" });
  expect(await request(old, theirs.fileId, asked(1_000))).toBe(NtStatus.INVALID_DEVICE_REQUEST);
  await world.lose(files);
  expect(world.waiting).toBe(0);
});
