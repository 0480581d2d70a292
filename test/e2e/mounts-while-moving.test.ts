import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { NtStatus } from "#wire/ntstatus.ts";
import { startTarget, type Target, targetPassword, targetUser } from "../conformance/target.ts";
import { MountClient } from "../support/mount-client.ts";
import { NfsClient, Stable } from "../support/nfs-client.ts";
import { patiently } from "../support/patiently.ts";
import { temporaryDirectory } from "../support/server.ts";
import { SmbClient } from "../support/smb-client.ts";
import { SmbFiles } from "../support/smb-requests.ts";
import { until } from "../support/wait.ts";

/** A share is moved between stores again and again: it is there all the time for whoever mounts it, by NFS and by SMB. */

const moves = Number(Bun.env.MOUNTED_MOVES ?? 6);
const directory = temporaryDirectory("mounts-while-moving");
const credentials = { uid: 1000, gid: 1000 };
let target: Target;

beforeAll(async () => {
  target = await startTarget();
  await target.admin.do("POST", "/api/v1/shares", { name: "/moved", default_permission: "read-write", root_mode: 0o777 });
  await target.admin.do("POST", "/api/v1/store/metadata", { name: "second", type: "sqlite", config: { path: join(directory.path, "second") } });
}, 180_000);

afterAll(async () => {
  await target?.stop();
  directory.remove();
});

async function move(metadata: string): Promise<void> {
  const { id } = await target.admin.do("POST", "/api/v1/shares/moved/migrate", { metadata });
  const state = await until("the move to end", 30_000, async () => {
    const job = await target.admin.do("GET", `/api/v1/jobs/${id}`);
    return job.state === "running" ? null : job.state;
  });
  expect(state).toBe("done");
}

async function loggedIn(): Promise<SmbClient> {
  const client = await SmbClient.open(target.port);
  await client.negotiate();
  const { status } = await client.login(targetUser, targetPassword);
  if (status !== 0) throw new Error(`log-in: ${status.toString(16)}`);
  return client;
}

test("no mount finds it missing, no list leaves it out, and who had it mounted goes on", async () => {
  const client = await NfsClient.connect({ port: target.server.port, credentials });
  const root = await client.mount("/moved");
  const { handle } = await client.create(root, "kept", { mode: 0o644 });
  await client.write(handle as Uint8Array, 0, Buffer.from("kept"), Stable.fileSync);
  const smb = await loggedIn();
  const files = await SmbFiles.of(smb, "moved");
  const open = await files.create({ name: "open", disposition: 2 });
  expect(await files.write(open.fileId, 0, Buffer.from("before"))).toBe(0);

  let done = false;
  const outcomes = { mounts: new Map<string, number>(), trees: new Map<number, number>(), listed: new Set<boolean>() };
  const count = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  const mounting = (async () => {
    const mounts = new MountClient(target.server.port, credentials);
    while (!done) {
      count(outcomes.mounts, await mounts.mount("/moved").then(() => "mounted", (error: Error) => error.message));
      outcomes.listed.add((await mounts.exports()).some((each) => each.directory === "/moved"));
    }
  })();
  const connecting = (async () => {
    const other = await loggedIn();
    while (!done) {
      const { status, treeId } = await other.treeConnect("moved");
      count(outcomes.trees, status);
      if (status === 0) await other.call(4, Buffer.from([4, 0, 0, 0]), { treeId });
    }
    other.close();
  })();
  for (let i = 0; i < moves; i++) await move(i % 2 === 0 ? "second" : "default");
  done = true;
  await Promise.all([mounting, connecting]);
  console.log(`mounts while moving: ${JSON.stringify([...outcomes.mounts])} by NFS, ${JSON.stringify([...outcomes.trees])} by SMB`);
  expect([[...outcomes.mounts.keys()], [...outcomes.trees.keys()], [...outcomes.listed]]).toEqual([["mounted"], [0], [true]]);

  expect(String(await patiently(() => client.readAll(handle as Uint8Array)))).toBe("kept");
  // Its client connects anew, and finds what was acknowledged.
  expect(await files.write(open.fileId, 0, Buffer.from("after"))).toBe(NtStatus.NETWORK_NAME_DELETED);
  const again = await SmbFiles.of(smb, "moved");
  const found = await again.create({ name: "open", disposition: 1 });
  expect([found.status, String(await again.bytes(found.fileId, 0, 6))]).toEqual([0, "before"]);
  for (const each of [client, smb]) each.close();
}, 60_000 + moves * 10_000);
