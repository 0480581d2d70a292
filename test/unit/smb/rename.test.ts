import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Credentials } from "#model/credentials.ts";
import { rootId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { FileAttribute, FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { type CreateFields, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { alice, bob, bytesOf, file, folder, listAll, ok } from "../vfs/kit.ts";

/** FileRenameInformation, FileLinkInformation, FileDispositionInformation and what their newer classes add to them. */

const replace = 0x1;
const posix = 0x2;
const evenReadonly = 0x40;
const shareReadWrite = 3;
const batchOplock = 9;

let server: TestSmb;
let files: SmbFiles;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
});
afterEach(() => server.stop());

const open = async (name: string, more: Partial<CreateFields> = {}): Promise<Buffer> => {
  const answer = await files.create({ name, disposition: 1, ...more });
  expect([name, answer.status]).toEqual([name, 0]);
  return answer.fileId;
};

async function made(name: string, content: string): Promise<void> {
  const { id } = await file(server.world.share, name);
  ok(await server.world.share.write(alice, id, 0, [bytesOf(content)], content.length, true));
}

async function set(fileId: Uint8Array, infoClass: number, input: Uint8Array): Promise<number> {
  const body = Buffer.alloc(32 + Math.max(1, input.length));
  body.writeUInt16LE(33, 0);
  body.set([1, infoClass], 2);
  body.writeUInt32LE(input.length, 4);
  body.writeUInt16LE(96, 8);
  body.set(fileId, 16);
  body.set(input, 32);
  return (await files.call(Command.SET_INFO, body)).status;
}

function named(flags: number, name: string): Buffer {
  const text = Buffer.from(name, "utf16le");
  const input = Buffer.alloc(20 + text.length);
  input.writeUInt32LE(flags >>> 0, 0);
  input.writeUInt32LE(text.length, 16);
  text.copy(input, 20);
  return input;
}

const rename = (fileId: Uint8Array, flags: number, name: string): Promise<number> => set(fileId, FileInfo.RenameEx, named(flags, name));
const link = (fileId: Uint8Array, flags: number, name: string): Promise<number> => set(fileId, FileInfo.LinkEx, named(flags, name));
const names = async (): Promise<readonly string[]> => [...(await listAll(server.world.share, rootId)).keys()].toSorted();
const content = async (name: string): Promise<string> => {
  const fileId = await open(name, { access: 1 });
  const text = (await files.bytes(fileId, 0, 100)).toString();
  await files.close(fileId);
  return text;
};

const found = async (name: string): Promise<Inode> => ok(await server.world.share.lookup(alice, rootId, name)).inode;

async function makeReadonly(who: Credentials, { id }: Inode): Promise<void> {
  ok(await server.world.share.setattr(who, id, { flags: FileAttribute.READONLY }, null));
}

test("a rename with flags replaces where they say so, and takes none it does not know", async () => {
  await made("a", "of a");
  await made("b", "of b");
  const a = await open("a");
  expect(await rename(a, 0, "b")).toBe(NtStatus.OBJECT_NAME_COLLISION);
  for (const unknown of [0x4, 0x8, 0x10, 0x20, 0x80, 0x100, 0x8000_0000]) expect([unknown, await rename(a, unknown | replace, "b")]).toEqual([unknown, NtStatus.INVALID_PARAMETER]);
  for (let length = 0; length < 20; length++) expect(await set(a, FileInfo.RenameEx, new Uint8Array(length))).toBe(NtStatus.INFO_LENGTH_MISMATCH);
  expect(await rename(await open("a", { access: 0x80 }), replace, "b")).toBe(NtStatus.ACCESS_DENIED);
  expect(await names()).toEqual(["a", "b"]);
  expect(await rename(a, replace, "b")).toBe(0);
  expect(await rename(a, posix | evenReadonly, "\\c")).toBe(0);
  expect([await names(), await content("c")]).toEqual([["c"], "of a"]);
  await made("d", "of d");
  await open("d:s", { disposition: 2 });
  const stream = await open("d:s");
  expect(await rename(stream, 0, ":t")).toBe(0);
  expect((await files.create({ name: "d:t", disposition: 1 })).status).toBe(0);
});

test("a read-only file is replaced by whoever says that he means it, and might make it writable", async () => {
  const { share } = server.world;
  for (const name of ["a", "b"]) await made(name, `of ${name}`);
  const shared = await folder(share, "d", 0o777);
  await makeReadonly(alice, await found("b"));
  await makeReadonly(bob, await file(share, "bobs", 0o644, bob, shared.id));
  const a = await open("a");
  for (const [infoClass, flags, name] of [[FileInfo.Rename, replace, "b"], [FileInfo.RenameEx, replace, "b"], [FileInfo.RenameEx, replace | posix, "b"], [FileInfo.RenameEx, replace | evenReadonly, "d\\bobs"], [FileInfo.Link, replace, "b"], [FileInfo.LinkEx, replace, "b"], [FileInfo.LinkEx, replace | evenReadonly, "d\\bobs"]] as const) {
    expect([infoClass, flags, await set(a, infoClass, named(flags, name))]).toEqual([infoClass, flags, NtStatus.ACCESS_DENIED]);
  }
  expect(await rename(a, replace | evenReadonly, "b")).toBe(0);
  expect([await names(), await content("b")]).toEqual([["b", "d"], "of a"]);
  ok(await share.setattr(bob, (await file(share, "free", 0o644, bob, shared.id)).id, { flags: 0 }, null));
  expect(await rename(a, replace, "d\\free")).toBe(0);
});

test("a file that is open is replaced with POSIX semantics alone, where its opens let it be deleted; they go on with what they opened", async () => {
  const { share } = server.world;
  for (const name of ["a", "b"]) await made(name, `of ${name}`);
  const a = await open("a");
  const kept = await open("b", { share: shareReadWrite });
  expect(await rename(a, replace | posix, "b")).toBe(NtStatus.ACCESS_DENIED);
  await files.close(kept);
  const old = await open("b");
  expect(await set(a, FileInfo.Rename, named(replace, "b"))).toBe(NtStatus.ACCESS_DENIED);
  expect(await rename(a, replace, "b")).toBe(NtStatus.ACCESS_DENIED);
  expect(await rename(a, replace | posix, "b")).toBe(0);
  expect([await names(), await content("b")]).toEqual([["b"], "of a"]);
  expect((await files.bytes(old, 0, 100)).toString()).toBe("of b");
  expect(await files.write(old, 0, bytesOf("OF B"))).toBe(0);
  expect((await files.bytes(old, 0, 100)).toString()).toBe("OF B");
  // The name is not its own any more: it neither moves nor deletes what has it now.
  expect(await rename(old, 0, "c")).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  // Nor does what has no name any more get one: it goes with its last open.
  expect(await link(old, 0, "c")).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect(await set(old, FileInfo.Disposition, Uint8Array.of(1))).toBe(0);
  await files.close(old);
  expect([await names(), await content("b")]).toEqual([["b"], "of a"]);
  await files.close(a);
  expect(share.opens.size).toBe(0);
});

test("what is replaced while it is open is not kept by who caches its handle, but by who has a stream of it open and lets nobody delete that", async () => {
  for (const name of ["a", "b", "c"]) await made(name, `of ${name}`);
  const a = await open("a");
  const other = await SmbFiles.of(await server.client());
  const cached = await other.create({ name: "b", disposition: 1, oplock: batchOplock });
  expect(cached.oplock).toBe(batchOplock);
  const renamed = rename(a, replace | posix, "b");
  const told = await other.client.next();
  expect(told.command).toBe(Command.OPLOCK_BREAK);
  const agreed = Buffer.alloc(24);
  agreed.writeUInt16LE(24, 0);
  agreed.set(cached.fileId, 8);
  expect((await other.call(Command.OPLOCK_BREAK, agreed)).status).toBe(0);
  // A slow machine is told meanwhile that it takes longer.
  const first = await renamed;
  expect(first === NtStatus.PENDING ? (await files.client.next()).status : first).toBe(0);
  const stream = await open("c:s", { disposition: 2, share: shareReadWrite });
  expect(await rename(a, replace | posix, "c")).toBe(NtStatus.SHARING_VIOLATION);
  await files.close(stream);
  expect(await rename(a, replace | posix, "c")).toBe(0);
  expect([await names(), await content("c")]).toEqual([["c"], "of a"]);
});

test("no semantics replace a directory", async () => {
  await made("a", "of a");
  await folder(server.world.share, "d");
  expect(await rename(await open("a"), replace | posix | evenReadonly, "d")).toBe(NtStatus.FILE_IS_A_DIRECTORY);
  expect(await names()).toEqual(["a", "d"]);
});

test("an open whose name another protocol gave to something else does not move that", async () => {
  const { share } = server.world;
  for (const name of ["a", "b"]) await made(name, `of ${name}`);
  const b = await open("b");
  ok(await share.rename(alice, rootId, "a", rootId, "b"));
  expect(await set(b, FileInfo.Rename, named(0, "c"))).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  expect([await names(), await content("b")]).toEqual([["b"], "of a"]);
});

test("a link with flags replaces where they say so, and takes none it does not know", async () => {
  for (const name of ["a", "b"]) await made(name, `of ${name}`);
  const a = await open("a");
  expect(await link(a, 0, "b")).toBe(NtStatus.OBJECT_NAME_COLLISION);
  for (const unknown of [0x4, 0x8, 0x10, 0x20, 0x80, 0x100, 0x8000_0000]) expect([unknown, await link(a, unknown | replace, "b")]).toEqual([unknown, NtStatus.INVALID_PARAMETER]);
  for (let length = 0; length < 20; length++) expect(await set(a, FileInfo.LinkEx, new Uint8Array(length))).toBe(NtStatus.INFO_LENGTH_MISMATCH);
  expect(await link(a, 0, "c")).toBe(0);
  expect(await link(a, replace, "b")).toBe(0);
  await makeReadonly(alice, await found("a"));
  await made("d", "of d");
  expect(await link(await open("d"), replace | evenReadonly, "a")).toBe(0);
  expect([await names(), await content("a"), await content("b"), await content("c")]).toEqual([["a", "b", "c", "d"], "of d", "of a", "of a"]);
});

test("a deletion with flags takes none it does not know", async () => {
  await made("a", "of a");
  const a = await open("a");
  const flags = (value: number): Buffer => {
    const input = Buffer.alloc(4);
    input.writeUInt32LE(value >>> 0);
    return input;
  };
  for (const unknown of [0x20, 0x40, 0x100, 0x8000_0000]) expect([unknown, await set(a, FileInfo.DispositionEx, flags(unknown | 1))]).toEqual([unknown, NtStatus.INVALID_PARAMETER]);
  expect(await set(a, FileInfo.DispositionEx, flags(0))).toBe(0);
  expect(await set(a, FileInfo.DispositionEx, flags(0x1f))).toBe(0);
  await files.close(a);
  expect(await names()).toEqual([]);
});
