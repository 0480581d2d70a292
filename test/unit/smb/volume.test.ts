import { afterEach, beforeEach, expect, test } from "bun:test";
import { policyOf } from "../../support/policy.ts";
import { FsAttribute, FsInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { ok } from "../vfs/kit.ts";

let server: TestSmb;
let files: SmbFiles;
let root: Buffer;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
  root = (await files.create({ name: "", disposition: 1, options: 1, access: 0x100081 })).fileId;
});
afterEach(() => server.stop());

async function ask(infoClass: number, room = 4096): Promise<{ status: number; data: Buffer }> {
  const body = Buffer.alloc(41);
  body.writeUInt16LE(41, 0);
  body[2] = 2;
  body[3] = infoClass;
  body.writeUInt32LE(room, 4);
  body.set(root, 24);
  const reply = await files.call(Command.QUERY_INFO, body);
  const from = reply.body.readUInt16LE(2);
  return { status: reply.status, data: reply.bytes.subarray(from, from + reply.body.readUInt32LE(4)) };
}

test("the volume's size is what the share has room for", async () => {
  const usage = ok(await server.world.share.usage());
  const { data } = await ask(FsInfo.FullSize);
  const bytes = (at: number) => Number(data.readBigUInt64LE(at)) * data.readUInt32LE(24) * data.readUInt32LE(28);
  for (const [at, wanted] of [[0, usage.totalBytes], [8, usage.availableBytes], [16, usage.freeBytes]] as const) {
    expect(bytes(at)).toBeLessThanOrEqual(wanted);
    expect(bytes(at)).toBeGreaterThan(wanted - 4096);
  }
  const short = (await ask(FsInfo.Size)).data;
  expect(short.subarray(0, 16).equals(data.subarray(0, 16))).toBe(true);
});

test("its name is the share's, its serial number and id its own; what is too long is cut, less room than the fixed part refused", async () => {
  const { status, data } = await ask(FsInfo.Volume);
  expect([status, data.toString("utf16le", 18), data.readUInt32LE(12)]).toEqual([0, "export", 12]);
  expect(data.readUInt32LE(8)).not.toBe(0);
  const id = (await ask(FsInfo.ObjectId)).data;
  expect([id.length, id.subarray(0, 16).some((byte) => byte !== 0)]).toEqual([64, true]);
  const cut = await ask(FsInfo.Volume, 26);
  expect([cut.status, cut.data.length, cut.data.readUInt32LE(12)]).toEqual([NtStatus.BUFFER_OVERFLOW, 26, 12]);
  expect((await ask(FsInfo.Volume, 23)).status).toBe(NtStatus.INFO_LENGTH_MISMATCH);
});

test("attributes say what the share can do and whether it may be written", async () => {
  const wants = FsAttribute.PERSISTENT_ACLS | FsAttribute.NAMED_STREAMS | FsAttribute.SUPPORTS_EXTENDED_ATTRIBUTES | FsAttribute.CASE_PRESERVED_NAMES;
  const before = (await ask(FsInfo.Attribute)).data;
  expect([before.readUInt32LE(0) & wants, before.readUInt32LE(0) & FsAttribute.READ_ONLY_VOLUME, before.toString("utf16le", 12)]).toEqual([wants, 0, "NTFS"]);
  server.world.share.setPolicy(policyOf({ readOnly: true }));
  expect((await ask(FsInfo.Attribute)).data.readUInt32LE(0) & FsAttribute.READ_ONLY_VOLUME).toBe(FsAttribute.READ_ONLY_VOLUME);
});

test("there are no quotas, and sectors are those of the clusters", async () => {
  const { data } = await ask(FsInfo.Control);
  expect([data.length, data.readBigInt64LE(24), data.readBigInt64LE(32), data.readUInt32LE(40)]).toEqual([48, -1n, -1n, 0]);
  expect((await ask(FsInfo.SectorSize)).data.readUInt32LE(4)).toBe(4096);
  expect((await ask(FsInfo.Device)).data.readUInt32LE(0)).toBe(7);
  const attributes = (await ask(FsInfo.Attribute)).data.readUInt32LE(0);
  expect(attributes & FsAttribute.VOLUME_QUOTAS).toBe(0);
  for (const infoClass of [0, FsInfo.Label, 9, 10, 12, 200]) expect((await ask(infoClass)).status).toBe(NtStatus.INVALID_INFO_CLASS);
});

test("who asks for a user's quota, or sets one, is told that there are none (MS-SMB2 3.3.5.20.4, 3.3.5.21.4)", async () => {
  const asked = Buffer.alloc(41 + 16);
  asked.writeUInt16LE(41, 0);
  asked[2] = 4;
  asked.writeUInt32LE(4096, 4);
  asked.writeUInt16LE(64 + 40, 8);
  asked.writeUInt32LE(16, 12);
  asked.set(root, 24);
  expect((await files.call(Command.QUERY_INFO, asked)).status).toBe(NtStatus.NOT_SUPPORTED);
  const set = (infoType: number, infoClass: number) => {
    const body = Buffer.alloc(32 + 48);
    body.writeUInt16LE(33, 0);
    body[2] = infoType;
    body[3] = infoClass;
    body.writeUInt32LE(48, 4);
    body.writeUInt16LE(64 + 32, 8);
    body.set(root, 16);
    return files.call(Command.SET_INFO, body);
  };
  expect((await set(4, 0)).status).toBe(NtStatus.NOT_SUPPORTED);
  // Nor can limits for everybody be set.
  expect((await set(2, FsInfo.Control)).status).toBe(NtStatus.NOT_SUPPORTED);
  // No file stands for them.
  expect((await files.create({ name: "$Extend\\$Quota:$Q:$INDEX_ALLOCATION", disposition: 1 })).status).toBe(NtStatus.OBJECT_NAME_INVALID);
});
