import { afterEach, expect, test } from "bun:test";
import { withoutSessionMs } from "#smb/connection.ts";
import { heardMs } from "#smb/lease/told-breaks.ts";
import { channelsMax, sessionOpensMax } from "#smb/session/session.ts";
import { begunMax, userSessionsMax } from "#smb/session/sessions.ts";
import { setupMs, setupsMax } from "#smb/session/setup.ts";
import { smbSettingDefaults } from "#smb/settings.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { FsControl } from "#wire/smb2/io.ts";
import { encodeLeaseContext } from "#wire/smb2/lease.ts";
import { closeBody, createBody, emptyBody, queryInfoBody, sessionSetupBody, type SmbClient } from "../../support/smb-client.ts";
import { ioctlBody, readBody, SmbFiles } from "../../support/smb-requests.ts";
import { ntlmNegotiate } from "../../support/smb-ntlm.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { until } from "../../support/wait.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const binding = 1;
const servers: TestSmb[] = [];

async function start(...options: Parameters<typeof smbServer>): Promise<TestSmb> {
  const server = await smbServer(...options);
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

/** Another connection, bound to the session of `first`. */
async function bound(server: TestSmb, first: SmbClient, options: Parameters<SmbClient["login"]>[2] = {}, user = "alice"): Promise<{ client: SmbClient; status: number }> {
  const client = await server.connect();
  await client.negotiate({ dialects: [first.dialect] });
  const reply = await client.login(user, "secret", { sessionId: first.sessionId, flags: binding, signWith: first.keys!.signing, ...options });
  client.signs = true;
  client.treeId = first.treeId;
  return { client, status: reply.status };
}

async function withFile(server: TestSmb, dialect = 0x311): Promise<{ client: SmbClient; file: Buffer }> {
  const client = await server.client({ dialects: [dialect] });
  client.signs = true;
  expect((await client.treeConnect("export")).status).toBe(0);
  return { client, file: await client.create("a") };
}

const query = async (client: SmbClient, file: Buffer): Promise<number> => (await client.call(Command.QUERY_INFO, queryInfoBody(file), { treeId: client.treeId })).status;

for (const dialect of [0x300, 0x302, 0x311]) {
  test(`a second connection is bound to a session and sees its trees and files (${dialect.toString(16)})`, async () => {
    const server = await start();
    const { client, file } = await withFile(server, dialect);
    const { client: second, status } = await bound(server, client);
    expect(status).toBe(0);
    expect(second.keys!.signing).not.toEqual(client.keys!.signing);
    const reply = await second.call(Command.QUERY_INFO, queryInfoBody(file), { treeId: client.treeId });
    expect(reply.status).toBe(0);
    expect(second.verifies(reply)).toBeTrue();
    // The session goes with its last connection only.
    client.close();
    await until("the first connection is gone", 5000, () => (server.state.sessions.list()[0]?.channels.length === 1 ? true : null));
    expect(await query(second, file)).toBe(0);
    second.close();
    await until("the session ends", 5000, () => (server.state.sessions.size === 0 && server.state.opens.size === 0 ? true : null));
  });
}

test("a connection from where a share lets nobody in does not reach it by a session's other connection", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const { client: second } = await bound(server, client);
  const transport = server.state.sessions.list()[0]!.channels[1]!.connection.transport;
  Object.defineProperty(transport, "address", { value: "192.0.2.1" });
  expect(await query(second, file)).toBe(NtStatus.ACCESS_DENIED);
  expect(await query(client, file)).toBe(0);
});

test("nobody is bound to a session who can't prove that it is his", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const wrongKey = new Uint8Array(16).fill(1);
  expect((await bound(server, client, { signWith: wrongKey })).status).toBe(NtStatus.ACCESS_DENIED);
  expect((await bound(server, client, {}, "bob")).status).toBe(NtStatus.ACCESS_DENIED);
  const unsigned = await server.connect();
  await unsigned.negotiate({ dialects: [0x311] });
  expect((await unsigned.login("alice", "secret", { sessionId: client.sessionId, flags: binding })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await unsigned.login("alice", "secret", { sessionId: client.sessionId })).status).toBe(NtStatus.USER_SESSION_DELETED);
  expect((await unsigned.login("alice", "secret", { sessionId: 12345n, flags: binding })).status).toBe(NtStatus.USER_SESSION_DELETED);
  expect((await unsigned.login("alice", "secret", { flags: binding })).status).toBe(NtStatus.INVALID_PARAMETER);
  expect(await query(client, file)).toBe(0);
});

test("a session's key signs nothing for a connection that doesn't know it", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const stranger = await server.connect();
  await stranger.negotiate({ dialects: [0x311] });
  stranger.sessionId = client.sessionId;
  stranger.keys = { ...client.keys!, signing: new Uint8Array(16) };
  stranger.signs = true;
  const answers = [
    await stranger.call(Command.QUERY_INFO, queryInfoBody(file), { treeId: client.treeId }),
    await stranger.call(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate(), { flags: binding })),
    await stranger.call(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate())),
  ];
  expect(answers.map(({ status }) => status)).toEqual([NtStatus.USER_SESSION_DELETED, NtStatus.ACCESS_DENIED, NtStatus.USER_SESSION_DELETED]);
  expect(answers.map((each) => each.bytes.subarray(48, 64).every((byte) => byte === 0))).toEqual([true, true, true]);
});

test("who knows a session's key, but isn't bound to it, is told so in a way he can trust, where the key may sign under one message id twice", async () => {
  const server = await start();
  for (const dialect of [0x210, 0x302]) {
    const { client, file } = await withFile(server, dialect);
    const other = await server.connect();
    await other.negotiate({ dialects: [dialect] });
    Object.assign(other, { sessionId: client.sessionId, keys: client.keys, signs: true });
    const told = await other.call(Command.QUERY_INFO, queryInfoBody(file), { treeId: client.treeId });
    expect([told.status, other.verifies(told)]).toEqual([NtStatus.USER_SESSION_DELETED, true]);
  }
});

// GMAC's nonce is the message id: two answers signed under one tell who has both enough to sign as he likes.
test("a request signed with GMAC that is sent again on a connection not bound to its session has no answer signed", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  expect(client.algorithm).toBe("gmac");
  const stranger = async (options: Parameters<SmbClient["negotiate"]>[0] = { dialects: [0x311] }): Promise<SmbClient> => {
    const other = await server.connect();
    await other.negotiate(options);
    return other;
  };
  const again = async (message: Buffer, on: SmbClient, answers = 1): Promise<readonly (readonly [number, boolean])[]> => {
    on.sendRaw(message);
    const told: (readonly [number, boolean])[] = [];
    for (let i = 0; i < answers; i++) {
      const reply = await on.next();
      told.push([reply.status, reply.bytes.subarray(48, 64).some((byte) => byte !== 0)]);
    }
    return told;
  };
  const captured = (command: number, body: Buffer): Buffer => client.signed(client.request(command, body, { treeId: client.treeId, messageId: 1 }));
  const gone = [NtStatus.USER_SESSION_DELETED, false] as const;
  expect(await again(captured(Command.QUERY_INFO, queryInfoBody(file)), await stranger())).toEqual([gone]);
  expect(await again(captured(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate())), await stranger())).toEqual([gone]);
  const body = queryInfoBody(file);
  const padded = Buffer.concat([body, Buffer.alloc((8 - (body.length % 8)) % 8)]);
  const first = client.signed(client.request(Command.QUERY_INFO, padded, { treeId: client.treeId, messageId: 1, next: 64 + padded.length }));
  const related = client.signed(client.request(Command.QUERY_INFO, body, { treeId: client.treeId, messageId: 2, flags: 4 }));
  expect(await again(Buffer.concat([first, related]), await stranger(), 2)).toEqual([gone, [NtStatus.INVALID_PARAMETER, false]]);
  // An answer to a binding is signed: clients take no other, not even one that refuses.
  const bind = captured(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate(), { flags: binding }));
  expect(await again(bind, await stranger())).toEqual([[NtStatus.MORE_PROCESSING_REQUIRED, true]]);
  expect(await again(bind, await stranger({ dialects: [0x311], signing: [1] }))).toEqual([[NtStatus.REQUEST_OUT_OF_SEQUENCE, true]]);
  expect(await query(client, file)).toBe(0);
});

test("what the connections agreed on has to be the same", async () => {
  const server = await start();
  const { client } = await withFile(server);
  const other = async (options: Parameters<SmbClient["negotiate"]>[0]): Promise<number> => {
    const second = await server.connect();
    await second.negotiate(options);
    second.algorithm = client.algorithm;
    return (await second.login("alice", "secret", { sessionId: client.sessionId, flags: binding, signWith: client.keys!.signing })).status;
  };
  expect(await other({ dialects: [0x210] })).toBe(NtStatus.REQUEST_OUT_OF_SEQUENCE);
  expect(await other({ dialects: [0x311], signing: [1] })).toBe(NtStatus.REQUEST_OUT_OF_SEQUENCE);
  expect(await other({ dialects: [0x311], ciphers: [4] })).toBe(NtStatus.INVALID_PARAMETER);
});

test(`a session has at most ${channelsMax} connections`, async () => {
  const server = await start();
  const { client } = await withFile(server);
  for (let i = 1; i < channelsMax; i++) expect((await bound(server, client)).status).toBe(0);
  expect((await bound(server, client)).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
});

test("a user proves again who he is and keeps what he has; one who can't loses it", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const keys = client.keys!;
  const again = await client.login("alice", "secret", { sessionId: client.sessionId, signWith: keys.signing });
  client.keys = keys;
  expect([again.status, client.verifies(again)]).toEqual([0, true]);
  expect(await query(client, file)).toBe(0);
  const failed = await client.login("alice", "wrong", { sessionId: client.sessionId, signWith: keys.signing });
  expect(failed.status).toBe(NtStatus.LOGON_FAILURE);
  expect(await query(client, file)).toBe(NtStatus.USER_SESSION_DELETED);
  expect([server.state.sessions.size, server.state.opens.size]).toEqual([0, 0]);
});

test("a client that came back takes its old session with it, and nobody else's", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const bob = await server.connect();
  await bob.negotiate();
  expect((await bob.login("bob", "secret", { previous: client.sessionId })).status).toBe(0);
  expect(await query(client, file)).toBe(0);
  const back = await server.connect();
  await back.negotiate();
  expect((await back.login("alice", "secret", { previous: client.sessionId })).status).toBe(0);
  expect(await query(client, file)).toBe(NtStatus.USER_SESSION_DELETED);
  expect(server.state.opens.size).toBe(0);
});

test("LOGOFF and TREE_DISCONNECT close what is open", async () => {
  const server = await start();
  const { client } = await withFile(server);
  await client.create("b");
  expect(server.state.opens.size).toBe(2);
  expect((await client.call(Command.TREE_DISCONNECT, emptyBody, { treeId: client.treeId })).status).toBe(0);
  expect(server.state.opens.size).toBe(0);
  expect((await client.call(Command.CREATE, createBody("c"), { treeId: client.treeId })).status).toBe(NtStatus.NETWORK_NAME_DELETED);
  await client.treeConnect("export");
  await client.create("c");
  const off = await client.call(Command.LOGOFF, emptyBody);
  expect([off.status, client.verifies(off), server.state.opens.size]).toEqual([0, true, 0]);
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(NtStatus.USER_SESSION_DELETED);
});

test("trees and files of another session are none of this one's", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const bob = await server.connect();
  await bob.negotiate({ dialects: [0x311] });
  await bob.login("bob", "secret");
  expect(await query(bob, file)).toBe(NtStatus.NETWORK_NAME_DELETED);
  bob.signs = true;
  await bob.treeConnect("export");
  expect(await query(bob, file)).toBe(NtStatus.FILE_CLOSED);
  expect((await bob.call(Command.CLOSE, closeBody(file), { treeId: bob.treeId })).status).toBe(NtStatus.FILE_CLOSED);
  // Nor may one client speak in the session of another.
  bob.sessionId = client.sessionId;
  bob.signs = false;
  expect(await query(bob, file)).toBe(NtStatus.USER_SESSION_DELETED);
  expect(await query(client, file)).toBe(0);
});

for (const oplock of [9, 0xff]) {
  test(`a break that a client was told of on a connection that is lost is told again on another of its session (${oplock === 9 ? "oplock" : "lease"})`, async () => {
    const server = await start();
    const first = await server.client();
    first.signs = true;
    const files = await SmbFiles.of(first);
    const asked = { version: 2, key: new Uint8Array(16).fill(7), state: 7, parentKey: null, epoch: 1 } as const;
    expect((await files.create({ name: "a", oplock, contexts: oplock === 9 ? [] : [["RqLs", encodeLeaseContext(asked, 0)]] })).oplock).toBe(oplock);
    const { client: second } = await bound(server, first);
    const other = await server.client();
    (await SmbFiles.of(other)).send(Command.CREATE, createBody("a"));
    expect((await other.next()).status).toBe(NtStatus.PENDING);
    const breaks = [first, second].map((client) => ({ client, message: client.next() }));
    const told = await Promise.race(breaks.map(async ({ client, message }) => ({ client, message: await message })));
    expect(told.message.command).toBe(Command.OPLOCK_BREAK);
    told.client.close();
    const again = await breaks.find(({ client }) => client !== told.client)!.message;
    expect(again.command).toBe(Command.OPLOCK_BREAK);
    expect(again.body).toEqual(told.message.body);
  });
}

for (const oplock of [9, 0xff]) {
  test(`so is one that the client's machine does not acknowledge (${oplock === 9 ? "oplock" : "lease"})`, async () => {
    const clock = new ManualClock();
    const server = await start({ clock, settings: { ...smbSettingDefaults, testControls: true } });
    const first = await server.client();
    first.signs = true;
    const files = await SmbFiles.of(first);
    const asked = { version: 2, key: new Uint8Array(16).fill(7), state: 7, parentKey: null, epoch: 1 } as const;
    expect((await files.create({ name: "a", oplock, contexts: oplock === 9 ? [] : [["RqLs", encodeLeaseContext(asked, 0)]] })).oplock).toBe(oplock);
    const { client: second } = await bound(server, first);
    // The first of its connections that is there hears of it first.
    const [told, left] = [first, second];
    const countsAsLost = ioctlBody(FsControl.TORTURE_COUNT_AS_LOST, new Uint8Array(16).fill(0xff));
    expect((await told.call(Command.IOCTL, countsAsLost, { sessionId: 0n, treeId: 0 })).status).toBe(NtStatus.SUCCESS);
    const other = await server.client();
    (await SmbFiles.of(other)).send(Command.CREATE, createBody("a"));
    expect((await other.next()).status).toBe(NtStatus.PENDING);
    const message = await told.next();
    expect(message.command).toBe(Command.OPLOCK_BREAK);
    clock.pass(heardMs);
    const again = await left.next();
    expect(again.command).toBe(Command.OPLOCK_BREAK);
    expect(again.body).toEqual(message.body);
  });
}

test("controls of a test suite are answered where they are wanted, and change only the connection they come by", async () => {
  const unwanted = await start();
  const stranger = await unwanted.client();
  const nobody = new Uint8Array(16).fill(0xff);
  expect((await stranger.call(Command.IOCTL, ioctlBody(FsControl.TORTURE_COUNT_AS_LOST, nobody), { sessionId: 0n, treeId: 0 })).status).toBe(NtStatus.USER_SESSION_DELETED);
  const server = await start({ settings: { ...smbSettingDefaults, testControls: true } });
  const files = await SmbFiles.of(await server.client());
  const others = await SmbFiles.of(await server.client());
  const { fileId } = await files.create({ name: "a" });
  const their = await others.create({ name: "a" });
  expect(await files.write(fileId, 0, Buffer.from("text"))).toBe(NtStatus.SUCCESS);
  expect((await files.call(Command.IOCTL, ioctlBody(FsControl.TORTURE_PAD_READS, nobody))).status).toBe(NtStatus.SUCCESS);
  const padded = await files.call(Command.READ, readBody(fileId, 0, 4));
  expect([padded.body[2], padded.bytes.subarray(88, 92).toString()]).toEqual([88, "text"]);
  const plain = await others.call(Command.READ, readBody(their.fileId, 0, 4));
  expect([plain.body[2], plain.bytes.subarray(80, 84).toString()]).toEqual([80, "text"]);
  const long = await files.call(Command.IOCTL, ioctlBody(FsControl.TORTURE_PAD_IOCTL, nobody, new Uint8Array(0), 3));
  expect([long.body.readUInt32LE(32), long.body.readUInt32LE(36)]).toEqual([64 + 48 + 8, 3]);
});

test("a session has no more open at a time than its share of all", async () => {
  const server = await start();
  const { client, file } = await withFile(server);
  const [session] = server.state.sessions.list();
  session!.opens = sessionOpensMax;
  expect((await client.call(Command.CREATE, createBody("b"), { treeId: client.treeId })).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
  const { treeId } = await client.treeConnect("IPC$");
  expect((await client.call(Command.CREATE, createBody("srvsvc", { disposition: 1 }), { treeId })).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
  session!.opens = 1;
  expect((await client.treeConnect("export")).status).toBe(0);
  expect(await client.create("b")).not.toEqual(file);
});

test("a session whose time is up answers only what ends or closes something, until its user proves who he is", async () => {
  const clock = new ManualClock();
  const server = await start({ clock });
  const { client, file } = await withFile(server);
  clock.pass(1);
  server.state.sessions.list()[0]!.expiresMs = 1;
  expect(await query(client, file)).toBe(NtStatus.NETWORK_SESSION_EXPIRED);
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
  expect((await client.call(Command.CLOSE, closeBody(file), { treeId: client.treeId })).status).toBe(0);
  expect((await client.call(Command.LOGOFF, emptyBody)).status).toBe(0);
});

test("log-ins that are only begun are bounded, and end by themselves", async () => {
  const clock = new ManualClock();
  const server = await start({ clock });
  const client = await server.connect();
  await client.negotiate();
  for (let i = 0; i < setupsMax; i++) expect((await client.call(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate()))).status).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
  expect((await client.call(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate()))).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
  expect(server.state.sessions.size).toBe(setupsMax);
  clock.pass(setupMs);
  expect(server.state.sessions.size).toBe(0);
  const begun = await client.call(Command.SESSION_SETUP, sessionSetupBody(ntlmNegotiate()));
  expect(begun.status).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
  // A session that is only begun is none.
  expect((await client.call(Command.ECHO, emptyBody, { sessionId: begun.sessionId })).status).toBe(NtStatus.USER_SESSION_DELETED);
  client.close();
  await until("nothing is left of it", 5000, () => (server.state.sessions.size === 0 ? true : null));
});

test("whoever begins log-ins on many connections and ends none keeps nobody out: the oldest are given up", async () => {
  const server = await start();
  const first = sessionSetupBody(ntlmNegotiate());
  const ids: bigint[] = [];
  let eldest: SmbClient | null = null;
  while (ids.length < begunMax + setupsMax) {
    const client = await server.connect();
    eldest ??= client;
    await client.negotiate();
    for (let i = 0; i < setupsMax; i++) {
      const reply = await client.call(Command.SESSION_SETUP, first, { sessionId: 0n });
      expect(reply.status).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
      ids.push(reply.sessionId);
    }
  }
  expect(server.state.sessions.size).toBe(begunMax);
  expect((await eldest!.call(Command.SESSION_SETUP, first, { sessionId: ids[0]! })).status).toBe(NtStatus.USER_SESSION_DELETED);
  const honest = await server.client();
  expect((await honest.treeConnect("export")).status).toBe(0);
  expect(server.state.sessions.size).toBe(begunMax);
});

test("a user has no more sessions than his share, and keeps nobody else out", async () => {
  const server = await start();
  const { sessions } = server.state;
  const others = Array.from({ length: userSessionsMax - 1 }, () => sessions.create()!);
  for (const other of others) expect(sessions.give(other, 1000)).toBe(true);
  const first = await server.client();
  const refused = await server.connect();
  await refused.negotiate();
  expect((await refused.login("alice", "secret")).status).toBe(NtStatus.INSUFFICIENT_RESOURCES);
  expect((await refused.login("bob", "secret")).status).toBe(0);
  expect((await first.call(Command.LOGOFF, emptyBody)).status).toBe(0);
  const again = await server.connect();
  await again.negotiate();
  expect((await again.login("alice", "secret")).status).toBe(0);
  for (const other of others) sessions.remove(other);
});

test("connections nobody is logged in on make room for others, the oldest first; those with a session stay", async () => {
  const server = await start({ connectionsMax: 4 });
  const used = await server.client();
  const left = await server.client();
  await left.call(Command.LOGOFF, emptyBody);
  const begun = [await server.connect(), await server.connect()];
  for (const client of begun) await client.negotiate();
  const more = await server.client();
  await left.closedByServer();
  const another = await server.client();
  await begun[0]!.closedByServer();
  for (const client of [used, more, another]) expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
  expect((await begun[1]!.login("bob", "secret")).status).toBe(0);
});

test("a connection nobody logs in on is closed; one with a session stays", async () => {
  const clock = new ManualClock();
  const server = await start({ clock });
  const idle = await server.connect();
  await idle.negotiate();
  const used = await server.client();
  clock.pass(withoutSessionMs);
  await idle.closedByServer();
  expect((await used.call(Command.ECHO, emptyBody)).status).toBe(0);
  await used.call(Command.LOGOFF, emptyBody);
  clock.pass(withoutSessionMs);
  await used.closedByServer();
});
