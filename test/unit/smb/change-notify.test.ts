import { afterEach, beforeEach, expect, test } from "bun:test";
import { AccessLevel } from "#model/identity.ts";
import { rootId } from "#model/ids.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import type { SmbServer } from "#smb/server.ts";
import { policyOf } from "../../support/policy.ts";
import { emptyBody } from "../../support/smb-client.ts";
import { closeBody, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import type { Reply } from "../../support/smb-wire.ts";
import { alice, bob, bytesOf, file, folder, ok } from "../vfs/kit.ts";

let server: TestSmb;
let files: SmbFiles;
let root: Buffer;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  root = await open("");
});
afterEach(() => server.stop());

const open = async (name: string): Promise<Buffer> => (await files.create({ name, disposition: 1, options: 1, access: 0x100081 })).fileId;
const namesOnly = 3;
const waitingIn = ({ smb }: TestSmb): number => (smb as unknown as SmbServer).pending.count;

function body(fileId: Uint8Array, { filter = namesOnly, deep = false, room = 4096 } = {}): Buffer {
  const all = Buffer.alloc(32);
  all.writeUInt16LE(32, 0);
  all.writeUInt16LE(deep ? 1 : 0, 2);
  all.writeUInt32LE(room, 4);
  all.set(fileId, 8);
  all.writeUInt32LE(filter, 24);
  return all;
}

function changesOf(reply: Reply): readonly string[] {
  const from = reply.body.readUInt16LE(2);
  const data = reply.bytes.subarray(from, from + reply.body.readUInt32LE(4));
  const found: string[] = [];
  for (let at = 0; ; ) {
    expect(at % 4).toBe(0);
    found.push(`${data.readUInt32LE(at + 4)} ${data.toString("utf16le", at + 12, at + 12 + data.readUInt32LE(at + 8))}`);
    const next = data.readUInt32LE(at);
    if (next === 0) return found;
    at += next;
  }
}

/** Asks, and waits for the interim answer. */
async function ask(fileId: Uint8Array, options?: Parameters<typeof body>[1]): Promise<Reply> {
  const interim = await files.call(Command.CHANGE_NOTIFY, body(fileId, options));
  expect(interim.status).toBe(NtStatus.PENDING);
  return interim;
}

test("changes by another protocol answer the request that waits, later ones the next", async () => {
  const { share } = server.world;
  const asked = await ask(root, { deep: true });
  const d = await folder(share, "d");
  const reply = await files.client.next();
  expect([reply.status, reply.asyncId, reply.messageId]).toEqual([0, asked.asyncId, asked.messageId]);
  expect(changesOf(reply)).toEqual(["1 d"]);
  await file(share, "what?", 0o644, alice, d.id);
  ok(await share.rename(alice, d.id, "what?", d.id, "f"));
  const f = ok(await share.lookup(alice, d.id, "f")).inode;
  ok(await share.makeStream(alice, f.id, "s"));
  expect(changesOf(await files.call(Command.CHANGE_NOTIFY, body(root)))).toEqual(["1 d\\what\uf025", "4 d\\what\uf025", "5 d\\f"]);
});

test("whoever watches a tree is told nothing of directories he may not list, until he may", async () => {
  const { share } = server.world;
  const hidden = await folder(share, "hidden", 0o700, bob);
  await ask(root, { deep: true });
  await file(share, "f", 0o644, bob, hidden.id);
  ok(await share.rename(bob, hidden.id, "f", rootId, "seen"));
  expect(changesOf(await files.client.next())).toEqual(["1 seen"]);
  ok(await share.rename(bob, rootId, "seen", hidden.id, "f"));
  await file(share, "g", 0o644, bob, hidden.id);
  expect(changesOf(await files.call(Command.CHANGE_NOTIFY, body(root)))).toEqual(["2 seen"]);
  await ask(root);
  // The policy of this moment holds.
  share.setPolicy(policyOf({ defaultPermission: AccessLevel.admin }));
  await file(share, "h", 0o644, bob, hidden.id);
  expect(changesOf(await files.client.next())).toEqual(["1 hidden\\h"]);
});

test("the first request decides what is told, how deep, and how much is kept", async () => {
  const { share } = server.world;
  const d = await folder(share, "d");
  await ask(root, { filter: 1, room: 40 });
  await file(share, "f", 0o644, alice, d.id);
  await folder(share, "e");
  await file(share, "g");
  expect(changesOf(await files.client.next())).toEqual(["1 g"]);
  for (const name of ["h", "i", "j"]) await file(share, name);
  const reply = await files.call(Command.CHANGE_NOTIFY, body(root, { filter: 0xfff, deep: true }));
  expect([reply.status, reply.body.readUInt32LE(4)]).toEqual([NtStatus.NOTIFY_ENUM_DIR, 0]);
});

test("what a client has no room for has it list the directory anew", async () => {
  await ask(root);
  await file(server.world.share, "f");
  expect(changesOf(await files.client.next())).toEqual(["1 f"]);
  await file(server.world.share, "g");
  expect((await files.call(Command.CHANGE_NOTIFY, body(root, { room: 13 }))).status).toBe(NtStatus.NOTIFY_ENUM_DIR);
  await ask(root);
});

test("requests on one open are answered in their order, one for each change", async () => {
  const first = await ask(root);
  const second = await ask(root);
  await file(server.world.share, "f");
  expect((await files.client.next()).messageId).toBe(first.messageId);
  await file(server.world.share, "g");
  expect((await files.client.next()).messageId).toBe(second.messageId);
});

test("CANCEL, CLOSE, TREE_DISCONNECT and the end of the directory end it, each with its status", async () => {
  const { share } = server.world;
  await ask(root);
  files.send(Command.CANCEL, emptyBody, { messageId: files.client.messageId - 1 });
  expect((await files.client.next()).status).toBe(NtStatus.CANCELLED);
  await file(share, "f");
  expect(changesOf(await files.call(Command.CHANGE_NOTIFY, body(root)))).toEqual(["1 f"]);

  await ask(root);
  files.send(Command.CLOSE, closeBody(root));
  const answers = [await files.client.next(), await files.client.next()];
  expect(answers.map(({ command, status }) => [command, status]).toSorted()).toEqual([
    [Command.CHANGE_NOTIFY, NtStatus.NOTIFY_CLEANUP],
    [Command.CLOSE, 0],
  ].toSorted());

  await folder(share, "d");
  const d = await open("d");
  await ask(d);
  ok(await share.rmdir(alice, rootId, "d"));
  expect((await files.client.next()).status).toBe(NtStatus.DELETE_PENDING);
  expect((await files.call(Command.CHANGE_NOTIFY, body(d))).status).toBe(NtStatus.DELETE_PENDING);

  await folder(share, "e");
  const e = await open("e");
  await ask(e);
  const deleting = (await files.create({ name: "e", disposition: 1, options: 0x1001, access: 0x110081 })).fileId;
  files.send(Command.CLOSE, closeBody(deleting));
  const ended = [await files.client.next(), await files.client.next()];
  expect(ended.map(({ status }) => status).toSorted()).toEqual([0, NtStatus.DELETE_PENDING]);

  root = await open("");
  await ask(root);
  files.send(Command.TREE_DISCONNECT, emptyBody);
  const left = [await files.client.next(), await files.client.next()];
  expect(left.map(({ status }) => status).toSorted()).toEqual([0, NtStatus.NOTIFY_CLEANUP]);
  expect(waitingIn(server)).toBe(0);
  expect(share.notify.size).toBe(0);
});

test("a client that is gone leaves nothing behind", async () => {
  await ask(root, { deep: true });
  files.client.close();
  while (server.world.share.notify.size > 0) await new Promise(setImmediate);
  expect(waitingIn(server)).toBe(0);
  await file(server.world.share, "f");
});

test("requests that can't wait get the status of MS-SMB2 3.3.5.19", async () => {
  const f = await file(server.world.share, "f");
  ok(await server.world.share.write(alice, f.id, 0, [bytesOf("x")], 1, false));
  const one = (await files.create({ name: "f", disposition: 1, access: 0x81 })).fileId;
  expect((await files.call(Command.CHANGE_NOTIFY, body(one))).status).toBe(NtStatus.INVALID_PARAMETER);
  const blind = (await files.create({ name: "", disposition: 1, options: 1, access: 0x80 })).fileId;
  expect((await files.call(Command.CHANGE_NOTIFY, body(blind))).status).toBe(NtStatus.ACCESS_DENIED);
  expect((await files.call(Command.CHANGE_NOTIFY, body(root, { room: 2 ** 20 + 1 }))).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await files.call(Command.CHANGE_NOTIFY, body(Buffer.alloc(16, 3)))).status).toBe(NtStatus.FILE_CLOSED);
  for (let i = 0; i < 64; i++) await ask(root);
  expect((await files.call(Command.CHANGE_NOTIFY, body(root))).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
});
