import { afterEach, beforeEach, expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { decodeLock } from "#wire/smb2/io.ts";
import { Command } from "#wire/smb2/header.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { lockBody, LockFlags, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { packet } from "../../support/smb-wire.ts";
import { alice } from "../vfs/kit.ts";

const { exclusive, shared, unlock, now } = LockFlags;
const max = 2n ** 64n - 1n;
let server: TestSmb;
let files: SmbFiles;
let other: SmbFiles;
let a: Buffer;
let b: Buffer;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  other = await SmbFiles.of(await server.client());
  a = (await files.create({ name: "file", access: 0x12019f })).fileId;
  b = (await other.create({ name: "file", access: 0x12019f })).fileId;
  expect(await files.write(a, 0, new Uint8Array(100))).toBe(0);
});

afterEach(() => server.stop());

const one = (offset: bigint | number, length: bigint | number, flags: number) => [{ offset, length, flags }];

test("a LOCK is decoded with all its bits, and cut at any byte it is refused", () => {
  const body = lockBody(new Uint8Array(16).fill(3), [...one(max, 1n, 2), ...one(5, 2n ** 53n + 1n, 17)], 0x12345671);
  const message = packet({ command: 10 }, body);
  const request = decodeLock(message, 0, message.length)!;
  expect(request.sequence).toBe(0x12345671);
  expect(request.locks).toEqual([
    { offsetHigh: 0xffffffff, offsetLow: 0xffffffff, lengthHigh: 0, lengthLow: 1, flags: 2 },
    { offsetHigh: 0, offsetLow: 5, lengthHigh: 0x200000, lengthLow: 1, flags: 17 },
  ]);
  for (let end = 0; end < message.length; end++) expect(decodeLock(message, 0, end)).toBeNull();
});

test("exclusive and shared locks between two clients, and what reading and writing them gives", async () => {
  expect(await files.lock(a, one(10, 10, exclusive | now))).toBe(0);
  expect(await other.lock(b, one(15, 10, shared | now))).toBe(NtStatus.LOCK_NOT_GRANTED);
  expect(await other.read(b, 0, 11)).toBe(NtStatus.FILE_LOCK_CONFLICT);
  expect(await other.read(b, 0, 10)).toBe(0);
  expect(await other.write(b, 19, new Uint8Array(1))).toBe(NtStatus.FILE_LOCK_CONFLICT);
  expect(await files.write(a, 10, new Uint8Array(10))).toBe(0);
  expect(await files.lock(a, one(10, 10, unlock))).toBe(0);
  expect(await files.lock(a, one(10, 10, unlock))).toBe(NtStatus.RANGE_NOT_LOCKED);
  expect(await files.lock(a, one(10, 10, shared | now))).toBe(0);
  expect(await other.lock(b, one(15, 10, shared | now))).toBe(0);
  expect(await files.write(a, 10, new Uint8Array(1))).toBe(NtStatus.FILE_LOCK_CONFLICT);
  expect(await files.close(a)).toBe(0);
  expect(await other.write(b, 10, new Uint8Array(5))).toBe(0);
});

test("flags and ranges that mean nothing are refused, and an array is done in order", async () => {
  for (const flags of [0, 3, 8, unlock | exclusive, unlock | now, 0x10]) expect(await files.lock(a, one(0, 1, flags))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.lock(a, [])).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.lock(a, one(max, 2, exclusive | now))).toBe(NtStatus.INVALID_LOCK_RANGE);
  expect(await files.lock(a, one(max, 1, exclusive | now))).toBe(0);
  expect(await files.lock(a, [...one(0, 1, exclusive), ...one(1, 1, exclusive)])).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.lock(a, [...one(0, 1, exclusive | now), ...one(max, 1, exclusive | now)])).toBe(NtStatus.LOCK_NOT_GRANTED);
  expect(await other.lock(b, one(0, 1, exclusive | now))).toBe(0);
  expect(await files.lock(a, [...one(max, 1, unlock), ...one(7, 1, exclusive | now)])).toBe(NtStatus.INVALID_PARAMETER);
  expect(await other.lock(b, one(max, 1, exclusive | now))).toBe(0);
});

test("a lock waits, and is granted, cancelled, or ended by its file's close", async () => {
  expect(await files.lock(a, one(0, 10, exclusive))).toBe(0);
  const waits = async () => {
    const interim = await other.call(Command.LOCK, lockBody(b, one(5, 1, exclusive)));
    expect(interim.status).toBe(NtStatus.PENDING);
    return interim;
  };
  await waits();
  expect(await files.lock(a, one(0, 10, unlock))).toBe(0);
  expect((await other.client.next()).status).toBe(0);
  expect(await files.lock(a, one(0, 10, exclusive | now))).toBe(NtStatus.LOCK_NOT_GRANTED);
  expect(await other.lock(b, one(5, 1, unlock))).toBe(0);

  expect(await files.lock(a, one(0, 10, exclusive))).toBe(0);
  const { asyncId, messageId } = await waits();
  other.client.send(Command.CANCEL, Buffer.from([4, 0, 0, 0]), { flags: 2, asyncId, messageId: Number(messageId) });
  expect((await other.client.next()).status).toBe(NtStatus.CANCELLED);

  await waits();
  other.send(Command.CLOSE, Buffer.concat([Buffer.from([24, 0, 0, 0, 0, 0, 0, 0]), b]));
  const statuses = [(await other.client.next()).status, (await other.client.next()).status];
  expect(statuses.sort()).toEqual([0, NtStatus.RANGE_NOT_LOCKED]);
  expect(server.world.share.locks.held).toBe(1);
});

test("the end of a connection lets go of its locks", async () => {
  expect(await files.lock(a, one(0, 10, exclusive))).toBe(0);
  expect((await other.call(Command.LOCK, lockBody(b, one(5, 1, exclusive)))).status).toBe(NtStatus.PENDING);
  files.client.close();
  expect((await other.client.next()).status).toBe(0);
  expect(server.world.share.locks.held).toBe(1);
});

test("a directory has no locks, and whoever may neither read nor write takes none", async () => {
  const directory = (await files.create({ name: "dir", options: 1, disposition: 2 })).fileId;
  expect(await files.lock(directory, one(0, 1, exclusive | now))).toBe(NtStatus.INVALID_PARAMETER);
  const blind = (await files.create({ name: "file", access: 0x80 })).fileId;
  expect(await files.lock(blind, one(0, 1, shared | now))).toBe(NtStatus.ACCESS_DENIED);
});

test("NFS is told to come back while a range is locked", async () => {
  expect(await files.lock(a, one(0, 10, exclusive))).toBe(0);
  const { share } = server.world;
  const found = await share.lookup(alice, (await share.root()).id, "file");
  if (found instanceof FsError) throw new Error(found.code);
  const refused = await share.read(alice, found.inode.id, 0, 1);
  expect(refused instanceof FsError && refused.code).toBe("locked");
});

test("offsets up to 2^63 are judged to the byte", async () => {
  const edge = 2n ** 63n - 1n;
  expect(await files.read(a, edge - 1n, 1)).toBe(NtStatus.END_OF_FILE);
  expect(await files.read(a, edge, 0)).toBe(0);
  expect(await files.read(a, edge, 1)).toBe(NtStatus.INVALID_PARAMETER);
  for (const offset of [2n ** 63n, max, max - 2n]) {
    expect(await files.read(a, offset, 0)).toBe(NtStatus.INVALID_PARAMETER);
    expect(await files.write(a, offset, new Uint8Array(0))).toBe(NtStatus.INVALID_PARAMETER);
  }
  expect(await files.write(a, edge, new Uint8Array(0))).toBe(0);
  expect(await files.write(a, edge, new Uint8Array(1))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.write(a, 0xfffffff0000, new Uint8Array(1))).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.read(a, 99, 2, 2)).toBe(NtStatus.END_OF_FILE);
  expect(await files.read(a, 99, 2, 1)).toBe(0);
});
