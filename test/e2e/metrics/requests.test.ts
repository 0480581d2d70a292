import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { Admin } from "../../support/admin.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { queryInfoBody, SmbClient } from "../../support/smb-client.ts";
import { closeBody, createBody, LockFlags, SmbFiles } from "../../support/smb-requests.ts";

/** Requests of both protocols against the compiled server, and what its metrics say of them afterwards: to the number where the load is exact. */

const password = "the password of alice";
const directory = temporaryDirectory("metrics");
let server: Server;
let nfs: NfsClient;

beforeAll(async () => {
  server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env: { DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" } });
  nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
  const admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000 });
  await admin.do("PUT", "/api/v1/shares/export/permissions/users/alice", { level: "read-write" });
});

afterAll(async () => {
  nfs?.close();
  await server?.stop();
  directory.remove();
});

const scrape = (): Promise<Scrape> => Scrape.at(server.metricsUrl);

test("NFS calls are counted by procedure, share and status, with their durations and bytes", async () => {
  const root = await nfs.mount("/export");
  const before = await scrape();
  for (let i = 0; i < 7; i++) await nfs.getattr(root);
  const { handle } = await nfs.create(root, "file", { mode: 0o644 });
  for (let i = 0; i < 3; i++) await nfs.write(handle!, i * 1000, Buffer.alloc(1000, 7), Stable.unstable);
  await nfs.commit(handle!, 0, 0);
  await nfs.read(handle!, 500, 10_000);
  for (let i = 0; i < 4; i++) await expect(nfs.lookup(root, "nobody")).rejects.toThrow();
  const rose = risen(before, await scrape());
  const requests = (procedure: string, status: string): number => rose("dittofs_nfs_requests_total", { procedure, share: "/export", status });
  expect(requests("GETATTR", "NFS3_OK")).toBe(7);
  expect(requests("CREATE", "NFS3_OK")).toBe(1);
  expect(requests("WRITE", "NFS3_OK")).toBe(3);
  expect(requests("COMMIT", "NFS3_OK")).toBe(1);
  expect(requests("READ", "NFS3_OK")).toBe(1);
  expect(requests("LOOKUP", "NFS3ERR_NOENT")).toBe(4);
  expect(rose("dittofs_nfs_file_bytes_total", { procedure: "WRITE", share: "/export" })).toBe(3000);
  expect(rose("dittofs_nfs_file_bytes_total", { procedure: "READ", share: "/export" })).toBe(2500);
  for (const [procedure, count] of [["GETATTR", 7], ["WRITE", 3], ["LOOKUP", 4]] as const) {
    expect(rose("dittofs_nfs_request_duration_seconds_count", { procedure, share: "/export" })).toBe(count);
    expect(rose("dittofs_nfs_request_duration_seconds_bucket", { procedure, share: "/export", le: "+Inf" })).toBe(count);
    expect(rose("dittofs_nfs_request_duration_seconds_sum", { procedure, share: "/export" })).toBeGreaterThan(0);
  }
});

test("SMB requests are counted by command, share and status: each of a compound, and a LOCK that waits once, at its end", async () => {
  const before = await scrape();
  const [first, second] = [await loggedIn(), await loggedIn()];
  const { fileId } = await first.create({ name: "smb-file", disposition: 3 });
  expect(await first.write(fileId, 0, Buffer.alloc(5000, 1))).toBe(0);
  expect((await first.bytes(fileId, 0, 4000)).length).toBe(4000);
  expect(await first.lock(fileId, [{ offset: 0, length: 10, flags: LockFlags.exclusive }])).toBe(0);
  const { fileId: other } = await second.create({ name: "smb-file", disposition: 1 });
  expect(await second.lock(other, [{ offset: 0, length: 10, flags: LockFlags.exclusive }])).toBe(NtStatus.PENDING);
  const waiting = await scrape();
  expect(waiting.value("dittofs_smb_requests_in_flight", { command: "LOCK", share: "/export" })).toBe(1);
  expect(risen(before, waiting)("dittofs_smb_requests_total", { command: "LOCK", share: "/export", status: "STATUS_SUCCESS" })).toBe(1);
  expect(await first.lock(fileId, [{ offset: 0, length: 10, flags: LockFlags.unlock }])).toBe(0);
  expect((await second.client.next()).status).toBe(0);
  expect(await compound(first)).toEqual([0, 0, 0]);
  expect((await first.call(Command.CREATE, createBody({ name: "nobody", disposition: 1 }))).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
  const after = await scrape();
  const rose = risen(before, after);
  const requests = (command: string, share = "/export", status = "STATUS_SUCCESS"): number => rose("dittofs_smb_requests_total", { command, share, status });
  expect(requests("NEGOTIATE", "")).toBe(2);
  expect(requests("SESSION_SETUP", "", "STATUS_MORE_PROCESSING_REQUIRED")).toBe(2);
  expect(requests("SESSION_SETUP", "")).toBe(2);
  expect(requests("TREE_CONNECT")).toBe(2);
  expect(requests("CREATE")).toBe(3);
  expect(requests("CREATE", "/export", "STATUS_OBJECT_NAME_NOT_FOUND")).toBe(1);
  expect(requests("QUERY_INFO")).toBe(1);
  expect(requests("CLOSE")).toBe(1);
  expect(requests("LOCK")).toBe(3);
  expect(rose("dittofs_smb_request_duration_seconds_count", { command: "LOCK", share: "/export" })).toBe(3);
  expect(after.value("dittofs_smb_requests_in_flight", { command: "LOCK", share: "/export" })).toBe(0);
  expect(rose("dittofs_smb_file_bytes_total", { command: "WRITE", share: "/export" })).toBe(5000);
  expect(rose("dittofs_smb_file_bytes_total", { command: "READ", share: "/export" })).toBe(4000);
  for (const { client } of [first, second]) client.close();
});

async function loggedIn(): Promise<SmbFiles> {
  const client = await SmbClient.open(server.smbPort);
  await client.negotiate();
  expect((await client.login("alice", password)).status).toBe(0);
  return await SmbFiles.of(client);
}

/** CREATE, QUERY_INFO and CLOSE of one file in one message; their statuses. */
async function compound({ client, treeId }: SmbFiles): Promise<readonly number[]> {
  const anyFile = Buffer.alloc(16, 0xff);
  const related = 4;
  const parts = [
    client.request(Command.CREATE, createBody({ name: "smb-file", disposition: 1 }), { treeId }),
    client.request(Command.QUERY_INFO, queryInfoBody(anyFile), { treeId, flags: related }),
    client.request(Command.CLOSE, closeBody(anyFile), { treeId, flags: related }),
  ].map((part, i) => {
    const padded = i === 2 ? part : Buffer.concat([part, Buffer.alloc((8 - (part.length % 8)) % 8)]);
    if (i < 2) padded.writeUInt32LE(padded.length, 20);
    return padded;
  });
  client.sendRaw(Buffer.concat(parts));
  return [(await client.next()).status, (await client.next()).status, (await client.next()).status];
}
