import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { bytesOf } from "../support/damaged-share.ts";
import { type Handle, NfsClient, Stable } from "../support/nfs-client.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { freePort, Server, temporaryDirectory } from "../support/server.ts";
import { after, until } from "../support/wait.ts";

/** A share moves between stores while the server is killed at any moment: it is whole after each start, its handles are good, and the move goes on. */

const directory = temporaryDirectory("migrate-e2e");
const dataDir = join(directory.path, "data");
const rounds = Number(Bun.env.MIGRATE_ROUNDS ?? 8);
const random = new SeededRandom(seedFor("migrate", "MIGRATE_SEED"));
const files = 24;
const fileBytes = 400_000;
const killMsMax = 500;

interface Job {
  readonly state: string;
  readonly error: string | null;
  readonly result: Readonly<Record<string, number>>;
}

let port: number;
let server: Server;
let client: NfsClient;
const handles = new Map<number, Handle>();

async function start(): Promise<Admin> {
  server = await Server.start({ dataDir, port });
  client = await NfsClient.connect({ port, credentials: { uid: 1000, gid: 1000 } });
  return await Admin.at(server);
}

async function ended(admin: Admin, id: string): Promise<Job> {
  return await until("the job", 60_000, async () => {
    const job = (await admin.do("GET", `/api/v1/jobs/${id}`)) as Job;
    return job.state === "running" ? null : job;
  });
}

/** What every handle that a client holds gives, the one written last included. */
async function expectWhole(): Promise<void> {
  for (const [seed, handle] of handles) expect(Buffer.compare(await client.readAll(handle), bytesOf(seed, fileBytes)), `file ${seed}`).toBe(0);
}

async function writeFile(root: Handle, seed: number): Promise<void> {
  const { handle } = await client.create(root, `f${seed}`, { mode: 0o644 });
  if (handle === null) throw new Error("no handle");
  await client.write(handle, 0, bytesOf(seed, fileBytes), Stable.fileSync);
  handles.set(seed, handle);
}

beforeAll(async () => {
  port = await freePort();
  const admin = await start();
  await admin.do("POST", "/api/v1/store/block", { name: "other", type: "filesystem", config: { path: join(directory.path, "other") } });
  await admin.do("POST", "/api/v1/store/metadata", { name: "second", type: "sqlite", config: { path: join(directory.path, "second") } });
  const root = await client.mount("/export");
  for (let i = 0; i < files; i++) await writeFile(root, i);
}, 60_000);

afterAll(async () => {
  client.close();
  await server.stop();
  directory.remove();
});

test("killed at any moment of a move", async () => {
  let admin = await Admin.at(server);
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    const there = round % 2 === 0;
    const body = { blocks: there ? "other" : "default", metadata: there ? "second" : "default" };
    const root = await client.mount("/export");
    await writeFile(root, files + round);
    await admin.do("POST", "/api/v1/shares/export/migrate", body);
    await after(random.below(killMsMax));
    client.close();
    await server.kill();
    admin = await start();
    const share = await admin.do("GET", "/api/v1/shares/export");
    expect(share).toMatchObject({ state: "serving" });
    await expectWhole();
    if (share.blocks !== body.blocks) {
      interrupted++;
      const { id } = await admin.do("POST", "/api/v1/shares/export/migrate", body);
      expect(await ended(admin, id)).toMatchObject({ state: "done", error: null });
      await expectWhole();
    }
    expect(await admin.do("GET", "/api/v1/shares/export")).toMatchObject(body);
    const { id } = await admin.do("POST", "/api/v1/shares/export/fsck", { data: true });
    expect(await ended(admin, id)).toMatchObject({ state: "done", result: { damaged: 0 } });
  }
  console.log(`migrate: ${interrupted} of ${rounds} moves were cut off and went on`);
}, 240_000);
