import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "../support/admin.ts";
import { bytesOf } from "../support/damaged-share.ts";
import { type Handle, NfsClient, Stable } from "../support/nfs-client.ts";
import { missingPostgres, sharedCluster } from "../support/postgres.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { after, until } from "../support/wait.ts";

/**
 * A share moves into memory as an operator has it moved: asked for twice, whole until the server ends, empty from then on, and back as it was by hand.
 * MIGRATE_SEED runs a seed again, CRASH_ROUNDS sets how many moves are killed.
 */

if (missingPostgres !== null) console.log(`moves between PostgreSQL and memory that are killed: skipped, ${missingPostgres}`);

const directory = temporaryDirectory("migrate-volatile");
const dataDir = join(directory.path, "data");
const rounds = Number(Bun.env.CRASH_ROUNDS ?? 6);
const killMsMax = 150;
const fileBytes = 300_000;
const files = 6;

let port: number;
let server: Server;
let admin: Admin;
let client: NfsClient;
/** By share: its files' handles. */
const handles = new Map<string, Handle[]>();

interface Run {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function run(...args: readonly string[]): Promise<Run> {
  const child = Bun.spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
  const [out, err, status] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { status, out, err };
}

const remote = (...args: readonly string[]): Promise<Run> => run(...args, "--server", server.apiUrl, "--token", admin.token);

async function start(): Promise<void> {
  server = await Server.start({ dataDir, port });
  client = await NfsClient.connect({ port, credentials: { uid: 1000, gid: 1000 } });
  admin = await Admin.at(server);
}

async function kill(): Promise<void> {
  client.close();
  await server.kill();
}

async function createShare(name: string, metadata = "default"): Promise<void> {
  await admin.do("POST", "/api/v1/shares", { name: `/${name}`, metadata, default_permission: "read-write", root_mode: 0o1777 });
  handles.set(name, []);
  for (let seed = 0; seed < files; seed++) await writeFile(name);
}

async function writeFile(name: string): Promise<void> {
  const known = handles.get(name) as Handle[];
  const { handle } = await client.create(await client.mount(`/${name}`), `f${known.length}`, { mode: 0o644 });
  if (handle === null) throw new Error("no handle");
  await client.write(handle, 0, bytesOf(known.length, fileBytes), Stable.fileSync);
  known.push(handle);
}

async function expectWhole(name: string, count = Number.POSITIVE_INFINITY): Promise<void> {
  for (const [seed, handle] of (handles.get(name) as Handle[]).slice(0, count).entries()) expect(Buffer.compare(await client.readAll(handle), bytesOf(seed, fileBytes)), `${name}, file ${seed}`).toBe(0);
}

async function expectEmpty(name: string): Promise<void> {
  for (const handle of handles.get(name) as Handle[]) await expect(client.getattr(handle)).rejects.toThrow("badHandle");
  expect((await client.list(await client.mount(`/${name}`))).map((entry) => String(entry.name)).filter((entry) => !/^\.\.?$/.test(entry))).toEqual([]);
}

async function served(name: string): Promise<{ readonly metadata: string }> {
  return await until(`share ${name} to be served`, 20_000, async () => {
    const share = await admin.do("GET", `/api/v1/shares/${name}`);
    return share.state === "serving" ? share : null;
  });
}

beforeAll(async () => {
  port = await freePort();
  await start();
  await admin.do("POST", "/api/v1/store/metadata", { name: "ram", type: "memory" });
  await admin.do("POST", "/api/v1/store/metadata", { name: "second", type: "sqlite", config: { path: join(directory.path, "second") } });
  await admin.do("POST", "/api/v1/store/block", { name: "second", type: "filesystem", config: { path: join(directory.path, "second-blocks") } });
}, 180_000);

afterAll(async () => {
  client?.close();
  await server?.stop();
  directory.remove();
});

test("asked for, refused without the word for it, done with it; then empty after the next start, and back by hand", async () => {
  await createShare("films");
  await createShare("other");
  const refused = await remote("store", "migrate", "/films", "--metadata", "ram");
  expect([refused.status === 0, refused.err]).toEqual([false, expect.stringContaining("--accept-volatile")]);
  expect(refused.err).toContain("are gone for good");
  expect(await admin.ask("POST", "/api/v1/shares/films/migrate", { metadata: "ram" })).toMatchObject({ status: 409, body: { code: "conflict", hint: expect.stringContaining("accept_volatile") } });
  expect(await admin.ask("POST", "/api/v1/shares/films/migrate", { metadata: "ram", accept_volatile: false })).toMatchObject({ status: 409 });
  // Names that last with content that doesn't, whatever is accepted.
  await admin.do("POST", "/api/v1/store/block", { name: "ram", type: "memory" });
  expect(await admin.ask("POST", "/api/v1/shares/films/migrate", { blocks: "ram", accept_volatile: true })).toMatchObject({ status: 422, body: { errors: [{ field: "blocks" }] } });
  expect(await served("films")).toMatchObject({ metadata: "default" });
  const done = await remote("store", "migrate", "/films", "--metadata", "ram", "--accept-volatile");
  expect(done).toMatchObject({ status: 0, out: expect.stringContaining("all compared") });
  expect(await served("films")).toMatchObject({ metadata: "ram", blocks: "default" });
  await expectWhole("films");
  await writeFile("films");
  await expectWhole("films");
  // Once more there and back, while the server runs.
  expect(await remote("store", "migrate", "/films", "--metadata", "default")).toMatchObject({ status: 0 });
  await writeFile("films");
  expect(await remote("store", "migrate", "/films", "--metadata", "ram", "--blocks", "ram", "--accept-volatile")).toMatchObject({ status: 0 });
  await expectWhole("films");
  const lasted = (handles.get("films") as Handle[]).length;
  await writeFile("films");

  await kill();
  const without = await run("store", "migrate", "/other", "--metadata", "ram", "--accept-volatile", "--offline", "--data-dir", dataDir);
  expect([without.status === 0, without.err]).toEqual([false, expect.stringContaining("leave out --offline")]);
  await start();
  expect(await served("films")).toMatchObject({ metadata: "ram" });
  await expectEmpty("films");
  expect(await served("other")).toMatchObject({ metadata: "default" });
  await expectWhole("other");

  // As docs/operations.md has it.
  expect(await remote("share", "delete", "/films", "--purge", "--force", "--yes")).toMatchObject({ status: 0 });
  const own = join(dataDir, "shares", "films");
  const newest = (pattern: RegExp): string => readdirSync(own).filter((name) => pattern.test(name)).sort().at(-1) as string;
  renameSync(join(own, newest(/^metadata\.db\.moved-\d+$/)), join(own, "metadata.db"));
  renameSync(join(own, newest(/^log\..*\.moved-\d+$/)), join(own, "log"));
  expect(await remote("share", "create", "--name", "/films", "--adopt", "--default-permission", "read-write")).toMatchObject({ status: 0 });
  expect(await served("films")).toMatchObject({ metadata: "default" });
  await expectWhole("films", lasted);
  const check = await remote("fsck", "/films", "--data");
  expect(check).toMatchObject({ status: 0, out: expect.stringContaining("no damage") });
}, 180_000);

test("killed at any moment of a move: whole where it was, or empty, as was accepted", async () => {
  const random = new SeededRandom(seedFor("migrate-volatile", "MIGRATE_SEED"));
  const names = Array.from({ length: rounds }, (_, round) => `round${round}`);
  for (const name of names) await createShare(name);
  let [moved, cutShort] = [0, 0];
  for (const [round, name] of names.entries()) {
    await admin.do("POST", `/api/v1/shares/${name}/migrate`, { metadata: "ram", accept_volatile: true });
    await after(random.below(killMsMax));
    await kill();
    await start();
    const { metadata } = await served(name);
    if (metadata === "ram") {
      moved++;
      await expectEmpty(name);
      // What it had where it lasted is there still.
      const own = join(dataDir, "shares", name);
      expect([existsSync(join(own, "blocks", "objects")), readdirSync(own).some((file) => file.startsWith("metadata.db"))]).toEqual([true, true]);
      // From here on it is another tree, which can be one that lasts.
      handles.set(name, []);
      await writeFile(name);
      const left = existsSync(join(own, "log")) && readdirSync(join(own, "log")).some((file) => /^[0-9a-f]{16}\.log$/.test(file));
      const onwards = await remote("store", "migrate", `/${name}`, "--metadata", "second", "--blocks", "second");
      if (left) {
        cutShort++;
        const [, from = "", to = ""] = /mv '(.*)' '(.*)'/.exec(onwards.err) ?? [];
        expect([onwards.status === 0, onwards.err, from]).toEqual([false, expect.stringContaining("is the log of another share"), join(own, "log")]);
        renameSync(from, to);
        expect(await remote("store", "migrate", `/${name}`, "--metadata", "second", "--blocks", "second")).toMatchObject({ status: 0 });
      } else expect(onwards).toMatchObject({ status: 0 });
      await kill();
      await start();
      await served(name);
      await expectWhole(name);
    } else {
      await expectWhole(name);
      await writeFile(name);
    }
    for (const later of names.slice(round + 1)) await expectWhole(later);
  }
  console.log(`moves into memory: ${moved} of ${rounds} had come to be when the server was killed, ${cutShort} of them before what they left was set aside`);
}, 60_000 + rounds * 20_000);

// Skips where PostgreSQL is not installed: the reason is printed.
test.skipIf(missingPostgres !== null)(
  "killed at any moment of a move between PostgreSQL and memory: whole in PostgreSQL, or empty in memory, and nothing between",
  async () => {
    const random = new SeededRandom(seedFor("migrate-volatile-postgres", "MIGRATE_SEED"));
    const { password, ...login } = await (await sharedCluster()).database();
    await admin.do("POST", "/api/v1/store/metadata", { name: "pg", type: "postgres", config: { ...login, password, sslmode: "disable" } });
    const counts = { pg: { pg: 0, ram: 0 }, ram: { pg: 0, ram: 0 } };
    for (let round = 0; round < rounds; round++) {
      const [from, to] = round % 2 === 0 ? (["pg", "ram"] as const) : (["ram", "pg"] as const);
      const name = `pg-round${round}`;
      await createShare(name, from);
      await admin.do("POST", `/api/v1/shares/${name}/migrate`, { metadata: to, ...(to === "ram" ? { accept_volatile: true } : {}) });
      await after(random.below(killMsMax));
      await kill();
      await start();
      const { metadata } = await served(name);
      counts[from][metadata as "pg" | "ram"]++;
      if (metadata === "pg") {
        await expectWhole(name);
        await writeFile(name);
        await expectWhole(name);
      } else {
        await expectEmpty(name);
        handles.set(name, []);
        await writeFile(name);
        await expectWhole(name);
      }
      // Whichever it is, it is one tree that can be checked and moved on.
      expect(await remote("fsck", `/${name}`, "--data")).toMatchObject({ status: 0, out: expect.stringContaining("no damage") });
    }
    console.log(`moves out of PostgreSQL: ${counts.pg.ram} of ${counts.pg.pg + counts.pg.ram} had come to be when the server was killed; into it: ${counts.ram.pg} of ${counts.ram.pg + counts.ram.ram}`);
  },
  60_000 + rounds * 20_000,
);
