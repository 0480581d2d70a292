import { afterEach, beforeEach, expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeLeaseContext } from "#wire/smb2/lease.ts";
import { createAnswer, createBody, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { alice, bob, file } from "../vfs/kit.ts";

const guid = new Uint8Array(16).fill(0x42);
const key = new Uint8Array(16).fill(0xa1);
const RWH = 7;
const RH = 3;

let server: TestSmb;

beforeEach(async () => {
  server = await smbServer({}, { smb: { encryption: "off", guest: true, continuouslyAvailable: false } });
  await file(server.world.share, "hers", 0o600, alice);
  await file(server.world.share, "his", 0o600, bob);
});

afterEach(() => server.stop());

async function as(user: string, clientGuid: Uint8Array): Promise<SmbFiles> {
  const client = await server.connect();
  await client.negotiate({ clientGuid });
  expect((await client.login(user, "secret")).status).toBe(0);
  return SmbFiles.of(client);
}

/** Opens a file with a lease. */
async function leased(files: SmbFiles, name: string, leaseKey: Uint8Array): Promise<void> {
  const context = encodeLeaseContext({ version: 2, key: leaseKey, state: RWH, parentKey: null, epoch: 5 }, 0);
  expect(await files.create({ name, access: 0x12019f, oplock: 0xff, contexts: [["RqLs", context]] })).toMatchObject({ status: 0, oplock: 0xff });
}

async function agrees(files: SmbFiles): Promise<number> {
  const body = Buffer.alloc(36);
  body.writeUInt16LE(36, 0);
  body.set(key, 8);
  body.writeUInt32LE(RH, 24);
  return (await files.call(Command.OPLOCK_BREAK, body)).status;
}

/** An open by another client of hers that waits for the lease. */
async function openThatWaits(): Promise<SmbFiles> {
  const other = await as("alice", new Uint8Array(16).fill(9));
  other.send(Command.CREATE, createBody({ name: "hers" }));
  expect((await other.client.next()).status).toBe(NtStatus.PENDING);
  return other;
}

test("another user who claims to be the same client does not hear of the break of a lease", async () => {
  const his = await as("bob", guid);
  await leased(his, "his", new Uint8Array(16).fill(0xb2));
  const hers = await as("alice", guid);
  await leased(hers, "hers", key);
  await openThatWaits();
  const told = await Promise.race([his.client.next().then(() => "bob"), hers.client.next().then(({ command }) => command)]);
  expect(told).toBe(Command.OPLOCK_BREAK);
});

test("nor does he agree to one whose key he knows", async () => {
  const his = await as("bob", guid);
  const hers = await as("alice", guid);
  await leased(hers, "hers", key);
  const other = await openThatWaits();
  expect((await hers.client.next()).command).toBe(Command.OPLOCK_BREAK);
  expect(await agrees(his)).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await agrees(hers)).toBe(0);
  expect(createAnswer(await other.client.next()).status).toBe(0);
});

test("the user of a lease is told of its break on the oldest connection of his client, and agrees by it", async () => {
  const first = await as("alice", guid);
  await leased(first, "another", new Uint8Array(16).fill(0xb2));
  const second = await as("alice", guid);
  await leased(second, "hers", key);
  const other = await openThatWaits();
  expect((await first.client.next()).command).toBe(Command.OPLOCK_BREAK);
  expect(await agrees(first)).toBe(0);
  expect(createAnswer(await other.client.next()).status).toBe(0);
});

test("guests are one user, and their clients are not: neither hears of the other's leases, nor agrees to their breaks, though they chose the same key", async () => {
  await file(server.world.share, "any", 0o666, alice);
  await file(server.world.share, "other", 0o666, alice);
  const first = await as("stranger", guid);
  const second = await as("another", new Uint8Array(16).fill(0x43));
  await leased(first, "any", key);
  // No key of the second's: it takes another file's as if there were no such lease.
  await leased(second, "other", key);
  const third = await as("third", new Uint8Array(16).fill(9));
  third.send(Command.CREATE, createBody({ name: "any", access: 0x12019f }));
  expect((await third.client.next()).status).toBe(NtStatus.PENDING);
  expect((await first.client.next()).command).toBe(Command.OPLOCK_BREAK);
  // The first it hears is that its own lease is in no break.
  expect(await agrees(second)).toBe(NtStatus.UNSUCCESSFUL);
  expect(await agrees(third)).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await agrees(first)).toBe(0);
  expect(createAnswer(await third.client.next()).status).toBe(0);
});

test("nor is a lease of one shared by the other: he has it broken like anybody", async () => {
  await file(server.world.share, "any", 0o666, alice);
  const first = await as("stranger", guid);
  await leased(first, "any", key);
  const second = await as("another", new Uint8Array(16).fill(0x43));
  const context = encodeLeaseContext({ version: 2, key, state: RWH, parentKey: null, epoch: 5 }, 0);
  second.send(Command.CREATE, createBody({ name: "any", access: 0x12019f, oplock: 0xff, contexts: [["RqLs", context]] }));
  expect((await second.client.next()).status).toBe(NtStatus.PENDING);
  expect((await first.client.next()).command).toBe(Command.OPLOCK_BREAK);
  expect(await agrees(first)).toBe(0);
  expect(createAnswer(await second.client.next()).status).toBe(0);
});
