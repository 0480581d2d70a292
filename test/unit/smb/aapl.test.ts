import { afterEach, beforeEach, expect, test } from "bun:test";
import { Command } from "#wire/smb2/header.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { alice, bytesOf, file, folder, ok } from "../vfs/kit.ts";

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
  expect([all.readUInt32LE(0), all.readBigUInt64LE(8), all.readBigUInt64LE(16), all.readBigUInt64LE(24)]).toEqual([1, 7n, 5n, 4n]);
  expect(all.toString("utf16le", 40, 40 + all.readUInt32LE(36))).toBe("MacSamba");
  const volume = (await openRoot(query(2n))).contexts.get("AAPL")!;
  expect([volume.length, volume.readBigUInt64LE(8), volume.readBigUInt64LE(16)]).toEqual([24, 2n, 4n]);
  // A client that can't read such listings gets none.
  expect((await openRoot(query(1n, 6n))).contexts.get("AAPL")!.readBigUInt64LE(16)).toBe(4n);
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
  expect([one[68], one.readBigUInt64LE(70), one.readUInt16LE(94)]).toEqual([0, 4n, 0o100640]);
  expect(one.toString("latin1", 78, 90)).toBe("TEXTttxt\x40\x01\x12\x34");
  expect(one.readInt32BE(90)).toBe(f.birth.sec - 946_684_800);
  expect(one.readBigUInt64LE(96)).toBe(BigInt(f.id));
  const two = entries.get("d")!;
  expect(two.toString("latin1", 78, 90)).toBe("\0\0\0\0\0\0\0\0\x40\x01\x12\x34");
  expect([two.readBigUInt64LE(70), two.readUInt16LE(94)]).toEqual([0n, 0o040755]);
});
