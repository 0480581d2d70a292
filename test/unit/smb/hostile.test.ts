import { afterEach, beforeEach, expect, test } from "bun:test";
import { transferBytesMax } from "#smb/settings.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { createBody, emptyBody, negotiateBody, queryInfoBody, sessionSetupBody, type SmbClient, tokenOf } from "../../support/smb-client.ts";
import { ntlmAuthenticate, ntlmNegotiate } from "../../support/smb-ntlm.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { compound, packet } from "../../support/smb-wire.ts";
import { until } from "../../support/wait.ts";

const related = 4;
const commands = 19;
let server: TestSmb;
/** A client that does nothing wrong, to see that nobody else's misdeeds touch it. */
let witness: SmbClient;

beforeEach(async () => {
  server = await smbServer();
  witness = await server.client();
  witness.signs = true;
  await witness.treeConnect("export");
  await witness.create("witness");
});

afterEach(async () => {
  expect((await witness.call(Command.ECHO, emptyBody)).status).toBe(0);
  expect(server.state.opens.size).toBe(1);
  await server.stop();
});

/** A client at work in the share. */
async function working(options: Parameters<SmbClient["negotiate"]>[0] = { dialects: [0x210] }): Promise<SmbClient> {
  const client = await server.client(options);
  await client.treeConnect("export");
  return client;
}

/** The server cuts the connection, and what it had open is gone with it. */
async function isCut(client: SmbClient): Promise<void> {
  await client.closedByServer();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
}

for (const [what, next] of [["beyond the message", 4096], ["into the header", 32], ["to an odd place", 76], ["to the very end", 72], ["backwards", 0xfffffff8]] as const) {
  test(`a compound that goes on ${what} costs the connection`, async () => {
    const client = await working();
    const first = client.request(Command.ECHO, emptyBody, { next });
    client.sendRaw(Buffer.concat([first, Buffer.alloc(4)]));
    await isCut(client);
  });
}

test("a compound of more requests than there may be costs the connection", async () => {
  const client = await working();
  const parts = Array.from({ length: 65 }, () => client.request(Command.ECHO, emptyBody));
  client.sendRaw(compound(...parts));
  await isCut(client);
});

test("what is malformed in the middle of a compound stops it there", async () => {
  const client = await working();
  const bad = client.request(Command.ECHO, emptyBody);
  bad.writeUInt16LE(63, 4);
  client.sendRaw(compound(client.request(Command.CREATE, createBody("a"), { treeId: client.treeId }), bad, client.request(Command.CREATE, createBody("b"), { treeId: client.treeId })));
  await isCut(client);
});

test("a header that is none costs the connection", async () => {
  for (const spoil of [(b: Buffer) => b.writeUInt16LE(65, 4), (b: Buffer) => b.writeUInt32LE(0x424d5300, 0), (b: Buffer) => b.writeUInt32LE(0x424d53ff, 0)]) {
    const client = await working();
    const request = client.request(Command.ECHO, emptyBody);
    spoil(request);
    client.sendRaw(request);
    await isCut(client);
  }
  const client = await working();
  client.sendRaw(Buffer.from([0xfe]));
  await isCut(client);
});

test("a body whose structure lies is refused, and nothing else happens", async () => {
  const client = await working();
  for (let command: number = Command.SESSION_SETUP; command < commands; command++) {
    if (command === Command.CANCEL) continue;
    for (const body of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(120), Buffer.alloc(120, 0xff), Buffer.alloc(3)]) {
      const reply = await client.call(command, body, { treeId: client.treeId });
      expect(reply.status === NtStatus.INVALID_PARAMETER || reply.status === NtStatus.NOT_SUPPORTED).toBeTrue();
    }
  }
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("variable parts that lie outside their message are refused", async () => {
  const client = await working();
  const cuts: [number, number, number][] = [];
  for (const [command, offsetAt, lengthAt] of [[Command.CREATE, 44, 46], [Command.TREE_CONNECT, 4, 6], [Command.SESSION_SETUP, 12, 14]] as const) cuts.push([command, offsetAt, lengthAt]);
  for (const [command, offsetAt, lengthAt] of cuts) {
    for (const [offset, length] of [[8, 8], [0xffff, 8], [120, 0xffff], [0xffff, 0xffff]] as const) {
      const body = command === Command.CREATE ? createBody("x") : Buffer.alloc(64);
      if (command === Command.TREE_CONNECT) body.writeUInt16LE(9, 0);
      if (command === Command.SESSION_SETUP) body.writeUInt16LE(25, 0);
      body.writeUInt16LE(offset, offsetAt);
      body.writeUInt16LE(length, lengthAt);
      expect((await client.call(command, body, { treeId: client.treeId })).status).toBe(NtStatus.INVALID_PARAMETER);
    }
  }
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("credits that were never granted can't be used", async () => {
  const client = await working();
  client.send(Command.ECHO, emptyBody, { messageId: 100_000 });
  await isCut(client);
  const greedy = await working();
  greedy.send(Command.ECHO, emptyBody, { charge: 60_000 });
  await isCut(greedy);
});

test("a message id is good once", async () => {
  const client = await working();
  const request = client.request(Command.ECHO, emptyBody);
  client.sendRaw(request);
  expect((await client.next()).status).toBe(0);
  client.sendRaw(request);
  await isCut(client);
  // Also where one before it is still to come.
  const ahead = await working();
  const later = ahead.request(Command.ECHO, emptyBody, { messageId: ahead.messageId + 5 });
  ahead.sendRaw(later);
  expect((await ahead.next()).status).toBe(0);
  ahead.sendRaw(later);
  await isCut(ahead);
});

test("more is asked for than its credits pay for: refused", async () => {
  const client = await working();
  const body = queryInfoBody(Buffer.alloc(16));
  body.writeUInt32LE(65_537, 4);
  expect((await client.call(Command.QUERY_INFO, body, { treeId: client.treeId })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await client.call(Command.QUERY_INFO, body, { treeId: client.treeId, charge: 2 })).status).toBe(NtStatus.FILE_CLOSED);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("a client has no more credits at a time than the window, however many it asks for", async () => {
  const client = await working();
  let granted = 0;
  for (let i = 0; i < 20; i++) granted += (await client.call(Command.ECHO, emptyBody, { credits: 65_535 })).credits;
  expect(granted).toBeLessThanOrEqual(8192 + 20);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("a request before NEGOTIATE, and a second NEGOTIATE, cost the connection", async () => {
  const early = await server.connect();
  early.sendRaw(packet({ command: Command.ECHO }, emptyBody));
  await early.closedByServer();
  const client = await working();
  client.send(Command.NEGOTIATE, negotiateBody());
  await isCut(client);
});

test("commands and flags nobody knows are refused", async () => {
  const client = await working();
  expect((await client.call(19, emptyBody)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await client.call(0xffff, emptyBody)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await client.call(Command.ECHO, emptyBody, { flags: 0x8000 })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await client.call(Command.ECHO, emptyBody, { flags: 2 })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await client.call(Command.ECHO, emptyBody, { flags: related })).status).toBe(NtStatus.INVALID_PARAMETER);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

for (const dialect of [0x210, 0x302, 0x311]) {
  test(`a changed message is refused, and does nothing (${dialect.toString(16)})`, async () => {
    const client = await server.client({ dialects: [dialect] });
    client.signs = true;
    await client.treeConnect("export");
    for (let i = 0; i < 40; i++) {
      const request = client.signed(client.request(Command.CREATE, createBody(`file${i}`), { treeId: client.treeId }));
      // Any bit of what follows the ids, signature and body alike.
      const at = 48 + ((i * 7) % (request.length - 48));
      request[at]! ^= 1 << (i % 8);
      client.sendRaw(request);
      const reply = await client.next();
      expect([reply.status, client.verifies(reply)]).toEqual([NtStatus.ACCESS_DENIED, true]);
    }
    client.close();
    await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
  });
}

test("a session that signs can't be used without", async () => {
  const client = await server.client({ securityMode: 3 });
  client.signs = true;
  await client.treeConnect("export");
  client.signs = false;
  expect((await client.call(Command.CREATE, createBody("a"), { treeId: client.treeId })).status).toBe(NtStatus.ACCESS_DENIED);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

for (const cipher of [1, 2, 3, 4]) {
  test(`changed ciphertext, header or session of an encrypted message costs the connection (cipher ${cipher})`, async () => {
    for (const at of [4, 19, 20, 36, 42, 44, 52, 60, -1]) {
      const client = await server.client({ ciphers: [cipher] });
      client.seal();
      expect((await client.treeConnect("export")).status).toBe(0);
      const sealed = client.sealer!.seal(client.request(Command.CREATE, createBody("a"), { treeId: client.treeId }), Number(client.sessionId));
      sealed[at < 0 ? sealed.length + at : at]! ^= 0x10;
      client.sendRaw(sealed);
      await isCut(client);
    }
  });
}

test("an encrypted message speaks for no other session", async () => {
  const client = await server.client();
  const first = client.sessionId;
  expect((await client.login("bob", "secret")).status).toBe(0);
  client.seal();
  expect((await client.call(Command.ECHO, emptyBody, { sessionId: first })).status).toBe(NtStatus.ACCESS_DENIED);
  client.close();
  await until("its sessions are gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("an encrypted message inside an encrypted message costs the connection", async () => {
  const client = await server.client();
  client.seal();
  const inner = client.sealer!.seal(client.request(Command.ECHO, emptyBody), Number(client.sessionId));
  client.sendRaw(client.sealer!.seal(inner, Number(client.sessionId)));
  await isCut(client);
});

test("whoever changes a NEGOTIATE on its way is found out: 3.1.1 by its keys", async () => {
  const client = await server.connect();
  await client.negotiate();
  // What the client believes to have said is not what the server heard.
  client.preauth = Buffer.alloc(64, 1);
  const reply = await client.login("alice", "secret");
  expect([reply.status, client.verifies(reply)]).toEqual([0, false]);
  client.signs = true;
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(NtStatus.ACCESS_DENIED);
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("whoever changes a NEGOTIATE on its way is found out: 3.0 by asking", async () => {
  for (const [changed, lost] of [[false, false], [true, true]] as const) {
    const client = await server.client({ dialects: [0x210, 0x300] });
    client.signs = true;
    await client.treeConnect("IPC$");
    const input = Buffer.alloc(24 + (changed ? 6 : 4));
    input.writeUInt32LE(0x7f, 0);
    input.fill(7, 4, 20);
    input.writeUInt16LE(1, 20);
    input.writeUInt16LE(changed ? 3 : 2, 22);
    [0x210, 0x300, 0x302].slice(0, changed ? 3 : 2).forEach((dialect, i) => input.writeUInt16LE(dialect, 24 + 2 * i));
    const body = Buffer.alloc(56 + input.length);
    body.writeUInt16LE(57, 0);
    body.writeUInt32LE(0x00140204, 4);
    body.fill(0xff, 8, 24);
    body.writeUInt32LE(120, 24);
    body.writeUInt32LE(input.length, 28);
    body.writeUInt32LE(1024, 44);
    body.writeUInt32LE(1, 48);
    body.set(input, 56);
    client.send(Command.IOCTL, body, { treeId: client.treeId });
    if (lost) await isCut(client);
    else expect((await client.next()).status).toBe(0);
    client.close();
    await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
  }
});

test("frames that promise more than a message may have cost the connection at once", async () => {
  for (const header of [[0, 0xff, 0xff, 0xff], [1, 0, 0, 4], [0x80, 0, 0, 4], [0xff, 0xff, 0xff, 0xff]]) {
    const client = await working();
    client.raw.send(Buffer.from(header));
    await isCut(client);
  }
  expect(transferBytesMax + 65_536).toBeLessThan(0xffffff);
});

test("info classes nobody knows have their status", async () => {
  const client = await working();
  const file = await client.create("witness", { disposition: 1 });
  const refusals: readonly number[] = [NtStatus.INVALID_INFO_CLASS, NtStatus.INVALID_PARAMETER, NtStatus.NOT_SUPPORTED];
  for (const [type, level] of [[1, 200], [2, 200], [9, 1], [0, 0], [255, 255]] as const) {
    const body = queryInfoBody(file);
    body[2] = type;
    body[3] = level;
    expect(refusals).toContain((await client.call(Command.QUERY_INFO, body, { treeId: client.treeId })).status);
  }
  client.close();
  await until("its session is gone", 5000, () => (server.state.sessions.size === 1 ? true : null));
});

test("security tokens of random bytes and tokens that nest end in a refusal", async () => {
  const random = new SeededRandom(1);
  const client = await server.connect();
  await client.negotiate();
  const refusals: readonly number[] = [NtStatus.INVALID_PARAMETER, NtStatus.LOGON_FAILURE];
  const nested = Array.from({ length: 2000 }).reduce<Buffer>((inner) => Buffer.concat([Buffer.from([0x60, 0x84, 0, 0, inner.length >> 8, inner.length]), inner]), Buffer.alloc(0));
  const tokens = [Buffer.alloc(0), nested, Buffer.alloc(0x7fff, 0x60), Buffer.alloc(0x7fff, 0xa1), ...Array.from({ length: 200 }, () => random.bytes(random.below(400)))];
  for (const token of tokens) expect(refusals).toContain((await client.call(Command.SESSION_SETUP, sessionSetupBody(token))).status);
  for (let i = 0; i < 200; i++) {
    const first = ntlmNegotiate();
    const challenged = await client.call(Command.SESSION_SETUP, sessionSetupBody(first));
    const { message } = ntlmAuthenticate(first, tokenOf(challenged), "alice", "secret");
    for (let n = 1 + random.below(3); n > 0; n--) message[12 + random.below(message.length - 12)]! ^= random.between(1, 255);
    const reply = await client.call(Command.SESSION_SETUP, sessionSetupBody(message), { sessionId: challenged.sessionId });
    // The MIC covers all of it, also what nobody reads.
    expect(refusals).toContain(reply.status);
    expect(reply.sessionId).toBe(challenged.sessionId);
  }
  expect(server.state.sessions.size).toBe(1);
});
