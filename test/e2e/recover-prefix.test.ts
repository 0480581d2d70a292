import { expect, test } from "bun:test";
import { spawn } from "bun";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openFilesystemBlocks } from "#blocks/index.ts";
import { listShares, newestSnapshot, segmentsFrom } from "#history/index.ts";
import { Admin } from "../support/admin.ts";
import { NfsClient } from "../support/nfs-client.ts";
import { Stable } from "../support/nfs-types.ts";
import { SeededRandom, seedFor } from "../support/seeded-random.ts";
import { binaryPath, freePort, Server, serverEnvironment, temporaryDirectory } from "../support/server.ts";
import { after, until } from "../support/wait.ts";

/**
 * With durability `local` a lost machine costs the last moments, and nothing else: what is recovered is a prefix of what one client did in
 * order, with every byte, and not shorter than the history said it was. CRASH_ROUNDS sets how many machines are lost, FSX_SEED runs a seed again.
 */

const rounds = Number(Bun.env.CRASH_ROUNDS ?? 4);
const roundsMax = 3 * rounds;
const roundMs = 30_000;
const killAfterMsMin = 1_200;
const killAfterMsMax = 4_000;
const fileBytes = 20_000;

/** A file of cells that are written over one after another. */
const cellBytes = 4096;
const cells = 300;

/** Every 4 bytes say which file it is, or whose turn it was with a cell. */
function contentOf(i: number, length = fileBytes): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4) bytes.writeUInt32BE(i, at);
  return bytes;
}

/** Changes in the newest segments whose bytes are in packs. */
async function leftToPacks(store: string): Promise<number> {
  const [share = ""] = readdirSync(store);
  const blocks = await openFilesystemBlocks({ directory: join(store, share), openFilesMax: 16 });
  const [instance] = await listShares(blocks);
  const manifest = instance === undefined ? null : await newestSnapshot(blocks, instance);
  let count = 0;
  if (manifest !== null) for await (const { content } of segmentsFrom(blocks, manifest.instance, manifest.cut)) for (const { kind } of content()) if (kind === "clone") count++;
  await blocks.close();
  return count;
}

/** Each cell has what was written there last up to `last`, or by what was under way then. */
function expectCells(bytes: Buffer, last: number, where: string): void {
  for (let cell = 0; cell < cells && cell <= last; cell++) {
    const at = bytes.subarray(cell * cellBytes, (cell + 1) * cellBytes);
    const then = last - ((last - cell) % cells);
    const one = at.length < cellBytes ? then : at.readUInt32BE(0);
    if (then === 0 && one === 0) continue;
    expect([then, ...(last + 1 === then + cells ? [last + 1] : [])], `${where}, cell ${cell}`).toContain(one);
    expect(at.equals(contentOf(one, cellBytes)), `${where}, cell ${cell}`).toBe(true);
  }
}

/** As installed; and with so little to wait that segments leave most of what was written to packs, which are stored all the time. */
const installed = "as installed";
const settings: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  [installed, {}],
  ["with little that may wait", { DITTOFS_CACHE_SIZE: "32MiB", DITTOFS_CACHE_DIRTY_LIMIT: "4MiB", DITTOFS_CACHE_FLUSH_AGE: "60ms", DITTOFS_GC_INTERVAL: "100ms", DITTOFS_GC_GRACE: "10ms" }],
];

for (const [setting, environment] of settings) test(
  `what is recovered is a prefix of what was done, no older than the history said: ${setting}`,
  async () => {
    const seed = seedFor("recovered prefix", "FSX_SEED");
    const random = new SeededRandom(seed);
    const directory = temporaryDirectory("recover-prefix");
    const store = join(directory.path, "blocks");
    let data = join(directory.path, "machine-0");
    let server = await Server.start({ dataDir: data, port: await freePort(), env: environment });
    let admin = await Admin.at(server);
    await admin.do("POST", "/api/v1/store/block", { name: "kept", type: "filesystem", config: { path: store, history: true } });
    await admin.do("POST", "/api/v1/shares", { name: "/kept", blocks: "kept", durability: "local", default_permission: "read-write" });
    // Before its first snapshot there is nothing that could be recovered.
    await until("the history", 20_000, async () => (await admin.do("GET", "/api/v1/shares/kept/status")).history.recoverable || null);
    let done = 0;
    let left = 0;
    // More of them where none was killed while segments left something to packs.
    for (let round = 1; round <= rounds || (setting !== installed && left === 0 && round <= roundsMax); round++) {
      const client = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const root = await client.mount("/kept");
      const book = (round === 1 ? await client.create(root, "book", { mode: 0o644 }) : await client.lookup(root, "book")).handle as Uint8Array;
      let killed = false;
      /** Everything up to here was done before the history said that it has all. */
      let promised = done;
      /** When each was done, those before this round left out. */
      const first = done;
      const doneMs: number[] = [];
      const watching = (async () => {
        while (!killed) {
          const askedMs = performance.now();
          const status = (await admin.do("GET", "/api/v1/shares/kept/status").catch(() => null)) as { history: { recoverable: boolean; lag_ms: number | null } } | null;
          if (status?.history.recoverable !== true) continue;
          const sinceMs = askedMs - (status.history.lag_ms ?? 0);
          while (doneMs[promised - first] !== undefined && (doneMs[promised - first] as number) < sinceMs) promised++;
        }
      })();
      const working = (async () => {
        for (let i = done + 1; ; i++) {
          // A new file takes the place of the last one: the content of both is known, whatever is found.
          const handle = (await client.create(root, `new-${i}`, { mode: 0o644 })).handle as Uint8Array;
          await client.write(handle, 0, contentOf(i), Stable.unstable);
          // A sync each time leaves little to gather.
          if (setting === installed || i % 8 === 0) await client.commit(handle);
          await client.rename(root, `new-${i}`, root, "current");
          await client.write(book, (i % cells) * cellBytes, contentOf(i, cellBytes), Stable.unstable);
          await client.mkdir(root, `done-${i}`, { mode: 0o755 });
          done = i;
          doneMs.push(performance.now());
        }
      })().catch(() => {});
      await after(killAfterMsMin + random.below(killAfterMsMax - killAfterMsMin));
      await server.kill();
      killed = true;
      client.close();
      await Promise.all([working, watching]);
      rmSync(data, { recursive: true });
      left += await leftToPacks(store);

      data = join(directory.path, `machine-${round}`);
      const child = spawn([binaryPath(), "recover", "--from", "filesystem", "--path", store, "--data-dir", data], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...serverEnvironment } });
      const [err, status] = await Promise.all([new Response(child.stderr).text(), child.exited]);
      expect({ status, err: status === 0 ? "" : err }).toEqual({ status: 0, err: "" });
      server = await Server.start({ dataDir: data, port: await freePort(), env: environment });
      admin = await Admin.at(server);
      await admin.do("PUT", "/api/v1/shares/kept", { default_permission: "read-write" }).catch(() => {});
      const reader = await NfsClient.connect({ port: server.port, credentials: { uid: 1000, gid: 1000 } });
      const names = (await reader.list(root)).map(({ name }) => name.toString());
      const found = names.filter((name) => name.startsWith("done-")).map((name) => Number(name.slice(5))).sort((a, b) => a - b);
      const last = found.at(-1) ?? 0;
      const where = `seed ${seed}, round ${round}: ${last} of ${done} found, ${promised} promised`;
      // Nothing before the last is missing.
      expect(`${where}; ${found.length}`).toBe(`${where}; ${last}`);
      expect(last, where).toBeGreaterThanOrEqual(promised);
      if (last > 0) {
        const bytes = await reader.readAll((await reader.lookup(root, "current")).handle);
        const is = bytes.readUInt32BE(0);
        expect([last, last + 1], where).toContain(is);
        expect(bytes.equals(contentOf(is)), where).toBe(true);
        expectCells(await reader.readAll((await reader.lookup(root, "book")).handle), last, where);
        // Of the one that was under way there may be a part.
        expect(names.filter((name) => name.startsWith("new-") && name !== `new-${last + 1}`), where).toEqual([]);
      }
      await reader.remove(root, `new-${last + 1}`).catch(() => {});
      done = last;
      reader.close();
      console.log(`${where}; ${left} changes were left to packs`);
    }
    if (setting !== installed) expect(left).toBeGreaterThan(0);
    await server.stop();
    directory.remove();
  },
  roundMs * (roundsMax + 1),
);
