import { expect, test } from "bun:test";
import { spawn } from "bun";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { FsControl } from "#wire/smb2/io.ts";
import { Command } from "#wire/smb2/header.ts";
import { Admin } from "../../support/admin.ts";
import { binaryPath, Server, serverEnvironment, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { closeBody, copyChunks, SmbFiles } from "../../support/smb-requests.ts";
import { until } from "../../support/wait.ts";

/** Server-side copies and holes of SMB clients outlive what their sources become, a killed server, and its machine. */

const mebibyte = 2 ** 20;
const minuteMs = 60_000;
const source = Buffer.from(Uint8Array.from({ length: 3 * mebibyte }, (_, i) => ((i * 31 + (i >>> 9)) % 255) + 1));

async function connect(server: Server): Promise<SmbFiles> {
  const client = await SmbClient.open(server.smbPort);
  await client.negotiate();
  const { status } = await client.login("alice", "secret12");
  if (status !== 0) throw new Error(`log-in: ${status.toString(16)}`);
  // Room for what is read and written by the MiB.
  await client.call(Command.ECHO, Buffer.from([4, 0, 0, 0]), { credits: 512 });
  return SmbFiles.of(client, "cloud");
}

async function started(dataDir: string): Promise<Server> {
  const server = await Server.start({ dataDir, port: 0, args: ["--smb-port", "0"] });
  await server.printed(/^ready$/m);
  return server;
}

async function begun(dataDir: string, path: string): Promise<{ server: Server; admin: Admin }> {
  const server = await started(dataDir);
  const admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/users", { username: "alice", password: "secret12", uid: 1000, gid: 1000 });
  await admin.do("POST", "/api/v1/store/block", { name: "cloud", type: "filesystem", config: { path, history: true } });
  await admin.do("POST", "/api/v1/shares", { name: "/cloud", blocks: "cloud", default_permission: "read-write", root_mode: 0o777 });
  return { server, admin };
}

async function whole(files: SmbFiles, name: string): Promise<Buffer> {
  const { status, fileId } = await files.create({ name, disposition: 1 });
  if (status !== 0) throw new Error(`CREATE ${name}: ${status.toString(16)}`);
  const pieces: Buffer[] = [];
  for (let at = 0; at < source.length; at += mebibyte) pieces.push(await files.bytes(fileId, at, mebibyte));
  await files.close(fileId);
  return Buffer.concat(pieces);
}

/** Makes "kept" a copy of "gone", which is then deleted, and a hole in "holed"; what is in both. */
async function work(files: SmbFiles): Promise<Map<string, Buffer>> {
  const gone = (await files.create({ name: "gone" })).fileId;
  const kept = (await files.create({ name: "kept" })).fileId;
  const holed = (await files.create({ name: "holed" })).fileId;
  for (const fileId of [gone, holed]) {
    for (let at = 0; at < source.length; at += mebibyte) expect(await files.write(fileId, at, source.subarray(at, at + mebibyte), { charge: 16 })).toBe(0);
  }
  const key = (await files.ioctl(FsControl.SRV_REQUEST_RESUME_KEY, gone, undefined, 32)).output.subarray(0, 24);
  const chunks = [0, 1, 2].map((i) => [i * mebibyte, i * mebibyte, mebibyte] as const);
  const copied = await files.ioctl(FsControl.SRV_COPYCHUNK, kept, copyChunks(key, chunks), 12);
  expect([copied.status, copied.output.readUInt32LE(8)]).toEqual([0, source.length]);
  const range = Buffer.alloc(16);
  range.writeBigUInt64LE(1000n, 0);
  range.writeBigUInt64LE(2_000_000n, 8);
  expect((await files.ioctl(FsControl.SET_ZERO_DATA, holed, range)).status).toBe(0);
  for (const fileId of [kept, holed]) expect((await files.call(Command.FLUSH, closeBody(fileId))).status).toBe(0);
  for (const fileId of [gone, kept, holed]) await files.close(fileId);
  const again = (await files.create({ name: "gone", disposition: 1, options: 0x1000 })).fileId;
  expect(await files.close(again)).toBe(0);
  return new Map([["kept", source], ["holed", Buffer.from(source).fill(0, 1000, 2_000_000)]]);
}

async function compare(server: Server, expected: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [name, bytes] of expected) {
    // A connection each: it keeps no more than 4 MiB of what it got.
    const files = await connect(server);
    expect({ name, same: (await whole(files, name)).equals(bytes) }).toEqual({ name, same: true });
    files.client.close();
  }
}

async function run(args: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
  const child = spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, text: out + err };
}

test(
  "what FLUSH answered is there after the server is killed, and the store is whole",
  async () => {
    const directory = temporaryDirectory("smb-copy");
    const data = join(directory.path, "data");
    const { server } = await begun(data, join(directory.path, "blocks"));
    const expected = await work(await connect(server));
    await server.kill();
    let next = await started(data);
    await compare(next, expected);
    expect(await next.stop()).toBe(0);
    expect(await run(["fsck", "/cloud", "--data", "--offline", "--data-dir", data])).toMatchObject({ status: 0 });
    next = await started(data);
    await compare(next, expected);
    await next.stop();
    directory.remove();
  },
  3 * minuteMs,
);

test(
  "a share that is recovered from its block store has them",
  async () => {
    const directory = temporaryDirectory("smb-copy-recover");
    const [data, path, found] = [join(directory.path, "data"), join(directory.path, "blocks"), join(directory.path, "found")];
    const { server, admin } = await begun(data, path);
    const expected = await work(await connect(server));
    await until("the history to be published", 10_000, async () => {
      const { history } = (await admin.do("GET", "/api/v1/shares/cloud/status")) as { history: { recoverable: boolean; lag_segments: number } };
      return history.recoverable && history.lag_segments === 0 ? true : null;
    });
    await server.kill();
    rmSync(data, { recursive: true });
    expect(await run(["recover", "--from", "filesystem", "--path", path, "--data-dir", found])).toMatchObject({ status: 0 });
    const next = await started(found);
    const there = await Admin.at(next);
    await there.do("POST", "/api/v1/users", { username: "alice", password: "secret12", uid: 1000, gid: 1000 });
    await there.do("PUT", "/api/v1/shares/cloud", { default_permission: "read-write" });
    await compare(next, expected);
    await next.stop();
    directory.remove();
  },
  3 * minuteMs,
);
