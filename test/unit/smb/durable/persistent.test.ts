import { afterEach, expect, spyOn, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { Encryption } from "#model/credentials.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { createBody, durable, LockFlags, type SmbFiles } from "../../../support/smb-requests.ts";
import { KeptRecords } from "../../../support/open-records.ts";
import { policyOf } from "../../../support/policy.ts";
import { openOn, openWorld } from "../../vfs/kit.ts";
import { batch, DurableWorld, guid, kept, replayed } from "./kit.ts";

const policy = { smb: { encryption: Encryption.off, guest: false, continuouslyAvailable: true } };
const records = new KeptRecords();
let world: DurableWorld;

afterEach(async () => {
  await world.stop();
  records.all.clear();
});

async function start(before: DurableWorld | null = null): Promise<DurableWorld> {
  const options = { policy: policyOf(policy), clock: systemClock, openRecords: records };
  const on = before === null ? await openWorld(options) : await openOn(before.server.world.store, before.server.world.clock, options);
  return DurableWorld.open({}, {}, on);
}

/** The server is stopped without its clients' knowledge, and another started on what it stored. */
async function restart(): Promise<void> {
  const before = world;
  await before.server.smb.stop(1000);
  world = await start(before);
}

const persistent = (more = {}) => kept([durable.v2(guid(1), 0, true)], { oplock: 0, share: 1, ...more });
const back = (fileId: Uint8Array, ...more: (readonly [string, Uint8Array])[]) => ({ name: "file", contexts: [durable.reconnectV2(fileId, guid(1), true), ...more] });

async function opened(fields = persistent()): Promise<{ files: SmbFiles; fileId: Buffer }> {
  world = await start();
  const files = await world.files();
  const made = await files.create(fields);
  expect(made.contexts.get("DH2Q")!.readUInt32LE(4)).toBe(2);
  return { files, fileId: made.fileId };
}

test("a persistent open survives a restart with its share mode and its locks, and is come back to", async () => {
  const { files, fileId } = await opened();
  expect(await files.lock(fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive }])).toBe(0);
  expect(records.all.size).toBe(1);
  await restart();
  const other = await world.files(8);
  expect((await other.create(kept([], { oplock: 0, share: 7 }))).status).toBe(NtStatus.SHARING_VIOLATION);
  const reader = await other.create({ name: "file", access: 0x120089, share: 7, oplock: 0 });
  expect(await other.read(reader.fileId, 0, 1)).toBe(NtStatus.FILE_LOCK_CONFLICT);
  expect((await other.create(back(fileId))).status).toBe(0);
  expect((await other.create(back(fileId))).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
});

test("whoever comes back after a restart is judged as before it", async () => {
  const { fileId } = await opened();
  await restart();
  const bob = await world.files(7, "bob");
  expect((await bob.create(back(fileId))).status).toBe(NtStatus.ACCESS_DENIED);
  const files = await world.files();
  expect((await files.create({ name: "file", contexts: [durable.reconnectV2(fileId, guid(2), true)] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect((await files.create({ name: "file", contexts: [durable.reconnectV1(fileId)] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  const again = await files.create(back(fileId));
  expect(again.status).toBe(0);
  expect(await files.write(again.fileId, 0, new Uint8Array(3))).toBe(0);
  expect(await files.close(again.fileId)).toBe(0);
  expect(records.all.size).toBe(0);
});

test("what it cached is its client's still, and others have it broken once it is back", async () => {
  const lease = durable.lease(guid(9), 7);
  const { fileId } = await opened(kept([durable.v2(guid(1), 0, true), lease], { oplock: 0xff, share: 7 }));
  await restart();
  const files = await world.files();
  const again = await files.create(back(fileId, lease));
  expect([again.status, again.oplock, again.contexts.get("RqLs")!.readUInt32LE(16)]).toEqual([0, 0xff, 7]);
  const other = await world.files(8);
  expect((await other.create(kept([], { oplock: 0, share: 7 }))).status).toBe(NtStatus.PENDING);
  const told = await files.client.next();
  expect([told.command, told.body.readUInt32LE(24), told.body.readUInt32LE(28)]).toEqual([18, 7, 3]);
});

test("the CREATE sent again after a restart means the open it made", async () => {
  const { fileId } = await opened(persistent({ oplock: batch }));
  await restart();
  const files = await world.files();
  expect((await files.create(persistent({ oplock: batch }))).status).toBe(NtStatus.DUPLICATE_OBJECTID);
  const again = await files.create(persistent({ oplock: batch }), { flags: replayed });
  expect([again.status, again.action, again.oplock]).toEqual([0, 2, batch]);
  expect(again.fileId.subarray(0, 8)).toEqual(fileId.subarray(0, 8));
});

test("of two CREATEs sent again at once after a restart one means the open it made", async () => {
  await opened(persistent({ oplock: batch }));
  await restart();
  const files = await world.files();
  for (const _ of [1, 2]) files.send(Command.CREATE, createBody(persistent({ oplock: batch })), { flags: replayed });
  const [one, other] = [await files.client.next(), await files.client.next()];
  expect([one.status, other.status]).toEqual([0, NtStatus.DUPLICATE_OBJECTID]);
  expect(await files.close(one.body.subarray(64, 80))).toBe(0);
  expect([world.server.state.opens.size, records.all.size]).toEqual([0, 0]);
});

test("each record is read once for all CREATEs after a restart, however many wait", async () => {
  const { files } = await opened();
  const numbers = [2, 3, 4];
  const request = (number: number) => kept([durable.v2(guid(number), 0, true)], { name: `file${number}`, oplock: 0 });
  for (const number of numbers) expect((await files.create(request(number))).status).toBe(0);
  await restart();
  const again = await world.files();
  const parse = spyOn(JSON, "parse");
  const reads = () => parse.mock.calls.filter(([text]) => text.includes("createGuid")).length;
  try {
    for (let i = 10; i < 15; i++) expect((await again.create(kept([durable.v2(guid(i))], { name: `new${i}` }))).status).toBe(0);
    expect(reads()).toBe(1 + numbers.length);
    for (const number of numbers) expect((await again.create(request(number), { flags: replayed })).status).toBe(0);
  } finally {
    parse.mockRestore();
  }
});

test("an open that can't be recorded is durable at most", async () => {
  world = await start();
  const files = await world.files();
  records.failNext = true;
  const made = await files.create(kept([durable.v2(guid(1), 0, true)]));
  expect([made.status, made.contexts.get("DH2Q")!.readUInt32LE(4)]).toEqual([0, 0]);
  records.failNext = true;
  const other = await files.create(persistent({ name: "other", contexts: [durable.v2(guid(2), 0, true)] }));
  expect([other.status, other.contexts.size]).toEqual([0, 0]);
});

test("a lock that can't be recorded is none, and an open goes on with those it has", async () => {
  const { files, fileId } = await opened(kept([durable.v2(guid(1), 0, true)]));
  const at = (offset: number) => [{ offset, length: 5, flags: LockFlags.exclusive | LockFlags.now }];
  expect(await files.lock(fileId, at(0))).toBe(0);
  records.failNext = true;
  expect([await files.lock(fileId, at(10)), world.server.world.share.locks.held]).toEqual([NtStatus.INSUFFICIENT_RESOURCES, 1]);
  expect([await files.lock(fileId, at(10)), world.server.world.share.locks.held]).toEqual([0, 2]);
});

test("an open that renamed its file is come back to under the new name", async () => {
  const lease = durable.lease(guid(9), 7);
  const { files, fileId } = await opened(kept([durable.v2(guid(1), 0, true), lease], { oplock: 0xff, access: 0x13019f, share: 7 }));
  const name = Buffer.from("renamed", "utf16le");
  const body = Buffer.alloc(32 + 20 + name.length);
  body.writeUInt16LE(33, 0);
  body.set([1, 10], 2);
  body.writeUInt32LE(20 + name.length, 4);
  body.writeUInt16LE(96, 8);
  body.set(fileId, 16);
  body.writeUInt32LE(name.length, 48);
  body.set(name, 52);
  expect((await files.call(Command.SET_INFO, body)).status).toBe(0);
  await restart();
  const again = await world.files();
  const request = { contexts: [durable.reconnectV2(fileId, guid(1), true), lease] };
  expect((await again.create({ name: "file", ...request })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await again.create({ name: "renamed", ...request })).status).toBe(0);
});
