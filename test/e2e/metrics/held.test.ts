import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { Command } from "#wire/smb2/header.ts";
import { Admin } from "../../support/admin.ts";
import { risen, Scrape } from "../../support/scrape.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { createBody, durable, LockFlags, SmbFiles } from "../../support/smb-requests.ts";
import { smbclient, smbclientMissing } from "../../support/smbclient.ts";
import { until } from "../../support/wait.ts";

/** What SMB clients hold in the compiled server while they hold it, as its metrics say, and that nothing is left when they let go. */

const password = "the password of alice";
const directory = temporaryDirectory("metrics-held");
const share = "/export";
const leased = 0xff;
const batch = 9;
const exclusive = LockFlags.exclusive | LockFlags.now;
let server: Server;

beforeAll(async () => {
  server = await Server.start({ dataDir: join(directory.path, "data"), port: 0, env: { DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" } });
  const admin = await Admin.at(server);
  await admin.do("POST", "/api/v1/users", { username: "alice", password, uid: 1000 });
  await admin.do("PUT", "/api/v1/shares/export/permissions/users/alice", { level: "read-write" });
});

afterAll(async () => {
  await server?.stop();
  directory.remove();
});

const scrape = (): Promise<Scrape> => Scrape.at(server.metricsUrl);
const settled = (what: string, is: (now: Scrape) => boolean): Promise<Scrape> => until(what, 5000, async () => ((now) => (is(now) ? now : null))(await scrape()));

/** Of a client with a GUID of its own. */
async function loggedIn(id: number): Promise<SmbFiles> {
  const client = await SmbClient.open(server.smbPort);
  await client.negotiate({ clientGuid: new Uint8Array(16).fill(id) });
  expect((await client.login("alice", password)).status).toBe(0);
  // A server keeps opens for clients that sign.
  client.signs = true;
  return await SmbFiles.of(client);
}

/** Sessions, trees and opens of SMB; open files, locks, leases and oplocks of the share. */
function held(said: Scrape): readonly number[] {
  const of = (name: string): number => said.value(name);
  const inShare = (name: string, more: Readonly<Record<string, string>> = {}): number => said.value(name, { share, ...more });
  return [
    of("dittofs_smb_sessions"),
    of("dittofs_smb_trees"),
    of("dittofs_smb_opens"),
    inShare("dittofs_open_files"),
    inShare("dittofs_byte_range_locks"),
    inShare("dittofs_leases", { kind: "lease" }),
    inShare("dittofs_leases", { kind: "oplock" }),
  ];
}

test("sessions, trees, opens, files, locks, leases and oplocks are those there are, and none once their clients let go", async () => {
  expect(held(await scrape())).toEqual([0, 0, 0, 0, 0, 0, 0]);
  const [first, second] = [await loggedIn(1), await loggedIn(2)];
  await SmbFiles.of(first.client);
  let said = await scrape();
  expect([said.value("dittofs_smb_sessions"), said.value("dittofs_smb_trees"), said.value("dittofs_smb_opens")]).toEqual([2, 3, 0]);
  // Two opens of one file, which share a lease; and one with an oplock.
  const lease = [durable.lease(new Uint8Array(16).fill(0xa1), 7)];
  const opened = [await first.create({ name: "a", oplock: leased, contexts: lease }), await first.create({ name: "a", oplock: leased, contexts: lease })];
  const other = await second.create({ name: "b", oplock: batch });
  expect(await second.lock(other.fileId, [{ offset: 0, length: 10, flags: exclusive }, { offset: 20, length: 10, flags: exclusive }])).toBe(0);
  said = await scrape();
  expect([said.value("dittofs_smb_opens"), said.value("dittofs_open_files", { share }), said.value("dittofs_byte_range_locks", { share })]).toEqual([3, 2, 2]);
  expect([said.value("dittofs_leases", { share, kind: "lease" }), said.value("dittofs_leases", { share, kind: "oplock" })]).toEqual([1, 1]);
  expect(await second.lock(other.fileId, [{ offset: 20, length: 10, flags: LockFlags.unlock }])).toBe(0);
  expect(await first.close(opened[1]!.fileId)).toBe(0);
  expect(held(await scrape())).toEqual([2, 3, 2, 2, 1, 1, 1]);
  expect(await first.close(opened[0]!.fileId)).toBe(0);
  expect(held(await scrape())).toEqual([2, 3, 1, 1, 1, 0, 1]);
  // The file goes with its lock and its oplock, whoever ends the session.
  second.client.close();
  expect(held(await settled("the session's end", (now) => now.value("dittofs_smb_sessions") === 1))).toEqual([1, 2, 0, 0, 0, 0, 0]);
  first.client.close();
  expect(held(await settled("the other session's end", (now) => now.value("dittofs_smb_sessions") === 0))).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

test("a break is counted when it is sent, and the open that waits for it is pending and in flight until it is answered", async () => {
  const [first, second] = [await loggedIn(1), await loggedIn(2)];
  const made = await first.create({ name: "c", oplock: batch });
  const before = await scrape();
  const sentMs = performance.now();
  second.send(Command.CREATE, createBody({ name: "c" }));
  expect((await first.client.next()).command).toBe(Command.OPLOCK_BREAK);
  expect((await second.client.next()).status).toBe(NtStatus.PENDING);
  const pendingMs = performance.now();
  const waiting = await scrape();
  expect(risen(before, waiting)("dittofs_lease_breaks_total", { share })).toBe(1);
  expect(waiting.value("dittofs_smb_requests_pending")).toBe(1);
  expect(waiting.value("dittofs_smb_requests_in_flight", { command: "CREATE", share })).toBe(1);
  const answeredMs = performance.now();
  const agreed = Buffer.alloc(24);
  agreed.writeUInt16LE(24, 0);
  agreed[2] = 1;
  agreed.set(made.fileId, 8);
  expect((await first.call(Command.OPLOCK_BREAK, agreed)).status).toBe(0);
  expect((await second.client.next()).status).toBe(0);
  const after = await scrape();
  // Of the CREATE from its message on, not from when it could go on.
  expect(risen(before, after)("dittofs_smb_request_duration_seconds_count", { command: "CREATE", share })).toBe(1);
  expect(risen(before, after)("dittofs_smb_request_duration_seconds_sum", { command: "CREATE", share })).toBeWithin((answeredMs - pendingMs) / 1000, (performance.now() - sentMs) / 1000);
  expect([after.value("dittofs_smb_requests_pending"), after.value("dittofs_smb_requests_in_flight", { command: "CREATE", share })]).toEqual([0, 0]);
  expect(risen(before, after)("dittofs_lease_breaks_total", { share })).toBe(1);
  expect(risen(before, after)("dittofs_lease_break_timeouts_total", { share })).toBe(0);
  for (const { client } of [first, second]) client.close();
  await settled("the sessions' end", (now) => now.value("dittofs_smb_sessions") === 0);
});

test("an open whose client is gone waits for it, and no longer once it is back", async () => {
  const first = await loggedIn(3);
  const { fileId } = await first.create({ name: "d", oplock: batch, contexts: [durable.v1] });
  first.client.close();
  const gone = await settled("the client's end", (now) => now.value("dittofs_smb_sessions") === 0);
  expect([gone.value("dittofs_smb_durable_opens_waiting"), gone.value("dittofs_open_files", { share })]).toEqual([1, 1]);
  const again = await loggedIn(3);
  const back = await again.create({ name: "d", oplock: batch, contexts: [durable.reconnectV1(fileId)] });
  expect(back.status).toBe(0);
  const said = await scrape();
  expect([said.value("dittofs_smb_durable_opens_waiting"), said.value("dittofs_smb_opens"), said.value("dittofs_open_files", { share })]).toEqual([0, 1, 1]);
  expect(await again.close(back.fileId)).toBe(0);
  again.client.close();
  expect(held(await settled("the session's end", (now) => now.value("dittofs_smb_sessions") === 0))).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

// Skips where Samba's client is not installed: smbclientMissing says so.
test.skipIf(smbclientMissing !== null)("smbclient's transfers are counted to the byte, and nothing of it is left", async () => {
  const bytes = 3_000_001;
  writeFileSync(join(directory.path, "sent"), Buffer.alloc(bytes, 5));
  const before = await scrape();
  await smbclient({ port: server.smbPort, share: "export", password, cwd: directory.path }, "put sent kept; get kept came; del kept");
  const after = await settled("the session's end", (now) => now.value("dittofs_smb_sessions") === 0);
  const rose = risen(before, after);
  expect(rose("dittofs_smb_file_bytes_total", { command: "WRITE", share })).toBe(bytes);
  expect(rose("dittofs_smb_file_bytes_total", { command: "READ", share })).toBe(bytes);
  expect(rose("dittofs_authentication_attempts_total", { mechanism: "ntlm" })).toBe(1);
  expect(rose("dittofs_connections_accepted_total", { protocol: "smb" })).toBe(rose("dittofs_connections_closed_total", { protocol: "smb" }));
  expect(rose("dittofs_smb_request_duration_seconds_count", { command: "TREE_CONNECT", share })).toBe(rose("dittofs_smb_requests_total", { command: "TREE_CONNECT", share, status: "STATUS_SUCCESS" }));
  expect(held(after)).toEqual([0, 0, 0, 0, 0, 0, 0]);
}, 180_000);
