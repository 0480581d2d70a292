import { afterAll, beforeAll, expect, test } from "bun:test";
import { Command } from "#wire/smb2/header.ts";
import { startTarget, type Target, targetPassword, targetShare, targetUser } from "../../conformance/target.ts";
import { type Handle, NfsClient, Stable } from "../../support/nfs-client.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { readBody, writeBody } from "../../support/smb-requests.ts";

/** Reads, writes and truncations of one file at random, by NFS and by SMB signed and encrypted in turn, against a model of its bytes. */

const operations = Number(Bun.env.FSX_OPERATIONS ?? 700);
const fileBytesMax = 5 * 2 ** 20;
const transferMax = 2 ** 20;
/** A client of the tests keeps what it received: before this much a new one takes its place. */
const receivedMax = 2.5 * 2 ** 20;

let target: Target;
let nfs: NfsClient;
let handle: Handle;

beforeAll(async () => {
  target = await startTarget();
  nfs = await NfsClient.connect({ port: target.server.port, credentials: { uid: 1000, gid: 1000 } });
  const root = await nfs.mount(`/${targetShare}`);
  const made = await nfs.create(root, "fsx", { mode: 0o666 });
  handle = made.handle ?? (await nfs.lookup(root, "fsx")).handle;
});
afterAll(async () => {
  nfs?.close();
  await target?.stop();
});

/** The file over SMB. */
class SmbFile {
  private client: SmbClient | null = null;
  private id: Buffer = Buffer.alloc(0);
  private received = 0;
  private sealed = false;

  private async ready(bytes: number): Promise<SmbClient> {
    this.received += bytes + 4096;
    if (this.client !== null && this.received < receivedMax) return this.client;
    this.client?.close();
    const client = await SmbClient.open(target.port);
    await client.negotiate({ dialects: [0x311], capabilities: 0x7f, ciphers: [2] });
    expect((await client.login(targetUser, targetPassword)).status).toBe(0);
    client.signs = true;
    await client.treeConnect(targetShare);
    this.sealed = !this.sealed;
    if (this.sealed) client.seal();
    this.id = await client.create("fsx");
    this.received = bytes;
    return (this.client = client);
  }

  async write(offset: number, data: Uint8Array): Promise<void> {
    const client = await this.ready(0);
    const { status } = await client.call(Command.WRITE, writeBody(this.id, offset, data), { treeId: client.treeId, charge: Math.ceil(data.length / 65_536), credits: 256 });
    expect(status).toBe(0);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const client = await this.ready(length);
    const { status, bytes } = await client.call(Command.READ, readBody(this.id, offset, length), { treeId: client.treeId, charge: Math.ceil(length / 65_536), credits: 256 });
    expect(status).toBe(0);
    return bytes.subarray(bytes[66]!, bytes[66]! + bytes.readUInt32LE(68));
  }

  close(): void {
    this.client?.close();
  }
}

async function readByNfs(offset: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let done = 0; done < length; ) {
    const { data } = await nfs.read(handle, offset + done, length - done);
    if (data.length === 0) break;
    parts.push(Buffer.from(data));
    done += data.length;
  }
  return Buffer.concat(parts);
}

async function writeByNfs(offset: number, data: Uint8Array, stable: number): Promise<void> {
  for (let done = 0; done < data.length; ) done += (await nfs.write(handle, offset + done, data.subarray(done), stable)).written;
}

test("what is read by either protocol is what was written by either", async () => {
  const random = new SeededRandom(seedFor("fsx over both protocols", "FSX_SEED"));
  const model = Buffer.alloc(fileBytesMax);
  const smb = new SmbFile();
  let size = 0;
  const lengthAt = (offset: number, end: number): number => 1 + random.below(Math.min(random.below(3) === 0 ? 20_000 : transferMax, end - offset));
  for (let i = 0; i < operations; i++) {
    const bySmb = random.below(2) === 0;
    const kind = random.below(20);
    if (kind === 0) {
      const length = random.below(fileBytesMax);
      await nfs.setattr(handle, { size: length });
      if (length < size) model.fill(0, length, size);
      size = length;
    } else if (kind < 11 || size === 0) {
      const offset = random.below(fileBytesMax);
      const data = new Uint8Array(lengthAt(offset, fileBytesMax));
      const seed = random.below(2 ** 30);
      for (let at = 0; at < data.length; at++) data[at] = (at * 31 + seed + (at >>> 8)) & 0xff;
      if (bySmb) await smb.write(offset, data);
      else await writeByNfs(offset, data, random.below(4) === 0 ? Stable.fileSync : Stable.unstable);
      model.set(data, offset);
      size = Math.max(size, offset + data.length);
    } else {
      const offset = random.below(size);
      const length = lengthAt(offset, size);
      const found = bySmb ? await smb.read(offset, length) : await readByNfs(offset, length);
      if (!found.equals(model.subarray(offset, offset + length))) throw new Error(`operation ${i}: ${length} bytes at ${offset} are not what was written`);
    }
  }
  expect((await readByNfs(0, size)).equals(model.subarray(0, size))).toBe(true);
  smb.close();
}, 60_000 + operations * 200);
