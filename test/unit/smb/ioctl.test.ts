import { afterEach, beforeEach, expect, test } from "bun:test";
import { rootId } from "#model/ids.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { FsControl } from "#wire/smb2/io.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { copyChunks, createBody, LockFlags, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { alice, bytesOf, file, ok, textOf } from "../vfs/kit.ts";

const ones = Buffer.alloc(16, 0xff);
const reparse = 0x200000;
let server: TestSmb;
let files: SmbFiles;
let a: Buffer;
let b: Buffer;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  a = (await files.create({ name: "a" })).fileId;
  b = (await files.create({ name: "b" })).fileId;
  expect(await files.write(a, 0, bytesOf("0123456789"))).toBe(0);
});

afterEach(() => server.stop());

function u64(...values: number[]): Buffer<ArrayBuffer> {
  const out = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => out.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), i * 8));
  return out;
}

function control(code: number, fileId: Uint8Array, input: Uint8Array = new Uint8Array(0), outputMax = 4096, flags = 1, on = files) {
  return on.ioctl(code, fileId, input, outputMax, flags);
}

async function keyOf(fileId: Uint8Array): Promise<Buffer> {
  const { status, output } = await control(FsControl.SRV_REQUEST_RESUME_KEY, fileId, undefined, 32);
  expect(status).toBe(0);
  return output.subarray(0, 24);
}

const told = (output: Buffer): number[] => [0, 4, 8].map((at) => output.readUInt32LE(at));
const idOf = async (name: string) => ok(await server.world.share.lookup(alice, rootId, name)).inode.id;
const content = async (name: string): Promise<string> => textOf(server.world.share, await idOf(name));

test("COPYCHUNK copies chunk after chunk, and tells what was done by the first that fails", async () => {
  const key = await keyOf(a);
  const done = await control(FsControl.SRV_COPYCHUNK, b, copyChunks(key, [[0, 2, 4], [5, 0, 2]]), 12);
  expect([done.status, ...told(done.output)]).toEqual([0, 2, 0, 6]);
  expect(await content("b")).toBe("560123");
  const failed = await control(FsControl.SRV_COPYCHUNK, b, copyChunks(key, [[0, 0, 1], [5, 0, 6], [0, 0, 1]]), 12);
  expect([failed.status, ...told(failed.output)]).toEqual([NtStatus.INVALID_VIEW_SIZE, 1, 0, 1]);
  const other = await SmbFiles.of(await server.client());
  const locker = (await other.create({ name: "a" })).fileId;
  await other.lock(locker, [{ offset: 4, length: 1, flags: LockFlags.exclusive | LockFlags.now }]);
  const barred = await control(FsControl.SRV_COPYCHUNK, b, copyChunks(key, [[0, 0, 4], [0, 0, 5]]), 12);
  expect([barred.status, ...told(barred.output)]).toEqual([NtStatus.FILE_LOCK_CONFLICT, 1, 0, 4]);
});

test("what lies where everything is to be encrypted is copied by nothing that came in clear", async () => {
  const { client } = files;
  const { share } = server.world;
  share.setPolicy(share.policy.with({ smb: { encryption: "required", guest: false, continuouslyAvailable: false } }));
  const guarded = await SmbFiles.of(client);
  client.seal();
  const secret = (await guarded.create({ name: "a" })).fileId;
  const key = (await control(FsControl.SRV_REQUEST_RESUME_KEY, secret, undefined, 32, 1, guarded)).output.subarray(0, 24);
  expect((await control(FsControl.SRV_COPYCHUNK, b, copyChunks(key, [[0, 0, 4]]), 12)).status).toBe(0);
  const { sealer } = client;
  client.sealer = null;
  client.signs = true;
  expect((await control(FsControl.SRV_COPYCHUNK, b, copyChunks(key, [[0, 4, 4]]), 12)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect((await control(FsControl.DUPLICATE_EXTENTS_TO_FILE, b, Buffer.concat([secret, u64(0, 0, 4)]), 0)).status).toBe(NtStatus.INVALID_HANDLE);
  expect(await content("b")).toBe("0123");
  client.sealer = sealer;
  expect((await control(FsControl.DUPLICATE_EXTENTS_TO_FILE, b, Buffer.concat([secret, u64(0, 0, 4)]), 0)).status).toBe(0);
});

test("COPYCHUNK: limits, keys of others, rights, and what is no request", async () => {
  const key = await keyOf(a);
  const limits = [NtStatus.INVALID_PARAMETER, 256, 2 ** 20, 2 ** 24];
  const copy = async (input: Buffer, outputMax = 12, code: number = FsControl.SRV_COPYCHUNK, to: Uint8Array = b) => {
    const { status, output } = await control(code, to, input, outputMax);
    return output.length >= 12 ? [status, ...told(output)] : [status];
  };
  expect(await copy(copyChunks(key, [[0, 0, 0]]))).toEqual(limits);
  expect(await copy(copyChunks(key, [[0, 0, 2 ** 20 + 1]]))).toEqual(limits);
  expect(await copy(copyChunks(key, Array.from({ length: 257 }, () => [0, 0, 1] as const)))).toEqual(limits);
  expect(await copy(copyChunks(key, Array.from({ length: 17 }, () => [0, 0, 2 ** 20] as const)))).toEqual(limits);
  expect(await copy(copyChunks(key, []))).toEqual([0, 0, 0, 0]);
  expect(await copy(copyChunks(key, [[0, 0, 1]]), 11)).toEqual([NtStatus.INVALID_PARAMETER]);
  expect(await copy(copyChunks(key, [[0, 0, 1]], 2))).toEqual([NtStatus.INVALID_PARAMETER]);
  expect(await copy(copyChunks(Buffer.alloc(24, 7), [[0, 0, 1]]))).toEqual([NtStatus.OBJECT_NAME_NOT_FOUND]);
  expect(await copy(copyChunks(Buffer.concat([key.subarray(0, 23), Buffer.from([1])]), [[0, 0, 1]]))).toEqual([NtStatus.OBJECT_NAME_NOT_FOUND]);
  expect(await copy(copyChunks(key, [[0, 2 ** 53 - 1, 1]]))).toEqual([NtStatus.INVALID_PARAMETER, 0, 0, 0]);
  expect(await copy(copyChunks(key, [[2 ** 60, 0, 1]]))).toEqual([NtStatus.INVALID_VIEW_SIZE, 0, 0, 0]);
  const reader = (await files.create({ name: "b", access: 0x120089 })).fileId;
  const writer = (await files.create({ name: "b", access: 0x120116 })).fileId;
  expect(await copy(copyChunks(key, [[0, 0, 1]]), 12, FsControl.SRV_COPYCHUNK, reader)).toEqual([NtStatus.ACCESS_DENIED]);
  expect(await copy(copyChunks(key, [[0, 0, 1]]), 12, FsControl.SRV_COPYCHUNK, writer)).toEqual([NtStatus.ACCESS_DENIED]);
  expect(await copy(copyChunks(key, [[0, 0, 1]]), 12, FsControl.SRV_COPYCHUNK_WRITE, writer)).toEqual([0, 1, 0, 1]);
  expect(await copy(copyChunks(await keyOf(writer), [[0, 0, 1]]), 12, FsControl.SRV_COPYCHUNK, a)).toEqual([NtStatus.ACCESS_DENIED]);
  // A key of another session is no key, whoever guessed it.
  const other = await SmbFiles.of(await server.client());
  const theirs = (await other.create({ name: "b" })).fileId;
  expect((await control(FsControl.SRV_COPYCHUNK, theirs, copyChunks(key, [[0, 0, 1]]), 12, 1, other)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
});

test("DUPLICATE_EXTENTS: within both files alone, apart from each other, by ids of the session", async () => {
  await files.write(b, 0, bytesOf("abcdefghij"));
  const dup = async (source: Uint8Array, from: number, to: number, length: number, target: Uint8Array = b) => (await control(FsControl.DUPLICATE_EXTENTS_TO_FILE, target, Buffer.concat([source, u64(from, to, length)]), 0)).status;
  expect(await dup(a, 2, 4, 3)).toBe(0);
  expect(await content("b")).toBe("abcd234hij");
  expect(await dup(a, 0, 8, 3)).toBe(NtStatus.NOT_SUPPORTED);
  expect(await dup(a, 8, 0, 3)).toBe(NtStatus.NOT_SUPPORTED);
  expect(await dup(b, 0, 2, 3)).toBe(NtStatus.NOT_SUPPORTED);
  expect(await dup(b, 0, 7, 3)).toBe(0);
  expect(await dup(a, 0, 0, 0)).toBe(0);
  expect(await dup(Buffer.alloc(16, 9), 0, 0, 1)).toBe(NtStatus.INVALID_HANDLE);
  expect(await dup(a, 0, 0, 1, Buffer.alloc(16, 9))).toBe(NtStatus.FILE_CLOSED);
  expect((await control(FsControl.DUPLICATE_EXTENTS_TO_FILE, b, a)).status).toBe(NtStatus.INVALID_PARAMETER);
  const ex = Buffer.concat([u64(56), a, u64(0, 0, 10, 0)]);
  expect((await control(FsControl.DUPLICATE_EXTENTS_TO_FILE_EX, b, ex, 0)).status).toBe(0);
  expect(await content("b")).toBe("0123456789");
  ex[0] = 57;
  expect((await control(FsControl.DUPLICATE_EXTENTS_TO_FILE_EX, b, ex, 0)).status).toBe(NtStatus.INVALID_PARAMETER);
});

test("sparse files: the flag, zero data, allocated ranges and regions", async () => {
  const ranges = async (offset: number, length: number, outputMax = 4096) => control(FsControl.QUERY_ALLOCATED_RANGES, a, u64(offset, length), outputMax);
  const found = await ranges(2, 100);
  expect([found.status, found.output]).toEqual([0, u64(2, 8)]);
  expect((await ranges(0, 1, 15)).status).toBe(NtStatus.BUFFER_TOO_SMALL);
  expect((await ranges(10, 1, 0)).status).toBe(0);
  expect((await ranges(512, -1)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await control(FsControl.SET_SPARSE, a)).status).toBe(0);
  expect((await control(FsControl.SET_SPARSE, a, new Uint8Array([0]))).status).toBe(0);
  expect((await control(FsControl.SET_ZERO_DATA, a, u64(3, 5))).status).toBe(0);
  expect(await content("a")).toBe("012\0\x0056789");
  expect((await control(FsControl.SET_ZERO_DATA, a, u64(5, 3))).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await control(FsControl.SET_ZERO_DATA, a, u64(-5, 3))).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await control(FsControl.SET_ZERO_DATA, a, u64(9, 2 ** 62))).status).toBe(0);
  expect(await content("a")).toBe("012\0\x005678\0");
  expect((await control(FsControl.SET_ZERO_DATA, a, u64(3))).status).toBe(NtStatus.INVALID_PARAMETER);
  const regions = await control(FsControl.QUERY_FILE_REGIONS, a, Buffer.concat([u64(4, 100), Buffer.from(Uint32Array.of(1, 0).buffer)]));
  expect([...new Uint32Array(Uint8Array.from(regions.output).buffer)]).toEqual([0, 1, 1, 0, 4, 0, 6, 0, 1, 0]);
  const trimmed = await control(FsControl.FILE_LEVEL_TRIM, a, Buffer.concat([Buffer.from(Uint32Array.of(0, 1).buffer), u64(0, 2)]));
  expect([trimmed.status, trimmed.output.readUInt32LE(0)]).toEqual([0, 1]);
  const directory = (await files.create({ name: "d", options: 1 })).fileId;
  expect((await control(FsControl.SET_SPARSE, directory)).status).toBe(NtStatus.INVALID_PARAMETER);
  const appender = (await files.create({ name: "a", access: 4 })).fileId;
  expect((await control(FsControl.SET_ZERO_DATA, appender, u64(0, 1))).status).toBe(NtStatus.ACCESS_DENIED);
});

test("a path that meets a symbolic link is for the client to follow: where it leads, and how much of the path is behind it", async () => {
  const { share } = server.world;
  ok(await share.symlink(alice, rootId, "link", bytesOf("../x/té"), {}));
  for (const [name, unparsed] of [["link", 0], ["link\\one\\two", 16]] as const) {
    const reply = await files.call(Command.CREATE, createBody({ name }));
    expect(reply.status).toBe(NtStatus.STOPPED_ON_SYMLINK);
    const body = reply.body;
    // Of SMB 3.1.1: one error context, then the link.
    expect([body.readUInt16LE(0), body[2]]).toEqual([9, 1]);
    const data = body.subarray(16);
    expect(data.readUInt32LE(0)).toBe(body.readUInt32LE(8) - 4);
    expect(data.toString("latin1", 4, 8)).toBe("SYML");
    expect([data.readUInt32LE(8), data.readUInt16LE(14), data.readUInt32LE(24)]).toEqual([0xa000000c, unparsed, 1]);
    expect(data.toString("utf16le", 28, 28 + 14)).toBe("..\\x\\té");
  }
  const opened = await files.create({ name: "link", access: 0x80, disposition: 1, options: reparse });
  expect(opened.status).toBe(0);
  const got = await control(FsControl.GET_REPARSE_POINT, opened.fileId);
  expect([got.status, got.output.readUInt32LE(0), got.output.readUInt16LE(4), got.output.length]).toEqual([0, 0xa000000c, 40, 48]);
  expect(got.output.toString("utf16le", 20, 34)).toBe("..\\x\\té");
  expect((await control(FsControl.GET_REPARSE_POINT, opened.fileId, undefined, 10)).status).toBe(NtStatus.BUFFER_OVERFLOW);
  expect((await control(FsControl.GET_REPARSE_POINT, a)).status).toBe(NtStatus.NOT_A_REPARSE_POINT);
});

test("reparse points that clients set are kept as they are", async () => {
  const point = Buffer.concat([Buffer.from(Uint32Array.of(0x80000017).buffer), Buffer.from(Uint16Array.of(6, 0).buffer), bytesOf("sealed")]);
  expect((await control(FsControl.SET_REPARSE_POINT, a, point)).status).toBe(0);
  expect((await control(FsControl.GET_REPARSE_POINT, a)).output.toString("hex")).toBe(point.toString("hex"));
  const other = Buffer.from(point);
  other[0] = 0x18;
  expect((await files.create({ name: "a" })).status).toBe(NtStatus.IO_REPARSE_TAG_NOT_HANDLED);
  expect((await control(FsControl.SET_REPARSE_POINT, a, other)).status).toBe(NtStatus.IO_REPARSE_TAG_MISMATCH);
  expect((await control(FsControl.DELETE_REPARSE_POINT, a, other)).status).toBe(NtStatus.IO_REPARSE_TAG_MISMATCH);
  expect((await control(FsControl.SET_REPARSE_POINT, a, point.subarray(0, 9))).status).toBe(NtStatus.IO_REPARSE_DATA_INVALID);
  expect((await control(FsControl.DELETE_REPARSE_POINT, a, Buffer.concat([point.subarray(0, 4), Buffer.alloc(4)]))).status).toBe(0);
  expect((await control(FsControl.GET_REPARSE_POINT, a)).status).toBe(NtStatus.NOT_A_REPARSE_POINT);
});

function symlinkPoint(target: string, relative: boolean): Buffer {
  const name = Buffer.from(target, "utf16le");
  const head = Buffer.alloc(20);
  head.writeUInt32LE(0xa000000c, 0);
  head.writeUInt16LE(12 + name.length * 2, 4);
  head.writeUInt16LE(name.length, 10);
  head.writeUInt16LE(name.length, 12);
  head.writeUInt16LE(name.length, 14);
  head.writeUInt32LE(relative ? 1 : 0, 16);
  return Buffer.concat([head, name, name]);
}

test("a relative symbolic link that a client makes is one for NFS, too; the file it began as is gone", async () => {
  const { share } = server.world;
  const made = await files.create({ name: "new", disposition: 2, options: reparse });
  const point = symlinkPoint("..\\over\\there\uf020", true);
  const other = await SmbFiles.of(await server.client());
  const beside = await other.create({ name: "new" });
  expect((await control(FsControl.SET_REPARSE_POINT, made.fileId, point)).status).toBe(NtStatus.SHARING_VIOLATION);
  await other.close(beside.fileId);
  expect((await control(FsControl.SET_REPARSE_POINT, made.fileId, point)).status).toBe(0);
  const id = await idOf("new");
  expect(Buffer.from(ok(await share.readlink(alice, id)).target).toString()).toBe('../over/there"');
  expect((await control(FsControl.GET_REPARSE_POINT, made.fileId)).output.toString("hex")).toBe(point.toString("hex"));
  expect(await files.close(made.fileId)).toBe(0);
  expect((await files.create({ name: "new", disposition: 1 })).status).toBe(NtStatus.STOPPED_ON_SYMLINK);
  const again = await files.create({ name: "new", disposition: 1, options: reparse | 0x1000 });
  expect(again.status).toBe(0);
  expect(await files.close(again.fileId)).toBe(0);
  expect((await files.create({ name: "new", disposition: 1, options: reparse })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  // What has content stays what it is.
  expect((await control(FsControl.SET_REPARSE_POINT, a, point)).status).toBe(NtStatus.NOT_SUPPORTED);
});

test("an absolute link of a client's is kept as it is, and stops paths", async () => {
  const point = symlinkPoint("\\??\\C:\\x", false);
  expect((await control(FsControl.SET_REPARSE_POINT, b, point)).status).toBe(0);
  const reply = await files.call(Command.CREATE, createBody({ name: "b\\c" }));
  expect([reply.status, reply.body.readUInt16LE(16 + 14), reply.body.readUInt32LE(16 + 24)]).toEqual([NtStatus.STOPPED_ON_SYMLINK, 4, 0]);
  expect((await control(FsControl.GET_REPARSE_POINT, b)).output.toString("hex")).toBe(point.toString("hex"));
});

test("what a server has none of is refused as specified", async () => {
  expect((await control(0x00090064, a)).status).toBe(NtStatus.INVALID_DEVICE_REQUEST);
  expect((await control(FsControl.SRV_REQUEST_RESUME_KEY, a, undefined, 32, 0)).status).toBe(NtStatus.NOT_SUPPORTED);
  expect((await control(FsControl.SRV_REQUEST_RESUME_KEY, a, undefined, 31)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await control(FsControl.SRV_REQUEST_RESUME_KEY, ones)).status).toBe(NtStatus.FILE_CLOSED);
  expect((await control(FsControl.DFS_GET_REFERRALS, ones)).status).toBe(NtStatus.FS_DRIVER_REQUIRED);
  expect((await control(FsControl.DFS_GET_REFERRALS, a)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await control(FsControl.SRV_READ_HASH, a)).status).toBe(NtStatus.HASH_NOT_SUPPORTED);
  expect((await control(FsControl.PIPE_TRANSCEIVE, a)).status).toBe(NtStatus.INVALID_DEVICE_REQUEST);
  expect(await control(FsControl.SRV_ENUMERATE_SNAPSHOTS, a, undefined, 16)).toMatchObject({ status: 0, output: Buffer.from("00000000000000000200000000000000", "hex") });
  expect((await control(FsControl.SRV_ENUMERATE_SNAPSHOTS, a, undefined, 15)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect(await control(FsControl.GET_COMPRESSION, a)).toMatchObject({ status: 0, output: Buffer.alloc(2) });
  expect((await control(FsControl.SET_COMPRESSION, a, new Uint8Array([2, 0]))).status).toBe(NtStatus.NOT_SUPPORTED);
  expect((await control(FsControl.SET_COMPRESSION, a, new Uint8Array([0, 0]))).status).toBe(0);
  expect((await control(FsControl.GET_INTEGRITY_INFORMATION, a)).output.toString("hex")).toBe("01000000000000000000010000100000");
});

test("an object id stays a file's own", async () => {
  const first = await control(FsControl.CREATE_OR_GET_OBJECT_ID, a);
  expect([first.status, first.output.length]).toEqual([0, 64]);
  ok(await server.world.share.rename(alice, rootId, "a", rootId, "z"));
  expect((await control(FsControl.GET_OBJECT_ID, a)).output.toString("hex")).toBe(first.output.toString("hex"));
  expect((await control(FsControl.GET_OBJECT_ID, b)).output.toString("hex")).not.toBe(first.output.toString("hex"));
});

test("whatever input comes with an FSCTL, it is answered, and nothing else is touched", async () => {
  const random = new SeededRandom(seedFor("ioctl", "SMB_IOCTL_SEED"));
  const kept = await file(server.world.share, "kept");
  ok(await server.world.share.write(alice, kept.id, 0, [bytesOf("kept")], 4, false));
  const key = await keyOf(a);
  for (let i = 0; i < 1500; i++) {
    const code = random.pick(Object.values(FsControl).filter((one) => one !== FsControl.VALIDATE_NEGOTIATE_INFO));
    const input = random.bytes(random.below(80));
    if (random.chance(0.5)) input.set(random.chance(0.5) ? key.subarray(0, Math.min(24, input.length)) : a.subarray(0, Math.min(16, input.length)));
    if (random.chance(0.5)) for (let at = 16; at < input.length; at++) if (at % 8 > 1) input[at] = 0;
    const { status } = await control(code, random.pick([a, b, b, ones, random.bytes(16)]), input, random.pick([0, 1, 12, 16, 64, 4096, 2 ** 20]));
    expect(status).not.toBe(NtStatus.UNEXPECTED_IO_ERROR);
  }
  expect(await content("kept")).toBe("kept");
});
