import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Ace, AceType, allRights, Right, SdControl, type SecurityDescriptor, userSid, WellKnown } from "#model/acl.ts";
import { rootId } from "#model/ids.ts";
import { decodeSecurityDescriptor, encodeSecurityDescriptor } from "#model/security-descriptor.ts";
import { decodeEas, encodeEas } from "#wire/ea.ts";
import { FileAttribute, FileInfo } from "#wire/fscc.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { type CreateFields, SmbFiles } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";
import { bob, ok, root } from "../vfs/kit.ts";

const fileType = 1;
const securityType = 3;
const dispositionOpen = 1;
const owner = 1;
const dacl = 4;
const sacl = 8;
const all = 7;
const aliceSid = userSid(1000);

let server: TestSmb;
let files: SmbFiles;

beforeEach(async () => {
  server = await smbServer();
  files = await SmbFiles.of(await server.client());
});
afterEach(() => server.stop());

async function open(name: string, fields: Partial<CreateFields> = {}): Promise<Buffer> {
  const answer = await files.create({ name, ...fields });
  expect(answer.status).toBe(NtStatus.SUCCESS);
  return answer.fileId;
}

interface Asked {
  readonly additional?: number;
  readonly room?: number;
  readonly input?: Uint8Array;
  readonly flags?: number;
}

async function query(fileId: Uint8Array, type: number, infoClass: number, { additional = 0, room = 4096, input = new Uint8Array(0), flags = 0 }: Asked = {}) {
  const body = Buffer.alloc(40 + Math.max(1, input.length));
  body.writeUInt16LE(41, 0);
  body[2] = type;
  body[3] = infoClass;
  body.writeUInt32LE(room, 4);
  body.writeUInt16LE(input.length === 0 ? 0 : 64 + 40, 8);
  body.writeUInt32LE(input.length, 12);
  body.writeUInt32LE(additional, 16);
  body.writeUInt32LE(flags, 20);
  body.set(fileId, 24);
  body.set(input, 40);
  const reply = await files.call(Command.QUERY_INFO, body);
  const from = reply.body.readUInt16LE(2);
  return { status: reply.status, reply, data: Buffer.from(reply.bytes.subarray(from, from + reply.body.readUInt32LE(4))) };
}

async function set(fileId: Uint8Array, type: number, infoClass: number, input: Uint8Array, additional = 0): Promise<number> {
  const body = Buffer.alloc(32 + Math.max(1, input.length));
  body.writeUInt16LE(33, 0);
  body[2] = type;
  body[3] = infoClass;
  body.writeUInt32LE(input.length, 4);
  body.writeUInt16LE(64 + 32, 8);
  body.writeUInt32LE(additional, 12);
  body.set(fileId, 16);
  body.set(input, 32);
  return (await files.call(Command.SET_INFO, body)).status;
}

const descriptor = (...entries: Ace[]): SecurityDescriptor => ({ control: SdControl.daclPresent, owner: null, group: null, dacl: entries, sacl: null });
const bytesOf = (given: SecurityDescriptor): Uint8Array => encodeSecurityDescriptor(given)!;
const allow = (mask: number, sid: string): Ace => new Ace(AceType.allowed, 0, mask, sid);

describe("security descriptors", () => {
  test("show owner, group and what the mode means where none was set, each part where it is asked for", async () => {
    const file = await open("f");
    const whole = decodeSecurityDescriptor((await query(file, securityType, 0, { additional: all })).data)!;
    expect([whole.owner, whole.group]).toEqual([aliceSid, "S-1-22-2-1000"]);
    expect(whole.dacl![0]).toEqual(allow(allRights, aliceSid));
    const part = decodeSecurityDescriptor((await query(file, securityType, 0, { additional: owner })).data)!;
    expect([part.owner, part.group, part.dacl, part.control]).toEqual([aliceSid, null, null, SdControl.selfRelative]);
  });

  test("that were set are shown as they were set, generic rights made specific, and bind an NFS client too", async () => {
    const file = await open("f");
    const given = descriptor(allow(Right.genericRead, WellKnown.everyone), new Ace(AceType.denied, 3, 1, "S-1-5-21-1-2-3-9"));
    expect(await set(file, securityType, 0, bytesOf(given), dacl)).toBe(NtStatus.SUCCESS);
    const shown = decodeSecurityDescriptor((await query(file, securityType, 0, { additional: dacl })).data)!;
    expect(shown.dacl!.map(({ mask, sid }) => [mask, sid])).toEqual([[0x120089, WellKnown.everyone], [1, "S-1-5-21-1-2-3-9"]]);
    const { share } = server.world;
    const { inode } = ok(await share.lookup(bob, rootId, "f"));
    expect(ok(await share.access(bob, inode.id, 0x3f)).granted).toBe(1);
    ok(await share.setattr({ ...bob, uid: 1000 }, inode.id, { mode: 0o600 }, null));
    const after = decodeSecurityDescriptor((await query(file, securityType, 0, { additional: dacl })).data)!;
    expect(after.dacl!.map(({ sid }) => sid)).toEqual([aliceSid, "S-1-22-2-1000", WellKnown.everyone]);
  });

  test("take the rights they take, part by part", async () => {
    await open("f");
    const blind = await open("f", { access: Right.readAttributes });
    const reader = await open("f", { access: Right.readControl });
    const given = bytesOf({ ...descriptor(), owner: aliceSid });
    expect((await query(blind, securityType, 0, { additional: dacl })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await query(reader, securityType, 0, { additional: sacl })).status).toBe(NtStatus.ACCESS_DENIED);
    for (const [access, part] of [[Right.writeOwner, owner], [Right.writeDac, dacl]] as const) {
      const file = await open("f", { access: access | Right.readControl });
      expect(await set(file, securityType, 0, given, part)).toBe(NtStatus.SUCCESS);
      expect(await set(reader, securityType, 0, given, part)).toBe(NtStatus.ACCESS_DENIED);
      expect(await set(file, securityType, 0, given, sacl)).toBe(NtStatus.ACCESS_DENIED);
    }
  });

  test("without room are refused with the room they need", async () => {
    const file = await open("f");
    const { data } = await query(file, securityType, 0, { additional: all });
    const small = await query(file, securityType, 0, { additional: all, room: data.length - 1 });
    expect(small.status).toBe(NtStatus.BUFFER_TOO_SMALL);
    // An error context of 3.1.1: its data are behind two words.
    expect(small.reply.body.readUInt32LE(8 + 8)).toBe(data.length);
    expect((await query(file, securityType, 0, { additional: all, room: data.length })).status).toBe(NtStatus.SUCCESS);
  });

  test("of random bytes, or that give the file away, are refused", async () => {
    const file = await open("f");
    expect(await set(file, securityType, 0, Buffer.from("not a descriptor at all"), dacl)).toBe(NtStatus.INVALID_SECURITY_DESCR);
    expect(await set(file, securityType, 0, bytesOf(descriptor()), owner)).toBe(NtStatus.INVALID_OWNER);
    expect(await set(file, securityType, 0, bytesOf({ ...descriptor(), owner: userSid(1001) }), owner)).toBe(NtStatus.INVALID_OWNER);
  });

  test("decide what a file is opened for: what is asked, the most there is, and what is told of it", async () => {
    const file = await open("f");
    await set(file, securityType, 0, bytesOf(descriptor(allow(Right.readData, aliceSid))), dacl);
    expect((await files.create({ name: "f", access: Right.writeData })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await files.create({ name: "f", access: Right.readData, disposition: 5 })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await files.create({ name: "f", access: Right.maximumAllowed | Right.writeData })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await files.create({ name: "f", access: Right.systemSecurity })).status).toBe(NtStatus.PRIVILEGE_NOT_HELD);
    const most = Right.readData | Right.readAttributes | Right.readControl | Right.writeDac | Right.delete;
    const answer = await files.create({ name: "f", access: Right.maximumAllowed, contexts: [["MxAc", new Uint8Array(0)]] });
    expect((await query(answer.fileId, fileType, FileInfo.Access)).data.readUInt32LE(0)).toBe(most);
    expect([answer.contexts.get("MxAc")!.readUInt32LE(0), answer.contexts.get("MxAc")!.readUInt32LE(4)]).toEqual([0, most]);
  });
});

describe("file information", () => {
  test("that has no room for its fixed part is refused, and cut behind it", async () => {
    const file = await open("name.txt");
    for (const [infoClass, fixed] of [[FileInfo.Basic, 40], [FileInfo.Standard, 24], [FileInfo.All, 104], [FileInfo.Stream, 32], [FileInfo.NetworkOpen, 56], [FileInfo.Stat, 72], [FileInfo.Id, 24]] as const) {
      const { data } = await query(file, fileType, infoClass);
      expect(data.length).toBeGreaterThanOrEqual(fixed);
      for (let room = 0; room < data.length; room++) {
        const cut = await query(file, fileType, infoClass, { room });
        expect([infoClass, room, cut.status]).toEqual([infoClass, room, room < fixed ? NtStatus.INFO_LENGTH_MISMATCH : NtStatus.BUFFER_OVERFLOW]);
      }
    }
    for (const infoClass of [0, 1, 10, 99, 255]) expect((await query(file, fileType, infoClass)).status).toBe(NtStatus.INVALID_INFO_CLASS);
  });

  test("tells the name a file has now, whoever renamed it or a directory above it", async () => {
    const { share } = server.world;
    const { id } = ok(await share.mkdir(root, rootId, "d", { mode: 0o777 })).inode;
    const file = await open("d\\f");
    const stream = await open("d\\f:s");
    const name = async (of: Buffer, infoClass: number) => (await query(of, fileType, infoClass)).data.subarray(infoClass === FileInfo.All ? 100 : 4).toString("utf16le");
    expect(await name(file, FileInfo.Name)).toBe("\\d\\f");
    ok(await share.rename(root, rootId, "d", rootId, "e"));
    expect(await name(file, FileInfo.Name)).toBe("\\e\\f");
    expect(await name(stream, FileInfo.All)).toBe("\\e\\f:s");
    ok(await share.rename(root, id, "f", rootId, "g"));
    expect(await name(file, FileInfo.All)).toBe("\\g");
    expect(await name(stream, FileInfo.Name)).toBe("\\g:s");
  });

  test("set with fewer bytes than it has is refused, and without the right", async () => {
    const file = await open("f");
    const looker = await open("f", { access: Right.readAttributes });
    for (const [infoClass, bytes] of [[FileInfo.Basic, 40], [FileInfo.EndOfFile, 8], [FileInfo.Allocation, 8], [FileInfo.Disposition, 1], [FileInfo.Rename, 20], [FileInfo.FullEa, 8], [FileInfo.Position, 8]] as const) {
      for (let length = 0; length < bytes; length++) expect(await set(file, fileType, infoClass, new Uint8Array(length))).toBe(NtStatus.INFO_LENGTH_MISMATCH);
      expect([infoClass, await set(looker, fileType, infoClass, new Uint8Array(bytes))]).toEqual([infoClass, NtStatus.ACCESS_DENIED]);
    }
    expect(await set(file, fileType, 200, new Uint8Array(64))).toBe(NtStatus.INVALID_INFO_CLASS);
    expect(await set(file, fileType, FileInfo.Mode, Buffer.from([1, 0, 0, 0]))).toBe(NtStatus.INVALID_PARAMETER);
  });

  test("attributes are kept, and none of a directory's are a file's", async () => {
    const file = await open("f");
    const basic = Buffer.alloc(40);
    const attributes = async (): Promise<number> => (await query(file, fileType, FileInfo.Basic)).data.readUInt32LE(32);
    expect(await attributes()).toBe(FileAttribute.ARCHIVE);
    for (const [given, shown] of [[FileAttribute.HIDDEN | FileAttribute.READONLY, 3], [0, 3], [FileAttribute.NORMAL, FileAttribute.NORMAL], [FileAttribute.SPARSE_FILE | FileAttribute.SYSTEM, FileAttribute.SYSTEM]] as const) {
      basic.writeUInt32LE(given, 32);
      expect(await set(file, fileType, FileInfo.Basic, basic)).toBe(NtStatus.SUCCESS);
      expect(await attributes()).toBe(shown);
    }
    basic.writeUInt32LE(FileAttribute.DIRECTORY, 32);
    expect(await set(file, fileType, FileInfo.Basic, basic)).toBe(NtStatus.INVALID_PARAMETER);
    expect((await files.create({ name: "f", disposition: 5 })).status).toBe(NtStatus.ACCESS_DENIED);
  });

  test("a read-only file is neither written nor deleted by whoever opens it then", async () => {
    const file = await open("f");
    const basic = Buffer.alloc(40);
    basic.writeUInt32LE(FileAttribute.READONLY, 32);
    await set(file, fileType, FileInfo.Basic, basic);
    expect((await files.create({ name: "f", disposition: 5 })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await files.create({ name: "f", access: Right.appendData })).status).toBe(NtStatus.ACCESS_DENIED);
    expect(await files.write(file, 0, Buffer.from("by whom it was open"))).toBe(NtStatus.SUCCESS);
    expect((await files.create({ name: "f", disposition: dispositionOpen, options: 0x1000, access: Right.delete })).status).toBe(NtStatus.CANNOT_DELETE);
    expect(await set(file, fileType, FileInfo.Disposition, Buffer.from([1]))).toBe(NtStatus.CANNOT_DELETE);
    expect(await set(file, fileType, FileInfo.DispositionEx, Buffer.from([0x11, 0, 0, 0]))).toBe(NtStatus.SUCCESS);
  });
});

describe("extended attributes", () => {
  const chain = (...eas: (readonly [string, string])[]): Uint8Array => encodeEas(eas.map(([name, value]) => ({ name, flags: 0, value: Buffer.from(value) }))).bytes;
  const read = async (file: Uint8Array, asked: Asked = { flags: 1 }) => {
    const { status, data } = await query(file, fileType, FileInfo.FullEa, asked);
    const decoded = status === NtStatus.SUCCESS || status === NtStatus.BUFFER_OVERFLOW ? decodeEas(data) : { eas: [] };
    return { status, eas: "eas" in decoded ? decoded.eas.map(({ name, value }) => [name, Buffer.from(value).toString()]) : null };
  };

  test("come with a file, are changed in any case of their names, and go where they have no value", async () => {
    const file = await open("f", { contexts: [["ExtA", chain(["One", "1"], ["two", "zwei"])]] });
    expect(await read(file)).toEqual({ status: 0, eas: [["One", "1"], ["two", "zwei"]] });
    expect(await set(file, fileType, FileInfo.FullEa, chain(["ONE", "eins"], ["TWO", ""], ["three", "3"]))).toBe(NtStatus.SUCCESS);
    expect((await read(file)).eas).toEqual([["One", "eins"], ["three", "3"]]);
    expect((await query(file, fileType, FileInfo.Ea)).data.readUInt32LE(0)).toBe(4 + (4 + 4 + 4) + (4 + 6 + 1));
    await files.close(file);
    expect((await read(await open("f"))).eas).toHaveLength(2);
  });

  test("are listed one by one, by name, and as many as have room", async () => {
    const file = await open("f", { contexts: [["ExtA", chain(["a", "1"], ["b", "2"])]] });
    expect((await read(file, { flags: 3 })).eas).toEqual([["a", "1"]]);
    expect((await read(file, { flags: 2 })).eas).toEqual([["b", "2"]]);
    expect((await read(file, { flags: 2 })).status).toBe(NtStatus.NO_MORE_EAS);
    const wanted = Buffer.from([0, 0, 0, 0, 1, 0x42, 0]);
    expect((await read(file, { input: wanted })).eas).toEqual([["b", "2"]]);
    expect(await read(file, { flags: 1, room: 16 })).toEqual({ status: NtStatus.BUFFER_OVERFLOW, eas: [["a", "1"]] });
    expect((await read(file, { flags: 1, room: 8 })).status).toBe(NtStatus.BUFFER_TOO_SMALL);
    expect((await read(await open("plain"))).status).toBe(NtStatus.NO_EAS_ON_FILE);
  });

  test("that make no sense, have no name or are too many are refused", async () => {
    const file = await open("f");
    expect(await set(file, fileType, FileInfo.FullEa, Buffer.alloc(16, 0xff))).toBe(NtStatus.EA_LIST_INCONSISTENT);
    expect(await set(file, fileType, FileInfo.FullEa, chain(["a*b", "1"]))).toBe(NtStatus.INVALID_EA_NAME);
    const large = "x".repeat(40_000);
    expect(await set(file, fileType, FileInfo.FullEa, chain(["a", large]))).toBe(NtStatus.SUCCESS);
    expect(await set(file, fileType, FileInfo.FullEa, chain(["b", large]))).toBe(NtStatus.EA_TOO_LARGE);
    const looker = await open("f", { access: Right.readAttributes });
    expect((await read(looker)).status).toBe(NtStatus.ACCESS_DENIED);
  });
});

describe("named streams", () => {
  test("are a file's own: content and size apart, everything else the file's, gone with it", async () => {
    const base = await open("f");
    const stream = await open("f:Notes");
    expect(await files.write(stream, 0, Buffer.from("noted"))).toBe(NtStatus.SUCCESS);
    expect(Number((await query(stream, fileType, FileInfo.Standard)).data.readBigUInt64LE(8))).toBe(5);
    expect(Number((await query(base, fileType, FileInfo.Standard)).data.readBigUInt64LE(8))).toBe(0);
    const listed = (await query(base, fileType, FileInfo.Stream)).data.toString("utf16le");
    expect(listed).toContain("::$DATA");
    expect(listed).toContain(":Notes:$DATA");
    expect((await files.create({ name: "f:NOTES", disposition: 2 })).status).toBe(NtStatus.OBJECT_NAME_COLLISION);
    expect((await files.create({ name: "f:other", disposition: dispositionOpen })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
    expect(await set(base, fileType, FileInfo.Disposition, Buffer.from([1]))).toBe(NtStatus.SUCCESS);
    await files.close(base);
    expect((await files.create({ name: "f", disposition: dispositionOpen })).status).toBe(NtStatus.DELETE_PENDING);
    await files.close(stream);
    expect((await files.create({ name: "f", disposition: dispositionOpen })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  });

  test("opened while their file goes are found as little as that is", async () => {
    const { share } = server.world;
    const openStream = share.openStream.bind(share);
    for (const late of [false, true]) {
      await files.close(await open("f:s"));
      let removals = 0;
      share.openStream = async (...asked) => {
        const found = late ? await openStream(...asked) : null;
        if (removals++ === 0) ok(await share.remove(root, rootId, "f"));
        return found ?? openStream(...asked);
      };
      expect((await files.create({ name: "f:s", disposition: dispositionOpen })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
      expect(share.opens.size).toBe(0);
      share.openStream = openStream;
    }
  });

  test("with characters that NTFS forbids are told as they were made", async () => {
    const file = await open("f:foo\uf022bar");
    const { data } = await query(file, fileType, FileInfo.Stream);
    expect(data.toString("utf16le")).toContain(":foo\uf022bar:$DATA");
  });

  test("obey their file's descriptor", async () => {
    const base = await open("f");
    await files.close(await open("f:s"));
    await set(base, securityType, 0, bytesOf(descriptor(allow(Right.readData, aliceSid))), dacl);
    expect((await files.create({ name: "f:s", access: Right.readData })).status).toBe(NtStatus.SUCCESS);
    expect((await files.create({ name: "f:s", access: Right.writeData })).status).toBe(NtStatus.ACCESS_DENIED);
    expect((await files.create({ name: "f:new", access: Right.readData })).status).toBe(NtStatus.ACCESS_DENIED);
  });
});
