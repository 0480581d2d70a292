import { afterEach, beforeEach, expect, test } from "bun:test";
import { SmbConnection } from "#smb/connection.ts";
import { dispatch } from "#smb/dispatch.ts";
import { Command } from "#wire/smb2/header.ts";
import type { SmbClient } from "../../support/smb-client.ts";
import { createBody, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { packet, repliesOf } from "../../support/smb-wire.ts";

/** Requests whose answers are at hand are answered before anything else happens, with no turn of the event loop or promise between. */

const related = 4;
const existing = { name: "d\\f", disposition: 1, options: 0x40, access: 0x120089 };

let server: TestSmb;
let client: SmbClient;
let connection: SmbConnection;
const out = { bytes: new Uint8Array(4096), length: 0 };

beforeEach(async () => {
  server = await smbServer();
  client = await server.client();
  const files = await SmbFiles.of(client);
  await files.close((await files.create({ name: "d", options: 1 })).fileId);
  await files.close((await files.create({ name: "d\\f" })).fileId);
  const real = server.state.sessions.list()[0]!.channels[0]!.connection;
  const address = real.transport.address;
  const transport = { closed: false, address, beginMessage: () => ((out.length = 0), out), endMessage() {}, requestDone() {}, setExpendable() {} } as unknown as SmbConnection["transport"];
  connection = new SmbConnection(server.state, transport);
  connection.dialect = real.dialect;
  connection.capabilities = real.capabilities;
  for (const [id, channel] of real.channels) connection.channels.set(id, channel);
});

afterEach(async () => {
  connection.gone();
  await server.stop();
});

let messageId = 0;

function part(command: number, body: Uint8Array, flags = 0, next = 0): Buffer {
  return packet({ command, messageId: messageId++, credits: 8, flags, next, sessionId: client.sessionId, treeId: client.treeId }, body);
}

/** What `message` was answered by the time it was taken. */
function answered(message: Uint8Array) {
  out.length = 0;
  expect(dispatch(connection, message, 0, message.length, [], 0)).toBe(true);
  return repliesOf(Buffer.from(out.bytes.subarray(0, out.length)));
}

function closeBody(fileId: Uint8Array, flags = 0): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt16LE(24, 0);
  body.writeUInt16LE(flags, 2);
  body.set(fileId, 8);
  return body;
}

test("a file that is there is opened, asked about and closed at once", () => {
  messageId = 0;
  const [opened] = answered(part(Command.CREATE, createBody(existing)));
  expect(opened?.status).toBe(0);
  const fileId = Buffer.from(opened!.body.subarray(64, 80));
  const query = Buffer.alloc(41);
  query.writeUInt16LE(41, 0);
  query.set([1, 34], 2);
  query.writeUInt32LE(56, 4);
  query.set(fileId, 24);
  expect(answered(part(Command.QUERY_INFO, query)).map(({ status }) => status)).toEqual([0]);
  const [closed] = answered(part(Command.CLOSE, closeBody(fileId, 1)));
  expect(closed?.status).toBe(0);
  // With its attributes, as they were asked for.
  expect(closed!.body.readUInt32LE(56)).toBe(0x20);
  expect(server.world.share.opens.size).toBe(0);
});

test("so is one that is asked for in a case of its own, with an oplock, or in a compound", () => {
  messageId = 0;
  for (const fields of [{ ...existing, name: "D\\F" }, { ...existing, oplock: 9 }]) {
    const create = createBody(fields);
    const padded = Buffer.concat([create, Buffer.alloc((8 - (create.length % 8)) % 8)]);
    const first = part(Command.CREATE, padded, 0, 64 + padded.length);
    const both = answered(Buffer.concat([first, part(Command.CLOSE, closeBody(new Uint8Array(16).fill(0xff)), related)]));
    expect(both.map(({ status }) => status)).toEqual([0, 0]);
  }
  expect(server.world.share.opens.size).toBe(0);
});

test("one that is not there is said to be missing at once", () => {
  messageId = 0;
  expect(answered(part(Command.CREATE, createBody({ ...existing, name: "d\\none" })))[0]?.status).toBe(0xc0000034);
});
