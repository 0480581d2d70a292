import { afterEach, expect, test } from "bun:test";
import { Command } from "#wire/smb2/header.ts";
import { Cipher } from "#wire/smb2/negotiate.ts";
import type { SmbClient } from "../../support/smb-client.ts";
import { readBody, writeBody } from "../../support/smb-requests.ts";
import { smbServer, type TestSmb } from "../../support/smb-server.ts";

const servers: TestSmb[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

const mebibyte = 2 ** 20;
const bytesOf = (length: number, seed: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff));
const dataOf = (bytes: Buffer): Buffer => bytes.subarray(bytes[66]!, bytes[66]! + bytes.readUInt32LE(68));

async function opened(cipher: Cipher | null): Promise<{ client: SmbClient; file: Buffer }> {
  const server = await smbServer();
  servers.push(server);
  const client = await server.client({ dialects: [0x311], ...(cipher === null ? {} : { ciphers: [cipher] }) });
  if (cipher === null) client.signs = true;
  await client.treeConnect("export");
  if (cipher !== null) client.seal();
  return { client, file: await client.create("a") };
}

for (const [how, cipher] of [["signed", null], ["by AES-128-GCM", Cipher.AES_128_GCM], ["by AES-256-GCM", Cipher.AES_256_GCM], ["by AES-128-CCM", Cipher.AES_128_CCM]] as const) {
  test(`large WRITEs and READs of all sizes are what was written (${how})`, async () => {
    const { client, file } = await opened(cipher);
    const model = Buffer.alloc(4 * mebibyte);
    const { treeId } = client;
    for (const [i, [offset, length]] of ([[0, mebibyte], [mebibyte - 5, mebibyte], [3 * mebibyte, mebibyte], [77, 4096], [200_000, 131_072], [2 * mebibyte + 9, 400_001]] as const).entries()) {
      const data = bytesOf(length, i);
      data.copy(model, offset);
      const reply = await client.call(Command.WRITE, writeBody(file, offset, data), { treeId, charge: 16, credits: 64 });
      expect([reply.status, client.lastSealed]).toEqual([0, cipher !== null]);
    }
    for (const [offset, length] of [[0, mebibyte], [mebibyte - 1, mebibyte], [2 * mebibyte, 700_001], [3 * mebibyte + 1, 300_000], [60, 4096], [65_530, 20], [0, 16_384]] as const) {
      const reply = await client.call(Command.READ, readBody(file, offset, length), { treeId, charge: 16, credits: 64 });
      expect([reply.status, client.lastSealed, cipher !== null || client.verifies(reply)]).toEqual([0, cipher !== null, true]);
      expect(dataOf(reply.bytes).equals(model.subarray(offset, offset + length))).toBe(true);
    }
  }, 60_000);
}

test("many large WRITEs on their way at once do not mix, though the memory they are received in is used again", async () => {
  const { client, file } = await opened(null);
  const half = mebibyte / 2;
  const { treeId } = client;
  for (let round = 0; round < 6; round++) for (let at = 0; at < 6; at++) client.send(Command.WRITE, writeBody(file, at * half, bytesOf(half, round * 6 + at)), { treeId, charge: 8, credits: 16 });
  for (let i = 0; i < 36; i++) expect((await client.next()).status).toBe(0);
  for (let at = 0; at < 6; at++) {
    const reply = await client.call(Command.READ, readBody(file, at * half, half), { treeId, charge: 8, credits: 16 });
    expect(dataOf(reply.bytes).equals(bytesOf(half, 30 + at))).toBe(true);
  }
});

test("a large WRITE of which one byte was changed on its way writes nothing", async () => {
  const { client, file } = await opened(null);
  const { treeId } = client;
  await client.call(Command.WRITE, writeBody(file, 0, bytesOf(mebibyte, 1)), { treeId, charge: 16, credits: 64 });
  const message = client.signed(client.request(Command.WRITE, writeBody(file, 0, bytesOf(mebibyte, 2)), { treeId, charge: 16, credits: 64 }));
  message[message.length - 300_000]! ^= 1;
  client.sendRaw(message);
  expect((await client.next()).status).toBe(0xc0000022);
  const reply = await client.call(Command.READ, readBody(file, 0, mebibyte), { treeId, charge: 16, credits: 64 });
  expect(dataOf(reply.bytes).equals(bytesOf(mebibyte, 1))).toBe(true);
});

test("an encrypted one costs the connection", async () => {
  const { client, file } = await opened(Cipher.AES_128_GCM);
  const request = client.request(Command.WRITE, writeBody(file, 0, bytesOf(mebibyte, 2)), { treeId: client.treeId, charge: 16 });
  const sealed = client.sealer!.seal(request, Number(client.sessionId));
  sealed[sealed.length - 300_000]! ^= 1;
  client.sendRaw(sealed);
  await client.closedByServer();
});
