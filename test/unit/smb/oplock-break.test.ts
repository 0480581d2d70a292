import { afterEach, beforeEach, expect, test } from "bun:test";
import { rootId } from "#model/ids.ts";
import { OpenFile } from "#vfs/opens/index.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { decodeBreakAck, decodeLeaseContext, encodeLeaseContext } from "#wire/smb2/lease.ts";
import { emptyBody, type SmbClient } from "../../support/smb-client.ts";
import { createAnswer, createBody, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { packet } from "../../support/smb-wire.ts";
import { alice, ok, tryOpen } from "../vfs/kit.ts";

const lease = 0xff;
const batch = 9;
const RWH = 7;
const RH = 3;
const key = new Uint8Array(16).fill(0xa1);

let server: TestSmb;
let first: SmbClient;
let second: SmbClient;
let files: SmbFiles;
let others: SmbFiles;

beforeEach(async () => {
  server = await smbServer();
  first = await server.client();
  second = await server.client();
  files = await SmbFiles.of(first);
  others = await SmbFiles.of(second);
});

afterEach(() => server.stop());

const contexts = [["RqLs", encodeLeaseContext({ version: 2, key, state: RWH, parentKey: null, epoch: 5 }, 0)]] as const;

function leaseAck(state: number): Buffer {
  const body = Buffer.alloc(36);
  body.writeUInt16LE(36, 0);
  body.set(key, 8);
  body.writeUInt32LE(state, 24);
  return body;
}

function oplockAck(fileId: Uint8Array, level: number): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt16LE(24, 0);
  body[2] = level;
  body.set(fileId, 8);
  return body;
}

/** An open by the second client that waits for the first. */
async function openThatWaits(): Promise<void> {
  second.send(Command.CREATE, createBody({ name: "file" }), { treeId: second.treeId });
  expect((await second.next()).status).toBe(NtStatus.PENDING);
}

test("an open waits for the lease of another client, which is told, agrees, and gets its answer before anything else", async () => {
  const answer = await files.create({ name: "file", oplock: lease, contexts });
  expect(answer.oplock).toBe(lease);
  expect(decodeLeaseContext(answer.contexts.get("RqLs")!)).toMatchObject({ version: 2, state: RWH, epoch: 6 });
  await openThatWaits();
  const told = await first.next();
  expect(told.command).toBe(Command.OPLOCK_BREAK);
  expect([told.body.readUInt16LE(0), told.body.readUInt16LE(2), told.body.readUInt32LE(4)]).toEqual([44, 7, 1]);
  expect([told.body.readUInt32LE(24), told.body.readUInt32LE(28)]).toEqual([RWH, RH]);
  expect((await first.call(Command.OPLOCK_BREAK, leaseAck(RWH), { treeId: first.treeId })).status).toBe(NtStatus.REQUEST_NOT_ACCEPTED);
  const agreed = await first.call(Command.OPLOCK_BREAK, leaseAck(RH), { treeId: first.treeId });
  expect([agreed.status, agreed.body.readUInt32LE(24)]).toEqual([0, RH]);
  expect(createAnswer(await second.next())).toMatchObject({ status: 0, action: 1 });
  expect((await first.call(Command.OPLOCK_BREAK, leaseAck(RH), { treeId: first.treeId })).status).toBe(NtStatus.UNSUCCESSFUL);
});

test("a lease nobody has and an oplock that is not breaking are not agreed to", async () => {
  const { fileId } = await files.create({ name: "file", oplock: batch });
  expect((await first.call(Command.OPLOCK_BREAK, leaseAck(RH), { treeId: first.treeId })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect((await first.call(Command.OPLOCK_BREAK, oplockAck(fileId, 1), { treeId: first.treeId })).status).toBe(NtStatus.INVALID_OPLOCK_PROTOCOL);
});

test("a batch oplock goes down to level II for another's open", async () => {
  const { fileId, oplock } = await files.create({ name: "file", oplock: batch });
  expect(oplock).toBe(batch);
  await openThatWaits();
  const told = await first.next();
  expect([told.command, told.body.readUInt16LE(0), told.body[2]]).toEqual([Command.OPLOCK_BREAK, 24, 1]);
  expect(told.body.toString("hex", 8, 24)).toBe(fileId.toString("hex"));
  expect((await first.call(Command.OPLOCK_BREAK, oplockAck(fileId, 1), { treeId: first.treeId })).status).toBe(0);
  expect(createAnswer(await second.next()).status).toBe(0);
});

test("an open that waits goes on when the other client is gone", async () => {
  await files.create({ name: "file", oplock: batch });
  await openThatWaits();
  expect((await first.next()).command).toBe(Command.OPLOCK_BREAK);
  first.close();
  expect(createAnswer(await second.next()).status).toBe(0);
});

test("who shares nothing keeps others out, with a status of its own", async () => {
  await files.create({ name: "file", share: 0 });
  expect((await others.create({ name: "file" })).status).toBe(NtStatus.SHARING_VIOLATION);
  expect((await others.create({ name: "file", access: 0x80 })).status).toBe(0);
});

test("a file goes with its last close, and until then nobody opens it any more", async () => {
  const a = await files.create({ name: "file", options: 0x1000 });
  const b = await others.create({ name: "file" });
  expect(await files.close(a.fileId)).toBe(0);
  expect((await files.create({ name: "file", disposition: 1 })).status).toBe(NtStatus.DELETE_PENDING);
  expect(await others.close(b.fileId)).toBe(0);
  expect((await files.create({ name: "file", disposition: 1 })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
});

test("acknowledgements cut at any byte are none", () => {
  for (const body of [leaseAck(RH), oplockAck(new Uint8Array(16), 1)]) {
    const message = packet({ command: Command.OPLOCK_BREAK }, body);
    expect(decodeBreakAck(message, 0, message.length)).not.toBeNull();
    for (let end = 0; end < message.length; end++) expect(decodeBreakAck(message, 0, end)).toBeNull();
  }
});

test("an open that waits for others ends with its connection to the share, or the share", async () => {
  await files.create({ name: "file", oplock: lease, contexts });
  await openThatWaits();
  second.send(Command.TREE_DISCONNECT, emptyBody, { treeId: second.treeId });
  const told = [await second.next(), await second.next()].map(({ command, status }) => [command, status]);
  expect(told.sort()).toEqual([[Command.CREATE, NtStatus.NETWORK_NAME_DELETED], [Command.TREE_DISCONNECT, 0]].sort());
  expect((await second.treeConnect("export")).status).toBe(0);
  // Somebody whom no end of a connection reaches.
  const { share } = server.world;
  const kept = ok(await share.create(alice, rootId, "kept", { mode: "guarded", attributes: { mode: 0o666 } })).inode;
  expect(tryOpen(share, kept, 1, { caching: { key: null, state: RWH, epoch: 0 } }, { broken: () => true })).toBeInstanceOf(OpenFile);
  second.send(Command.CREATE, createBody({ name: "kept" }), { treeId: second.treeId });
  expect((await second.next()).status).toBe(NtStatus.PENDING);
  server.smb.shareGone(share);
  expect((await second.next()).status).toBe(NtStatus.NETWORK_NAME_DELETED);
});
