import { afterEach, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { addressBurst, pairFreeAttempts, Throttle } from "#control/sessions/throttle.ts";
import { Squash } from "#model/credentials.ts";
import { smbSettingDefaults, type SmbSettings } from "#smb/settings.ts";
import { contextTag, derOf, DerTag } from "#wire/der.ts";
import { ntlmNegotiateBytesMax } from "#wire/ntlm.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { Mechanism, mechanismListBytesMax } from "#wire/spnego.ts";
import { createBody, emptyBody, negotiateBody, sessionSetupBody, type SmbClient, tokenOf } from "../../support/smb-client.ts";
import { ntlmAuthenticate, ntlmFlags, ntlmNegotiate } from "../../support/smb-ntlm.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";

const servers: TestSmb[] = [];
const isGuest = 1;
const isNull = 2;
const encryptData = 4;
const shareEncrypts = 0x8000;
const letIn = { smb: { encryption: "off", guest: true, continuouslyAvailable: false } } as const;

async function start(...[options, policy]: Parameters<typeof smbServer>): Promise<TestSmb> {
  const server = await smbServer(options, policy);
  servers.push(server);
  return server;
}

const settings = (changes: Partial<SmbSettings>): { settings: SmbSettings } => ({ settings: { ...smbSettingDefaults, ...changes } });

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function negotiated(server: TestSmb, dialect = 0x311): Promise<SmbClient> {
  const client = await server.connect();
  await client.negotiate({ dialects: [dialect] });
  return client;
}

/** An anonymous log-in: no name and no proof. */
async function anonymous(client: SmbClient): Promise<{ status: number; flags: number }> {
  const first = ntlmNegotiate();
  const challenged = await client.call(Command.SESSION_SETUP, sessionSetupBody(first), { sessionId: 0n });
  const { message } = ntlmAuthenticate(first, tokenOf(challenged), "", "", { ntResponse: new Uint8Array(0), mic: false, flags: ntlmFlags | 0x800 });
  message.writeUInt16LE(0, 12);
  const reply = await client.call(Command.SESSION_SETUP, sessionSetupBody(message), { sessionId: challenged.sessionId });
  if (reply.status === 0) client.sessionId = reply.sessionId;
  return { status: reply.status, flags: reply.status === 0 ? reply.body.readUInt16LE(2) : 0 };
}

test("what a log-in keeps until it is proven is short: a longer first message or list of mechanisms is refused", async () => {
  const server = await start();
  const client = await negotiated(server);
  const begin = async (token: Uint8Array): Promise<number> => (await client.call(Command.SESSION_SETUP, sessionSetupBody(token), { sessionId: 0n })).status;
  const message = (bytes: number): Buffer => Buffer.concat([ntlmNegotiate(), Buffer.alloc(bytes - 32)]);
  const offer = (bytes: number, token: Uint8Array | null): Uint8Array => {
    const ntlm = derOf(DerTag.objectIdentifier, Mechanism.ntlm);
    // Tags and lengths, two bytes of length each: of the list and of the other mechanism.
    const other = derOf(DerTag.objectIdentifier, new Uint8Array(bytes - 4 - ntlm.length - 4));
    const list = derOf(DerTag.sequence, ntlm, other);
    expect(list.length).toBe(bytes);
    const fields = [derOf(contextTag(0), list), ...(token === null ? [] : [derOf(contextTag(2), derOf(DerTag.octetString, token))])];
    return derOf(DerTag.application0, derOf(DerTag.objectIdentifier, Uint8Array.of(0x2b, 6, 1, 5, 5, 2)), derOf(contextTag(0), derOf(DerTag.sequence, ...fields)));
  };
  expect(await begin(message(ntlmNegotiateBytesMax))).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
  expect(await begin(message(ntlmNegotiateBytesMax + 1))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await begin(message(65_000))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await begin(offer(mechanismListBytesMax, null))).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
  expect(await begin(offer(mechanismListBytesMax, message(ntlmNegotiateBytesMax)))).toBe(NtStatus.MORE_PROCESSING_REQUIRED);
  expect(await begin(offer(mechanismListBytesMax, message(ntlmNegotiateBytesMax + 1)))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await begin(offer(mechanismListBytesMax + 1, null))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await begin(offer(60_000, ntlmNegotiate()))).toBe(NtStatus.INVALID_PARAMETER);
  // What was refused keeps nothing.
  expect(server.state.sessions.size).toBe(3);
});

test("a log-in is proven by NTLMv2 with its MIC; everything less is refused", async () => {
  const server = await start();
  const client = await negotiated(server);
  const attempt = async (user: string, password: string, ntlm: NonNullable<Parameters<SmbClient["login"]>[2]>["ntlm"] = {}): Promise<number> => (await client.login(user, password, { ntlm })).status;
  expect(await attempt("alice", "secret")).toBe(0);
  expect(await attempt("ALICE", "secret")).toBe(0);
  expect(await attempt("alice", "secret", { mic: false })).toBe(0);
  expect(await attempt("alice", "Secret")).toBe(NtStatus.LOGON_FAILURE);
  expect(await attempt("nobody", "secret")).toBe(NtStatus.LOGON_FAILURE);
  // NTLMv1 and LM: 24 bytes, right or not.
  expect(await attempt("alice", "secret", { ntResponse: new Uint8Array(24).fill(1) })).toBe(NtStatus.LOGON_FAILURE);
  expect(await attempt("alice", "secret", { ntResponse: new Uint8Array(0) })).toBe(NtStatus.LOGON_FAILURE);
  expect(await attempt("alice", "secret", { spoil: (message) => void (message[72]! ^= 1) })).toBe(NtStatus.LOGON_FAILURE);
  // Whoever takes away the flags of signing and key exchange on the way changes what the MIC covers.
  expect(await attempt("alice", "secret", { spoil: (message) => void message.writeUInt32LE(1, 60) })).toBe(NtStatus.LOGON_FAILURE);
});

test("nobody and guests are refused where no share lets them in", async () => {
  const server = await start();
  const client = await negotiated(server);
  expect((await anonymous(client)).status).toBe(NtStatus.ACCESS_DENIED);
  expect((await client.login("stranger", "")).status).toBe(NtStatus.LOGON_FAILURE);
  expect(server.state.sessions.size).toBe(0);
});

test("where a share lets them in, they are its anonymous user, and have no keys", async () => {
  const server = await start({}, letIn);
  const client = await negotiated(server);
  const none = await anonymous(client);
  expect(none).toEqual({ status: 0, flags: isNull });
  expect((await client.treeConnect("export")).status).toBe(0);
  const guest = await negotiated(server);
  const reply = await guest.login("stranger", "whatever");
  expect([reply.status, reply.body.readUInt16LE(2), reply.signed]).toEqual([0, isGuest, false]);
  expect((await guest.treeConnect("IPC$")).status).toBe(0);
  expect((await guest.treeConnect("export")).status).toBe(0);
  const [session] = server.state.sessions.list();
  const tree = [...session!.trees.values()][0]!;
  expect(tree.credentials()).toMatchObject({ uid: 65534, gid: 65534, superuser: false });
  // A wrong password of somebody known makes nobody a guest.
  expect((await guest.login("alice", "wrong")).status).toBe(NtStatus.LOGON_FAILURE);
});

test("a guest's log-in is no guess: whoever comes again and again as one is not slowed, whoever guesses is", async () => {
  const throttle = new Throttle(systemClock);
  const attempts = {
    begin(name: string, address: string) {
      try {
        return throttle.begin(name, address);
      } catch {
        return null;
      }
    },
  };
  const server = await start({ attempts }, letIn);
  const client = await negotiated(server);
  for (let i = 0; i < pairFreeAttempts + addressBurst; i++) expect((await client.login("stranger", "whatever")).status).toBe(0);
  for (let i = 0; i < pairFreeAttempts; i++) expect((await client.login("alice", "wrong")).status).toBe(NtStatus.LOGON_FAILURE);
  expect((await client.login("alice", "wrong")).status).toBe(NtStatus.ACCOUNT_LOCKED_OUT);
});

test("guests are never root, whatever a share says", async () => {
  for (const policy of [{ ...letIn, anonymousUid: 0 }, { ...letIn, anonymousUid: 0, squash: Squash.allToAdmin }]) {
    const server = await start({}, policy);
    expect((await anonymous(await negotiated(server))).status).toBe(NtStatus.ACCESS_DENIED);
  }
  const server = await start({}, { ...letIn, squash: Squash.allToAdmin });
  const client = await negotiated(server);
  expect((await anonymous(client)).status).toBe(0);
  expect((await client.treeConnect("export")).status).toBe(0);
  expect([...server.state.sessions.list()[0]!.trees.values()][0]!.credentials().superuser).toBeFalse();
});

test("guests are kept out where everything is to be signed or encrypted", async () => {
  for (const changes of [{ signingRequired: true }, { encryption: "required" as const }]) {
    const server = await start(settings(changes), letIn);
    expect((await anonymous(await negotiated(server))).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await (await negotiated(server)).login("stranger", "")).status).toBe(NtStatus.ACCESS_DENIED);
  }
});

test("signing is required where the server or the client says so", async () => {
  const server = await start(settings({ signingRequired: true }));
  const client = await negotiated(server, 0x210);
  await client.login("alice", "secret");
  expect((await client.call(Command.ECHO, emptyBody)).status).toBe(NtStatus.ACCESS_DENIED);
  client.signs = true;
  const reply = await client.call(Command.ECHO, emptyBody);
  expect([reply.status, client.verifies(reply)]).toEqual([0, true]);
});

for (const encryption of ["preferred", "required"] as const) {
  test(`encryption of the server ${encryption}`, async () => {
    const server = await start(settings({ encryption }));
    const client = await negotiated(server);
    const reply = await client.login("alice", "secret");
    expect([reply.status, reply.body.readUInt16LE(2)]).toEqual([0, encryptData]);
    client.signs = true;
    expect((await client.call(Command.ECHO, emptyBody)).status).toBe(NtStatus.ACCESS_DENIED);
    client.seal();
    expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
    expect(client.lastSealed).toBeTrue();
    expect((await (await negotiated(server, 0x302)).login("alice", "secret")).status).toBe(0);
    const old = await (await negotiated(server, 0x210)).login("alice", "secret");
    expect(old.status).toBe(encryption === "required" ? NtStatus.ACCESS_DENIED : 0);
    const plain = await server.connect();
    await plain.negotiate({ dialects: [0x311], ciphers: [] });
    expect((await plain.login("alice", "secret")).status).toBe(encryption === "required" ? NtStatus.ACCESS_DENIED : 0);
  });

  test(`encryption of a share ${encryption}`, async () => {
    const server = await start({}, { smb: { encryption, guest: false, continuouslyAvailable: false } });
    const client = await negotiated(server);
    expect((await client.login("alice", "secret")).body.readUInt16LE(2)).toBe(0);
    client.signs = true;
    const tree = await client.treeConnect("export");
    expect([tree.status, tree.body.readUInt32LE(4) & shareEncrypts]).toEqual([0, shareEncrypts]);
    expect((await client.call(Command.CREATE, createBody("a"), { treeId: client.treeId })).status).toBe(NtStatus.ACCESS_DENIED);
    // The session is not the share's: what names no share may go plain.
    expect((await client.call(Command.ECHO, emptyBody)).status).toBe(0);
    client.seal();
    await client.create("a");
    expect(client.lastSealed).toBeTrue();
    const old = await negotiated(server, 0x210);
    await old.login("alice", "secret");
    expect((await old.treeConnect("export")).status).toBe(encryption === "required" ? NtStatus.ACCESS_DENIED : 0);
  });
}

test("dialects outside the bounds are not spoken", async () => {
  const server = await start(settings({ dialectMin: 0x300, dialectMax: 0x302 }));
  for (const [offered, status, chosen] of [[[0x202, 0x210], NtStatus.NOT_SUPPORTED, 0], [[0x202, 0x210, 0x300, 0x302, 0x311], 0, 0x302], [[0x300], 0, 0x300], [[0x311], NtStatus.NOT_SUPPORTED, 0]] as const) {
    const client = await server.connect();
    const reply = await client.negotiate({ dialects: offered });
    expect([reply.status, client.dialect]).toEqual([status, chosen]);
  }
});

test("an SMB1 client is told to go on with SMB2", async () => {
  const smb1 = (...names: string[]): Buffer => {
    const dialects = Buffer.from(names.map((name) => `\x02${name}\0`).join(""), "latin1");
    const message = Buffer.alloc(35 + dialects.length);
    message.set([0xff, 0x53, 0x4d, 0x42, 0x72]);
    message.writeUInt16LE(dialects.length, 33);
    message.set(dialects, 35);
    return message;
  };
  const server = await start();
  const client = await server.connect();
  client.sendRaw(smb1("NT LM 0.12", "SMB 2.002", "SMB 2.???"));
  const told = await client.next();
  expect([told.status, told.body.readUInt16LE(4)]).toEqual([0, 0x2ff]);
  client.messageId = 1;
  expect((await client.negotiate()).status).toBe(0);
  expect(client.dialect).toBe(0x311);
  expect((await client.login("alice", "secret")).status).toBe(0);
  const old = await server.connect();
  old.sendRaw(smb1("NT LM 0.12", "SMB 2.002"));
  expect((await old.next()).body.readUInt16LE(4)).toBe(0x202);
  old.dialect = 0x202;
  old.messageId = 1;
  expect((await old.login("alice", "secret")).status).toBe(0);
  for (const names of [["NT LM 0.12"], []]) {
    const refused = await server.connect();
    refused.sendRaw(smb1(...names));
    await refused.closedByServer();
  }
  // Between the two NEGOTIATEs there is nothing else to say.
  const hasty = await server.connect();
  hasty.sendRaw(smb1("SMB 2.???"));
  await hasty.next();
  hasty.send(Command.ECHO, emptyBody, { messageId: 1 });
  await hasty.closedByServer();
});

test("3.1.1 needs its preauthentication integrity, and takes what both know of the rest", async () => {
  const server = await start();
  const without = await server.connect();
  const body = negotiateBody({ dialects: [0x311] });
  body.writeUInt16LE(0, 32);
  expect((await without.call(Command.NEGOTIATE, body)).status).toBe(NtStatus.INVALID_PARAMETER);
  const unknownHash = await server.connect();
  const other = negotiateBody({ dialects: [0x311] });
  other.writeUInt16LE(77, other.readUInt32LE(28) - 64 + 8 + 4);
  expect((await unknownHash.call(Command.NEGOTIATE, other)).status).toBe(NtStatus.SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP);
  for (const [signing, algorithm] of [[[2, 1, 0], "gmac"], [[1], "cmac"], [[0], "hmac"], [[], "cmac"], [[99], "cmac"]] as const) {
    const client = await server.connect();
    await client.negotiate({ dialects: [0x311], signing });
    expect(client.algorithm).toBe(algorithm);
    const reply = await client.login("alice", "secret");
    expect(client.verifies(reply)).toBeTrue();
  }
  for (const [ciphers, cipher] of [[[1, 2, 3, 4], 2], [[3, 4], 4], [[3], 3], [[1], 1], [[99], 0], [[], 0]] as const) {
    const client = await server.connect();
    await client.negotiate({ dialects: [0x311], ciphers });
    expect(client.cipher).toBe(cipher);
  }
});

test("a TREE_CONNECT of 3.1.1 that is neither signed nor encrypted costs the connection", async () => {
  const server = await start();
  const client = await negotiated(server);
  await client.login("alice", "secret");
  client.send(Command.TREE_CONNECT, Buffer.concat([Buffer.from([9, 0, 0, 0, 72, 0, 24, 0]), Buffer.from("\\\\s\\export!!", "utf16le")]));
  await client.closedByServer();
});

test("too many attempts are refused before anything is proven", async () => {
  const asked: [string, string][] = [];
  const server = await start({ attempts: { begin: (name, address) => (asked.push([name, address]), null) } });
  const client = await negotiated(server);
  expect((await client.login("alice", "secret")).status).toBe(NtStatus.ACCOUNT_LOCKED_OUT);
  expect(asked).toEqual([["alice", "127.0.0.1"]]);
});
