import { afterEach, beforeEach, expect, test } from "bun:test";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { FsControl } from "#wire/smb2/io.ts";
import { copyChunks, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { alice, bytesOf, file, ok, textOf } from "../vfs/kit.ts";

const all = 0x1f01ff;
const open = 1;
const make = 2;
const openIf = 3;
const deleteOnClose = 0x1000;
const header = Buffer.from("AFP\0\0\0\x01\0\0\0\0\0\0\0\0\x80", "latin1");
const info = Buffer.concat([header, Buffer.from("FOO BAR ", "latin1"), Buffer.alloc(36)]);

let server: TestSmb;
/** Of a client that is no Mac, and of one that is. */
let files: SmbFiles;
let mac: SmbFiles;
let f: Inode;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  mac = await SmbFiles.of(await server.client());
  const query = Buffer.alloc(24);
  query.writeUInt32LE(1, 0);
  query.writeUInt32LE(7, 8);
  query.writeUInt32LE(7, 16);
  expect((await mac.create({ name: "", disposition: open, options: 1, access: 0x100081, contexts: [["AAPL", query]] })).contexts.has("AAPL")).toBe(true);
  f = await file(server.world.share, "f");
});
afterEach(() => server.stop());

const stream = (by: SmbFiles, name: string, disposition: number, more: { readonly access?: number; readonly options?: number } = {}) =>
  by.create({ name: `f:${name}`, disposition, access: all, share: 7, ...more });

/** What is stored, whatever is shown. */
const stored = async () => ok(await server.world.share.streams(alice, f.id)).map(({ name, inode }) => [name, inode.size]);

async function store(name: string, bytes: Uint8Array): Promise<FileId> {
  const { inode } = ok(await server.world.share.makeStream(alice, f.id, name));
  if (bytes.length > 0) ok(await server.world.share.write(alice, inode.id, 0, [bytes], bytes.length, false));
  return inode.id;
}

async function listed(by: SmbFiles): Promise<string[]> {
  const { fileId } = await by.create({ name: "f", disposition: open, access: 0x80, share: 7 });
  const data = await queried(by, fileId, FileInfo.Stream);
  const names: string[] = [];
  for (let at = 0; ; ) {
    names.push(data.toString("utf16le", at + 24, at + 24 + data.readUInt32LE(at + 4)));
    const next = data.readUInt32LE(at);
    if (next === 0) break;
    at += next;
  }
  await by.close(fileId);
  return names.filter((name) => name !== "::$DATA").map((name) => name.split(":")[1]!);
}

async function queried(by: SmbFiles, fileId: Uint8Array, infoClass: number): Promise<Buffer> {
  const body = Buffer.alloc(41);
  body.writeUInt16LE(41, 0);
  body[2] = 1;
  body[3] = infoClass;
  body.writeUInt32LE(4096, 4);
  body.set(fileId, 24);
  const reply = await by.call(Command.QUERY_INFO, body);
  expect(reply.status).toBe(0);
  const from = reply.body.readUInt16LE(2);
  return reply.bytes.subarray(from, from + reply.body.readUInt32LE(4));
}

const sizeOf = async (by: SmbFiles, fileId: Uint8Array) => Number((await queried(by, fileId, FileInfo.Standard)).readBigUInt64LE(8));

async function resize(by: SmbFiles, fileId: Uint8Array, size: number, infoClass: number = FileInfo.EndOfFile): Promise<number> {
  const body = Buffer.alloc(40);
  body.writeUInt16LE(33, 0);
  body[2] = 1;
  body[3] = infoClass;
  body.writeUInt32LE(8, 4);
  body.writeUInt16LE(64 + 32, 8);
  body.set(fileId, 16);
  body.writeBigUInt64LE(BigInt(size), 32);
  return (await by.call(Command.SET_INFO, body)).status;
}

test("an AFP_AfpInfo nobody wrote is read as an empty one of 60 bytes, is not there for others, and goes with its last close", async () => {
  const { status, fileId } = await stream(files, "AFP_AfpInfo", openIf);
  expect(status).toBe(0);
  expect([await sizeOf(files, fileId), await files.bytes(fileId, 0, 100)]).toEqual([60, Buffer.concat([header, Buffer.alloc(44)])]);
  expect((await stream(files, "afp_afpinfo", open)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await listed(files)).toEqual([]);
  const second = await stream(files, "AFP_AfpInfo", make);
  expect([second.status, second.action]).toEqual([0, 2]);
  await files.close(fileId);
  expect(await stored()).toEqual([["AFP_AfpInfo", 0]]);
  await files.close(second.fileId);
  expect(await stored()).toEqual([]);
});

test("an empty one stays for who still has it open, and what he writes is kept", async () => {
  const first = await stream(files, "AFP_AfpInfo", openIf);
  const second = await stream(mac, "AFP_AfpInfo", openIf);
  await files.close(first.fileId);
  expect((await stream(files, "AFP_AfpInfo", open)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await mac.write(second.fileId, 0, info)).toBe(0);
  await mac.close(second.fileId);
  expect(await stored()).toEqual([["AFP_AfpInfo", 60]]);
});

test("it is read and written from its beginning, wherever a client says", async () => {
  const { fileId } = await stream(files, "AFP_AfpInfo", openIf);
  const long = Buffer.concat([info, Buffer.alloc(20, 1)]);
  expect(await files.write(fileId, 30, long)).toBe(0);
  expect(await stored()).toEqual([["AFP_AfpInfo", 60]]);
  expect(await files.bytes(fileId, 16, 8)).toEqual(info.subarray(0, 8));
  expect(await files.bytes(fileId, 60, 61)).toEqual(info);
  expect(await files.read(fileId, 61, 1)).toBe(NtStatus.END_OF_FILE);
  expect(await files.read(fileId, 0, 80, 61)).toBe(NtStatus.END_OF_FILE);
  expect(await listed(files)).toEqual(["AFP_AfpInfo"]);
});

test("what is no AFP_AfpInfo is not written; a part of one is put together with the rest", async () => {
  const { fileId } = await stream(files, "AFP_AfpInfo", openIf, { access: 0x2 });
  const wrong = Buffer.from(info);
  wrong[6] = 2;
  const refused: readonly (readonly [number, Buffer])[] = [
    [0, info.subarray(0, 2)],
    [1, info.subarray(0, 59)],
    [0, Buffer.alloc(60)],
    [0, wrong],
    [0, Buffer.from("AFPX")],
  ];
  for (const [offset, bytes] of refused) expect(await files.write(fileId, offset, bytes)).toBe(NtStatus.INVALID_PARAMETER);
  expect(await files.write(fileId, 0, info.subarray(0, 16))).toBe(0);
  expect(await stored()).toEqual([["AFP_AfpInfo", 0]]);
  expect(await files.write(fileId, 0, info)).toBe(0);
  expect(await files.write(fileId, 0, Buffer.concat([header, Buffer.from("BAR", "latin1")]))).toBe(0);
  const reader = await stream(files, "AFP_AfpInfo", open);
  expect((await files.bytes(reader.fileId, 0, 60)).toString("latin1", 16, 24)).toBe("BAR BAR ");
});

test("its size is its size, and without anything of Finder's in it, it is deleted", async () => {
  await store("AFP_AfpInfo", info);
  const { fileId } = await stream(files, "AFP_AfpInfo", open);
  expect(await resize(files, fileId, 61)).toBe(NtStatus.ALLOTTED_SPACE_EXCEEDED);
  for (const size of [60, 1, 0]) expect(await resize(files, fileId, size)).toBe(0);
  expect(await resize(files, fileId, 0, FileInfo.Allocation)).toBe(0);
  expect(await stored()).toEqual([["AFP_AfpInfo", 60]]);
  expect(await files.write(fileId, 0, Buffer.concat([header, Buffer.alloc(44)]))).toBe(0);
  expect(await listed(files)).toEqual([]);
  expect((await stream(files, "AFP_AfpInfo", open)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  await files.close(fileId);
  expect(await stored()).toEqual([]);
});

test("one of another length, which older versions kept, is passed over, not deleted, and replaced by what is written", async () => {
  await store("AFP_AfpInfo", bytesOf("a".repeat(100)));
  expect(await listed(files)).toEqual([]);
  const { fileId } = await stream(files, "AFP_AfpInfo", openIf);
  expect(await files.bytes(fileId, 0, 60)).toEqual(Buffer.concat([header, Buffer.alloc(44)]));
  await files.close(fileId);
  expect(await stored()).toEqual([["AFP_AfpInfo", 100]]);
  const writer = await stream(files, "AFP_AfpInfo", openIf);
  expect(await files.write(writer.fileId, 0, info)).toBe(0);
  expect(await stored()).toEqual([["AFP_AfpInfo", 60]]);
});

test("a server-side copy into one is judged as a write is", async () => {
  await store("source", new Uint8Array(Buffer.concat([info, Buffer.alloc(40)])));
  const source = await stream(files, "source", open);
  const { fileId } = await stream(files, "AFP_AfpInfo", openIf);
  const key = Buffer.alloc(24);
  key.set(source.fileId, 0);
  const copy = (at: number, length: number) => files.ioctl(FsControl.SRV_COPYCHUNK, fileId, copyChunks(key, [[at, 0, length]]));
  expect((await copy(40, 60)).status).toBe(NtStatus.INVALID_PARAMETER);
  expect((await copy(0, 100)).status).toBe(0);
  expect(await files.bytes(fileId, 0, 60)).toEqual(info);
});

test("a resource fork with content stays, whoever asks for its deletion; one without goes with a Mac's last close", async () => {
  const id = await store("AFP_Resource", bytesOf("fork"));
  const gone = await stream(mac, "AFP_Resource", open, { options: deleteOnClose });
  expect(gone.status).toBe(0);
  await mac.close(gone.fileId);
  const asked = await stream(files, "AFP_Resource", open);
  const body = Buffer.alloc(33);
  body.writeUInt16LE(33, 0);
  body.set([1, FileInfo.Disposition], 2);
  body.writeUInt32LE(1, 4);
  body.writeUInt16LE(64 + 32, 8);
  body.set(asked.fileId, 16);
  body[32] = 1;
  expect((await files.call(Command.SET_INFO, body)).status).toBe(0);
  expect((await stream(files, "AFP_Resource", open)).status).toBe(NtStatus.DELETE_PENDING);
  await files.close(asked.fileId);
  expect([await stored(), await textOf(server.world.share, id)]).toEqual([[["AFP_Resource", 4]], "fork"]);
  const { fileId } = await stream(mac, "AFP_Resource", open);
  expect(await resize(mac, fileId, 0)).toBe(0);
  expect((await stream(mac, "AFP_Resource", open)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  // What is opened before the last close, and written, stays.
  const again = await stream(mac, "AFP_Resource", openIf);
  await mac.close(fileId);
  expect(await mac.write(again.fileId, 0, Buffer.from("new"))).toBe(0);
  await mac.close(again.fileId);
  expect(await stored()).toEqual([["AFP_Resource", 3]]);
  const last = await stream(mac, "AFP_Resource", open);
  expect(await resize(mac, last.fileId, 0)).toBe(0);
  await mac.close(last.fileId);
  expect(await stored()).toEqual([]);
});

test("a stream without content is none for a Mac, and one as any for others", async () => {
  await store("empty", new Uint8Array(0));
  await store("full", bytesOf("x"));
  expect((await listed(files)).sort()).toEqual(["empty", "full"]);
  expect(await listed(mac)).toEqual(["full"]);
  expect((await stream(files, "empty", open)).status).toBe(0);
  expect((await stream(mac, "empty", open)).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  const { status, action, fileId } = await stream(mac, "empty", openIf);
  expect([status, action]).toEqual([0, 2]);
  await mac.close(fileId);
  expect((await stored()).sort()).toEqual([["empty", 0], ["full", 1]]);
});
