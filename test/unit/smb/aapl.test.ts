import { afterEach, beforeEach, expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { rootId } from "#model/ids.ts";
import { decodeSecurityDescriptor, encodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { alice, bytesOf, file, folder, ok, textOf } from "../vfs/kit.ts";

let server: TestSmb;
let files: SmbFiles;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
});
afterEach(() => server.stop());

function query(wanted: bigint, client = 7n, command = 1): Uint8Array {
  const data = Buffer.alloc(24);
  data.writeUInt32LE(command, 0);
  data.writeBigUInt64LE(wanted, 8);
  data.writeBigUInt64LE(client, 16);
  return data;
}

function copyBody(key: Uint8Array, target: Uint8Array): Buffer {
  const body = Buffer.alloc(56 + 32);
  body.writeUInt16LE(57, 0);
  body.writeUInt32LE(0x1440f2, 4);
  body.set(target, 8);
  body.writeUInt32LE(120, 24);
  body.writeUInt32LE(32, 28);
  body.writeUInt32LE(4096, 44);
  body.writeUInt32LE(1, 48);
  body.set(key, 56);
  return body;
}

const openRoot = (context?: Uint8Array) =>
  files.create({ name: "", disposition: 1, options: 1, access: 0x100081, ...(context === undefined ? {} : { contexts: [["AAPL", context]] }) });

async function listing(fileId: Uint8Array): Promise<Map<string, Buffer>> {
  const body = Buffer.alloc(34);
  body.writeUInt16LE(33, 0);
  body[2] = 37;
  body.set(fileId, 8);
  body.writeUInt16LE(96, 24);
  body.writeUInt16LE(2, 26);
  body.writeUInt32LE(65_536, 28);
  body.write("*", 32, "utf16le");
  const reply = await files.call(Command.QUERY_DIRECTORY, body);
  expect(reply.status).toBe(0);
  const entries = new Map<string, Buffer>();
  const from = reply.body.readUInt16LE(2);
  for (let at = from; ; ) {
    const next = reply.bytes.readUInt32LE(at);
    entries.set(reply.bytes.toString("utf16le", at + 104, at + 104 + reply.bytes.readUInt32LE(at + 60)), reply.bytes.subarray(at, at + 104));
    if (next === 0) return entries;
    at += next;
  }
}

test("an AAPL query is answered by what it asks for, in order", async () => {
  const all = (await openRoot(query(7n))).contexts.get("AAPL")!;
  expect([all.readUInt32LE(0), all.readBigUInt64LE(8), all.readBigUInt64LE(16), all.readBigUInt64LE(24)]).toEqual([1, 7n, 15n, 4n]);
  expect(all.toString("utf16le", 40, 40 + all.readUInt32LE(36))).toBe("MacSamba");
  const volume = (await openRoot(query(2n))).contexts.get("AAPL")!;
  expect([volume.length, volume.readBigUInt64LE(8), volume.readBigUInt64LE(16)]).toEqual([24, 2n, 4n]);
  // A client that can't read such listings gets none.
  expect((await openRoot(query(1n, 6n))).contexts.get("AAPL")!.readBigUInt64LE(16)).toBe(14n);
});

test("what is no query of ours is left unanswered, and the file opened all the same", async () => {
  for (const context of [query(7n, 7n, 2), query(7n).subarray(0, 23), new Uint8Array(0), Buffer.concat([query(7n), Buffer.alloc(8)])]) {
    const { status, contexts } = await openRoot(context);
    expect([status, contexts.has("AAPL")]).toEqual([0, false]);
  }
});

test("listings of a client that asked carry rights, mode, Finder's information and the length of the resource fork", async () => {
  const { share } = server.world;
  const f = await file(share, "f", 0o640);
  const d = await folder(share, "d", 0o755);
  const finder = Buffer.from("TEXTttxt\x40\x01..........abcd\x12\x34......", "latin1");
  expect(finder.length).toBe(32);
  for (const { id } of [f, d]) {
    const info = ok(await share.makeStream(alice, id, "AFP_AfpInfo")).inode;
    const stored = Buffer.concat([Buffer.from("AFP\0\0\x01\0\0", "latin1"), Buffer.alloc(8), finder, Buffer.alloc(12)]);
    ok(await share.write(alice, info.id, 0, [new Uint8Array(stored)], stored.length, false));
  }
  const fork = ok(await share.makeStream(alice, f.id, "AFP_Resource")).inode;
  ok(await share.write(alice, fork.id, 0, [bytesOf("fork")], 4, false));
  const plain = await listing((await openRoot()).fileId);
  expect(plain.get("f")!.subarray(64, 96).every((byte) => byte === 0)).toBe(true);

  const { fileId } = await openRoot(query(7n));
  const entries = await listing(fileId);
  const one = entries.get("f")!;
  expect(one.readUInt32LE(64) & 0x1f01ff).toBe(0x1f01ff);
  expect([one[68], one.readBigUInt64LE(70), one.readUInt16LE(94)]).toEqual([24, 4n, 0o100640]);
  expect(one.toString("latin1", 78, 90)).toBe("TEXTttxt\x40\x01\x12\x34");
  expect(one.readInt32BE(90)).toBe(f.birth.sec - 946_684_800);
  expect(one.readBigUInt64LE(96)).toBe(BigInt(f.id));
  const two = entries.get("d")!;
  expect(two.toString("latin1", 78, 90)).toBe("\0\0\0\0\0\0\0\0\x40\x01\x12\x34");
  expect([two.readBigUInt64LE(70), two.readUInt16LE(94)]).toEqual([0n, 0o040755]);
});

test("a copy without chunks is one of the whole file for Apple's clients, and none for others", async () => {
  const { share } = server.world;
  const f = await file(share, "f");
  ok(await share.write(alice, f.id, 0, [bytesOf("content")], 7, false));
  const stream = ok(await share.makeStream(alice, f.id, "com.apple.metadata:tags")).inode;
  ok(await share.write(alice, stream.id, 0, [bytesOf("tags")], 4, false));
  ok(await share.setXattr(alice, f.id, "ea", bytesOf("ea")));
  const from = await files.create({ name: "f", disposition: 1, access: 0x81 });
  const to = await files.create({ name: "g", disposition: 2, access: 0x12019f });
  const copied = async () => {
    const reply = await files.call(Command.IOCTL, copyBody(from.fileId, to.fileId));
    const at = reply.body.readUInt32LE(32) - 64;
    return [reply.status, reply.body.readUInt32LE(at), reply.body.readUInt32LE(at + 8)];
  };
  expect(await copied()).toEqual([0, 0, 0]);
  const g = (name = "g") => share.lookup(alice, rootId, name);
  expect((ok(await g()) as { inode: { size: number } }).inode.size).toBe(0);
  await openRoot(query(7n));
  expect(await copied()).toEqual([0, 0, 7]);
  const made = ok(await g()).inode;
  expect(await textOf(share, made.id)).toBe("content");
  const [copy] = ok(await share.streams(alice, made.id));
  expect([copy!.name, await textOf(share, copy!.inode.id)]).toEqual(["com.apple.metadata:tags", "tags"]);
  expect(ok(await share.xattr(alice, made.id, "ea"))).toEqual(bytesOf("ea"));
  // Again, over what is there.
  expect(await copied()).toEqual([0, 0, 7]);
});

test("a file copied onto itself by another of its names keeps its content", async () => {
  const { share } = server.world;
  const f = await file(share, "f");
  ok(await share.write(alice, f.id, 0, [bytesOf("content")], 7, false));
  ok(await share.link(alice, f.id, rootId, "g"));
  await openRoot(query(7n));
  const from = await files.create({ name: "f", disposition: 1, access: 0x81 });
  const to = await files.create({ name: "g", disposition: 1, access: 0x12019f });
  expect((await files.call(Command.IOCTL, copyBody(from.fileId, to.fileId))).status).toBe(0);
  expect(await textOf(share, f.id)).toBe("content");
});

test("Apple's clients see and set a mode in the access list; what they send back of it is not stored", async () => {
  const { share } = server.world;
  const f = await file(share, "f", 0o640);
  const { fileId } = await files.create({ name: "f", disposition: 1, access: 0x60081 });
  const descriptor = async (): Promise<Buffer> => {
    const body = Buffer.alloc(41);
    body.writeUInt16LE(41, 0);
    body[2] = 3;
    body.writeUInt32LE(65_536, 4);
    body.writeUInt32LE(7, 16);
    body.set(fileId, 24);
    const reply = await files.call(Command.QUERY_INFO, body);
    expect(reply.status).toBe(0);
    const from = reply.body.readUInt16LE(2);
    return Buffer.from(reply.bytes.subarray(from, from + reply.body.readUInt32LE(4)));
  };
  const nfsSids = (bytes: Buffer) => decodeSecurityDescriptor(bytes)!.dacl!.map(({ sid }) => sid).filter((sid) => sid.startsWith("S-1-5-88-"));
  expect(nfsSids(await descriptor())).toEqual([]);
  await openRoot(query(7n));
  expect(nfsSids(await descriptor())).toEqual([`S-1-5-88-3-${0o100640}`, "S-1-5-88-1-1000", "S-1-5-88-2-1000"]);

  const shown = decodeSecurityDescriptor(await descriptor())!;
  const changed = shown.dacl!.map((ace) => (ace.sid.startsWith("S-1-5-88-3-") ? ace.with({ sid: `S-1-5-88-3-${0o100755}` }) : ace));
  const input = encodeSecurityDescriptor({ ...shown, dacl: changed })!;
  const body = Buffer.alloc(32 + input.length);
  body.writeUInt16LE(33, 0);
  body[2] = 3;
  body.writeUInt32LE(input.length, 4);
  body.writeUInt16LE(96, 8);
  body.writeUInt32LE(4, 12);
  body.set(fileId, 16);
  body.set(input, 32);
  expect((await files.call(Command.SET_INFO, body)).status).toBe(0);
  expect(ok(await share.getattr(f.id))).toMatchObject({ mode: 0o755, flags: f.flags });
  expect(nfsSids(await descriptor())[0]).toBe(`S-1-5-88-3-${0o100755}`);
});

test("Apple's clients rename a folder in which files are open; others don't", async () => {
  const renamed = async (fileId: Uint8Array, to: string): Promise<number> => {
    const name = Buffer.from(to, "utf16le");
    const input = Buffer.alloc(20 + name.length);
    input.writeUInt32LE(name.length, 16);
    input.set(name, 20);
    const body = Buffer.alloc(32 + input.length);
    body.writeUInt16LE(33, 0);
    body[2] = 1;
    body[3] = 10;
    body.writeUInt32LE(input.length, 4);
    body.writeUInt16LE(64 + 32, 8);
    body.set(fileId, 16);
    body.set(input, 32);
    return (await files.call(Command.SET_INFO, body)).status;
  };
  const folderOf = async (name: string) => (await files.create({ name, options: 1, access: 0x110081 })).fileId;
  const directory = await folderOf("d");
  const { fileId } = await files.create({ name: "d\\.DS_Store" });
  expect(await renamed(directory, "e")).toBe(NtStatus.ACCESS_DENIED);
  await openRoot(query(7n));
  expect(await renamed(directory, "e")).toBe(NtStatus.SUCCESS);
  expect(await files.write(fileId, 0, bytesOf("text"))).toBe(NtStatus.SUCCESS);
  expect((await files.create({ name: "e\\.DS_Store", disposition: 1 })).status).toBe(NtStatus.SUCCESS);
});
