import { expect, test } from "bun:test";
import { NtStatus } from "#wire/ntstatus.ts";
import { Admin } from "../../support/admin.ts";
import { Server, temporaryDirectory } from "../../support/server.ts";
import { SmbClient } from "../../support/smb-client.ts";
import { durable, LockFlags, SmbFiles } from "../../support/smb-requests.ts";

/** Files that clients have open on a continuously available share outlive the server, killed or stopped. */

const minuteMs = 60_000;
const guid = (byte: number): Uint8Array => new Uint8Array(16).fill(byte);
const request = (byte: number) => ({ name: `file${byte}`, access: 0x12019f, share: 1, oplock: 9, contexts: [durable.v2(guid(byte), 0, true)] });

async function connect(server: Server, client = 7): Promise<SmbFiles> {
  const smb = await SmbClient.open(server.smbPort);
  await smb.negotiate({ clientGuid: guid(client) });
  const { status } = await smb.login("alice", "secret12");
  if (status !== 0) throw new Error(`log-in: ${status.toString(16)}`);
  smb.signs = true;
  return SmbFiles.of(smb, "steady");
}

async function started(dataDir: string): Promise<Server> {
  const server = await Server.start({ dataDir, port: 0, args: ["--smb-port", "0"] });
  await server.printed(/^ready$/m);
  return server;
}

test(
  "opens with their locks are come back to after a kill and after a stop",
  async () => {
    const directory = temporaryDirectory("smb-restart");
    let server = await started(directory.path);
    try {
      const admin = await Admin.at(server);
      await admin.do("POST", "/api/v1/users", { username: "alice", password: "secret12", uid: 1000, gid: 1000 });
      await admin.do("POST", "/api/v1/shares", { name: "/steady", default_permission: "read-write", root_mode: 0o777, smb_continuously_available: true });
      let files = await connect(server);
      const made = await files.create(request(1));
      expect([made.status, made.contexts.get("DH2Q")?.readUInt32LE(4)]).toEqual([0, 2]);
      expect(await files.write(made.fileId, 0, new Uint8Array(100))).toBe(0);
      expect(await files.lock(made.fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive }])).toBe(0);
      let { fileId } = made;
      for (const end of ["kill", "stop"] as const) {
        await server[end]();
        server = await started(directory.path);
        const other = await connect(server, 8);
        const reader = await other.create({ name: "file1", access: 0x80, share: 7 });
        expect(reader.status).toBe(0);
        files = await connect(server);
        const back = await files.create({ name: "file1", contexts: [durable.reconnectV2(fileId, guid(1), true)] });
        expect([end, back.status, back.oplock]).toEqual([end, 0, 9]);
        expect(await files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive | LockFlags.now }])).toBe(NtStatus.LOCK_NOT_GRANTED);
        expect(await files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.unlock }])).toBe(0);
        expect(await files.lock(back.fileId, [{ offset: 0, length: 5, flags: LockFlags.exclusive | LockFlags.now }])).toBe(0);
        fileId = back.fileId;
      }
      expect(await files.close(fileId)).toBe(0);
      await server.kill();
      server = await started(directory.path);
      files = await connect(server);
      expect((await files.create({ name: "file1", contexts: [durable.reconnectV2(fileId, guid(1), true)] })).status).toBe(NtStatus.OBJECT_NAME_NOT_FOUND);
      expect((await files.create({ ...request(1), share: 0 })).status).toBe(0);
    } finally {
      await server.kill();
      directory.remove();
    }
  },
  3 * minuteMs,
);
