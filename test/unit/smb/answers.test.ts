import { afterEach, expect, test } from "bun:test";
import { Command } from "#wire/smb2/header.ts";
import { emptyBody, negotiateBody, type SmbClient } from "../../support/smb-client.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { compound } from "../../support/smb-wire.ts";
import { superuser } from "../../support/policy.ts";
import { rootId } from "#model/ids.ts";
import { FsError } from "#model/fs-error.ts";

const servers: TestSmb[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

/** A client with a file of 200,000 bytes open. */
async function reading(dialect: number): Promise<{ client: SmbClient; file: Buffer }> {
  const server = await smbServer();
  servers.push(server);
  const client = await server.client({ dialects: [dialect] });
  client.signs = true;
  await client.treeConnect("export");
  const file = await client.create("a");
  const { share } = server.world;
  const found = await share.lookup(superuser, rootId, "a");
  if (found instanceof FsError) throw new Error(found.code);
  const written = await share.write(superuser, found.inode.id, 0, [content], content.length, false);
  if (written instanceof FsError) throw new Error(written.code);
  return { client, file };
}

function readBody(file: Buffer, offset: number, length: number): Buffer {
  const body = Buffer.alloc(49);
  body.writeUInt16LE(49, 0);
  body.writeUInt32LE(length, 4);
  body.writeUInt32LE(offset, 8);
  body.set(file, 16);
  return body;
}

const dataOf = (bytes: Buffer): Buffer => bytes.subarray(bytes[66]!, bytes[66]! + bytes.readUInt32LE(68));

for (const dialect of [0x210, 0x302, 0x311]) {
  for (const length of [0, 1, 4096, 16_384, 65_536, 150_001]) {
    test(`READ of ${length} bytes is signed over all of them (${dialect.toString(16)})`, async () => {
      const { client, file } = await reading(dialect);
      const reply = await client.call(Command.READ, readBody(file, 3, length), { treeId: client.treeId, charge: 3, credits: 10 });
      expect([reply.status, reply.bytes.length, client.verifies(reply)]).toEqual([0, 80 + length, true]);
      expect(dataOf(reply.bytes).equals(content.subarray(3, 3 + length))).toBeTrue();
    });
  }
}

test("large READs in a compound each end at a multiple of 8, and are signed one by one", async () => {
  const { client, file } = await reading(0x311);
  const parts = [client.request(Command.READ, readBody(file, 0, 60_001), { treeId: client.treeId }), client.request(Command.ECHO, emptyBody), client.request(Command.READ, readBody(file, 5, 33_333), { treeId: client.treeId })];
  const message = compound(...parts);
  for (let at = 0; ; ) {
    const next = message.readUInt32LE(at + 20);
    client.signed(message.subarray(at, next === 0 ? message.length : at + next));
    if (next === 0) break;
    at += next;
  }
  client.sendRaw(message);
  const [first, echo, last] = [await client.next(), await client.next(), await client.next()];
  for (const reply of [first, echo, last]) expect([reply.status, reply.bytes.length % 8, client.verifies(reply)]).toEqual([0, 0, true]);
  expect(dataOf(first.bytes).equals(content.subarray(0, 60_001))).toBeTrue();
  expect(dataOf(last.bytes).equals(content.subarray(5, 33_338))).toBeTrue();
});

test("large READs are encrypted whole", async () => {
  const { client, file } = await reading(0x311);
  client.seal();
  const reply = await client.call(Command.READ, readBody(file, 0, 150_000), { treeId: client.treeId, charge: 3 });
  expect([reply.status, client.lastSealed]).toEqual([0, true]);
  expect(dataOf(reply.bytes).equals(content.subarray(0, 150_000))).toBeTrue();
});

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(message.length);
  return Buffer.concat([head, message]);
}

/** What costs a client its connection, as it is sent. */
const lastMessages: readonly (readonly [what: string, sent: (client: SmbClient) => Uint8Array])[] = [
  ["is none of SMB2", () => frame(Buffer.from("none of SMB2"))],
  ["uses an id it was not granted", (client) => frame(client.signed(client.request(Command.ECHO, emptyBody, { messageId: 100_000 })))],
  ["negotiates again", (client) => frame(client.request(Command.NEGOTIATE, negotiateBody()))],
  ["promises to be too long", () => Buffer.from([0, 0xff, 0xff, 0xff])],
];

for (const [what, last] of lastMessages) {
  test(`large READs and what came with them are answered before the connection is closed for a message that ${what}`, async () => {
    const { client, file } = await reading(0x311);
    const read = (at: number): Buffer => frame(client.signed(client.request(Command.READ, readBody(file, at, 60_000), { treeId: client.treeId })));
    const echo = frame(client.signed(client.request(Command.ECHO, emptyBody)));
    client.raw.send(Buffer.concat([read(0), read(60_000), echo, read(120_000), last(client)]));
    for (const at of [0, 60_000, null, 120_000]) {
      const reply = await client.next();
      expect([reply.status, client.verifies(reply)]).toEqual([0, true]);
      if (at === null) expect(reply.command).toBe(Command.ECHO);
      else expect(dataOf(reply.bytes).equals(content.subarray(at, at + 60_000))).toBe(true);
    }
    await client.closedByServer();
  });
}
