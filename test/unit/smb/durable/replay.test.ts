import { afterEach, beforeEach, expect, test } from "bun:test";
import { decodeAppInstance, decodeDurable } from "#wire/smb2/durable.ts";
import { Command } from "#wire/smb2/header.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { createAnswer, createBody, durable, readBody, type SmbFiles } from "../../../support/smb-requests.ts";
import { ok } from "../../vfs/kit.ts";
import { superuser } from "../../../support/policy.ts";
import { batch, DurableWorld, guid, kept, replayed } from "./kit.ts";

let world: DurableWorld;
let files: SmbFiles;

beforeEach(async () => {
  world = await DurableWorld.open();
  files = await world.files();
});
afterEach(() => world.stop());

test("contexts that are cut or too long are refused, and those of version 2 unknown before 3.0", () => {
  const of = (name: string, data: Uint8Array) => ({ name, data });
  for (const [name, data] of [durable.v1, durable.reconnectV1(guid(1)), durable.v2(guid(2)), durable.reconnectV2(guid(1), guid(2))]) {
    expect(decodeDurable([of(name, data)], true)).not.toBeString();
    for (let length = 0; length < data.length; length++) expect(decodeDurable([of(name, data.subarray(0, length))], true)).toBe("invalid");
    expect(decodeDurable([of(name, Buffer.concat([data, Buffer.alloc(1)]))], true)).toBe("invalid");
  }
  expect(decodeDurable([of(...durable.v2(guid(2)))], false)).toBeNull();
  const [name, data] = durable.instance(guid(5));
  for (let length = 0; length < data.length; length++) expect(decodeAppInstance([of(name, data.subarray(0, length))])).toBeNull();
  expect(decodeAppInstance([of(name, data), of(...durable.instanceVersion(1n, 2n ** 63n))])).toEqual({
    id: "05".repeat(16),
    version: { high: "0000000000000001", low: "8000000000000000" },
  });
});

test("a CREATE sent again is answered again, until its client used the open", async () => {
  const request = kept([durable.v2(guid(1))]);
  const first = await files.create(request);
  expect((await files.create(request)).status).toBe(NtStatus.DUPLICATE_OBJECTID);
  const again = await files.create(request, { flags: replayed });
  expect(again).toEqual(first);
  const lesser = await files.create({ ...request, oplock: 0 }, { flags: replayed });
  expect([lesser.status, lesser.oplock, lesser.contexts.size]).toEqual([0, 0, 0]);
  expect((await files.create(kept([durable.v2(guid(1)), durable.lease(guid(3), 3)], { oplock: 0xff }), { flags: replayed })).status).toBe(NtStatus.ACCESS_DENIED);
  expect(await files.write(first.fileId, 0, new Uint8Array(1))).toBe(0);
  // Now it is one like any other: it does not share.
  files.send(Command.CREATE, createBody(request), { flags: replayed });
  const told = [await files.client.next(), await files.client.next()].map(({ command, status }) => [command, status]);
  expect(told.sort()).toEqual([[Command.OPLOCK_BREAK, 0], [Command.CREATE, NtStatus.PENDING]].sort());
});

test("a CREATE sent again while it is under way is told so, and one that failed is done anew", async () => {
  await files.create(kept([], { share: 0 }));
  const other = await world.files(8);
  other.send(Command.CREATE, createBody(kept([durable.v2(guid(1))])));
  expect((await other.client.next()).status).toBe(NtStatus.PENDING);
  // The break goes to the first client, which does not answer.
  expect((await other.create(kept([durable.v2(guid(1))]), { flags: replayed })).status).toBe(NtStatus.FILE_NOT_AVAILABLE);
  files.client.close();
  const opened = createAnswer(await other.client.next());
  expect([opened.status, opened.oplock]).toEqual([0, batch]);
  expect((await other.create(kept([durable.v2(guid(2))], { name: "no\\such\\file" }))).status).toBe(NtStatus.OBJECT_PATH_NOT_FOUND);
  expect((await other.create(kept([durable.v2(guid(2))], { name: "another" }))).status).toBe(0);
});

test("a CREATE sent again after its connection was lost comes back to the open", async () => {
  const request = kept([durable.v2(guid(1))]);
  const first = await files.create(request);
  await world.lose(files);
  files = await world.files();
  const again = await files.create(request, { flags: replayed });
  expect([again.status, again.action, again.oplock]).toEqual([0, 2, batch]);
  expect(again.fileId.subarray(0, 8)).toEqual(first.fileId.subarray(0, 8));
  expect(await files.read(again.fileId, 0, 1)).toBe(NtStatus.END_OF_FILE);
});

test("what was sent before a connection was lost changes nothing after it", async () => {
  const { fileId } = await files.create(kept([durable.v2(guid(1))]));
  const write = (sequence: number, flags = 0) => files.write(fileId, 0, new Uint8Array(1), { status: sequence, flags });
  const steps: [sequence: number, status: number][] = [
    [0, 0],
    [0x8000, NtStatus.FILE_NOT_AVAILABLE],
    [0xffff, NtStatus.FILE_NOT_AVAILABLE],
    [0x7fff, 0],
    [0x7ffe, NtStatus.FILE_NOT_AVAILABLE],
    [0, NtStatus.FILE_NOT_AVAILABLE],
    [0x8000, 0],
    [0xffff, 0],
    [0, 0],
    [1, 0],
    [0, NtStatus.FILE_NOT_AVAILABLE],
  ];
  for (const [sequence, status] of steps) {
    expect([sequence, await write(sequence)]).toEqual([sequence, status]);
    expect([sequence, await write(sequence, replayed)]).toEqual([sequence, status]);
  }
  // Reading is allowed still.
  expect((await files.call(Command.READ, readBody(fileId, 0, 1), { status: 0 })).status).toBe(0);
});

test("a later version of an application instance takes the file over, an earlier one does not", async () => {
  const version = (high: bigint, low: bigint) => durable.instanceVersion(high, low);
  const first = await files.create(kept([durable.v2(guid(1)), durable.instance(guid(5)), version(1n, 2n)]));
  const other = await world.files(8);
  const takes = (...contexts: (readonly [string, Uint8Array])[]) => other.create(kept([durable.v2(guid(2)), durable.instance(guid(5)), ...contexts]));
  expect((await takes(version(1n, 2n))).status).toBe(NtStatus.FILE_FORCED_CLOSED);
  expect((await takes(version(0n, 9n))).status).toBe(NtStatus.FILE_FORCED_CLOSED);
  const taken = await takes(version(1n, 3n));
  expect([taken.status, taken.oplock]).toEqual([0, batch]);
  expect(await files.close(first.fileId)).toBe(NtStatus.FILE_CLOSED);
  expect(world.server.state.durables.of("05".repeat(16))).toHaveLength(1);
});

test("an application instance's file is taken over by whoever may read it, from another client, and by nobody else", async () => {
  const instance = durable.instance(guid(5));
  const first = await files.create(kept([durable.v2(guid(1)), instance, durable.instanceVersion(1n, 2n)]));
  const { share } = world.server.world;
  const { id } = [...share.opens.all()][0]!;
  ok(await share.setattr(superuser, id, { mode: 0o600 }, null));
  const bob = await world.files(9, "bob");
  const attributes = 0x80;
  // It is only looked at: its open stays.
  expect((await bob.create(kept([durable.v2(guid(2)), instance, durable.instanceVersion(1n, 3n)], { access: attributes, oplock: 0 }))).status).toBe(NtStatus.SUCCESS);
  expect(world.server.state.durables.of("05".repeat(16)).map(({ fileId }) => Buffer.from(fileId))).toContainEqual(Buffer.from(first.fileId));
  // The same client has it open already.
  expect((await files.create(kept([durable.v2(guid(3)), instance, durable.instanceVersion(1n, 4n)], { access: attributes, oplock: 0 }))).status).toBe(NtStatus.SUCCESS);
  const other = await world.files(8);
  expect((await other.create(kept([durable.v2(guid(4)), instance]))).status).toBe(NtStatus.FILE_FORCED_CLOSED);
  expect(await files.write(first.fileId, 0, new Uint8Array(1))).toBe(NtStatus.SUCCESS);
});
