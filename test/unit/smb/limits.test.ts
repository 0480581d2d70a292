import { afterEach, beforeEach, expect, test } from "bun:test";
import { smbSettingDefaults } from "#smb/settings.ts";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { emptyBody, queryInfoBody } from "../../support/smb-client.ts";
import { ioctlBody, readBody, SmbFiles, writeBody } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
const creditBytes = 64 * kibibyte;
const resumeKey = 0x00140078;

let server: TestSmb;

beforeEach(async () => {
  server = await smbServer();
});
afterEach(() => server.stop());

interface Working {
  readonly files: SmbFiles;
  readonly file: Buffer;
  readonly directory: Buffer;
  /** What NEGOTIATE told. */
  readonly transactMax: number;
  readonly readMax: number;
  readonly writeMax: number;
  /** The status of a request that its credits pay for. */
  status(command: number, body: Uint8Array, bytes: number): Promise<number>;
}

async function working(dialect: number): Promise<Working> {
  const client = await server.connect();
  const { body } = await client.negotiate({ dialects: [dialect] });
  expect((await client.login("alice", "secret")).status).toBe(0);
  client.signs = true;
  const files = await SmbFiles.of(client);
  await client.call(Command.ECHO, emptyBody, { credits: 512 });
  const multiCredit = dialect !== 0x202;
  return {
    files,
    file: (await files.create({ name: "a" })).fileId,
    directory: (await files.create({ name: "", options: 1, access: 0x1200a9, disposition: 1 })).fileId,
    transactMax: body.readUInt32LE(28),
    readMax: body.readUInt32LE(32),
    writeMax: body.readUInt32LE(36),
    status: async (command, sent, bytes) => (await files.call(command, sent, { charge: multiCredit ? Math.ceil(bytes / creditBytes) : 1, credits: 256 })).status,
  };
}

function listingBody(directory: Uint8Array, bytesMax: number): Buffer {
  const body = Buffer.alloc(34);
  body.writeUInt16LE(33, 0);
  body[2] = 12;
  body.set(directory, 8);
  body.writeUInt16LE(96, 24);
  body.writeUInt16LE(2, 26);
  body.writeUInt32LE(bytesMax, 28);
  body.write("*", 32, "utf16le");
  return body;
}

function queryBody(file: Uint8Array, bytesMax: number): Buffer {
  const body = queryInfoBody(file);
  body.writeUInt32LE(bytesMax, 4);
  return body;
}

function controlBody(file: Uint8Array, inputMax: number, outputMax: number): Buffer {
  const body = ioctlBody(resumeKey, file, undefined, outputMax);
  body.writeUInt32LE(inputMax, 32);
  return body;
}

/** A SET_INFO of so many bytes, of which FileModeInformation takes the first. */
function setBody(file: Uint8Array, bytes: number): Buffer {
  const body = Buffer.alloc(32 + bytes);
  body.writeUInt16LE(33, 0);
  body.set([1, 16], 2);
  body.writeUInt32LE(bytes, 4);
  body.writeUInt16LE(96, 8);
  body.set(file, 16);
  return body;
}

for (const [dialect, most, mostOther] of [[0x202, 64 * kibibyte, 64 * kibibyte], [0x210, mebibyte, 8 * mebibyte], [0x311, mebibyte, 8 * mebibyte]] as const) {
  test(`no more is read, written or asked for at a time than NEGOTIATE told (${dialect.toString(16)})`, async () => {
    const { file, directory, readMax, writeMax, transactMax, status } = await working(dialect);
    expect([readMax, writeMax, transactMax]).toEqual([most, most, mostOther]);
    expect(await status(Command.WRITE, writeBody(file, 0, Buffer.alloc(writeMax)), writeMax)).toBe(0);
    expect(await status(Command.READ, readBody(file, 0, readMax), readMax)).toBe(0);
    expect(await status(Command.QUERY_DIRECTORY, listingBody(directory, transactMax), transactMax)).toBe(0);
    expect(await status(Command.QUERY_INFO, queryBody(file, transactMax), transactMax)).toBe(0);
    expect(await status(Command.IOCTL, controlBody(file, 0, transactMax), transactMax)).toBe(0);
    expect(await status(Command.SET_INFO, setBody(file, creditBytes), creditBytes)).toBe(0);
    const more = transactMax + 1;
    const beyond: readonly (readonly [number, Buffer, number])[] = [
      [Command.WRITE, writeBody(file, 0, Buffer.alloc(writeMax + 1)), writeMax + 1],
      [Command.READ, readBody(file, 0, readMax + 1), readMax + 1],
      [Command.QUERY_DIRECTORY, listingBody(directory, more), more],
      [Command.QUERY_INFO, queryBody(file, more), more],
      [Command.IOCTL, controlBody(file, 0, more), more],
      [Command.IOCTL, controlBody(file, more, 0), more],
      [Command.SET_INFO, setBody(file, more), more],
    ];
    for (const [command, body, bytes] of beyond) expect([command, await status(command, body, bytes)]).toEqual([command, NtStatus.INVALID_PARAMETER]);
  });
}

test("a connection keeps what it was told when the setting is another", async () => {
  const before = await working(0x311);
  const { port } = server;
  server.smb.reconfigure({ bind: "127.0.0.1", port, connectionsMax: 1000 }, { ...smbSettingDefaults, transferBytesMax: creditBytes });
  const after = await working(0x311);
  expect([after.readMax, after.writeMax, after.transactMax]).toEqual([creditBytes, creditBytes, 8 * mebibyte]);
  const reads = ({ file, status }: Working) => status(Command.READ, readBody(file, 0, mebibyte), mebibyte);
  expect(await before.status(Command.WRITE, writeBody(before.file, 0, Buffer.alloc(mebibyte)), mebibyte)).toBe(0);
  expect([await reads(before), await reads(after)]).toEqual([0, NtStatus.INVALID_PARAMETER]);
});
