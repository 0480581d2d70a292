import { expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { History, TurnWriter } from "#history/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, newObject } from "#model/inode.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { Client, inodeOf, open, temporary } from "./content-kit.ts";

/** Under load bytes go into the bucket once, though the share's history is published all the time. */

const mib = 1024 * 1024;
const blockBytes = 4096;
const fileBytes = 128 * mib;
const writes = (96 * mib) / blockBytes;
/** No place twice, and none next to the one before. */
const stride = 20_011;
const lagMs = 1_000;
/** What a machine that others use may take longer for a cut and what it has. */
const slackMs = 2_000;
const triesMax = 4;
const latencyMs = 20;
const perTurn = 64;

const surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger };
const fatal = (error: Error): never => {
  throw error;
};

async function after(ms: number): Promise<void> {
  await new Promise<void>((resolve) => systemClock.after(ms, resolve));
}

/** Objects in memory, a little away. */
function bucket() {
  const sent = { packs: 0, segments: 0 };
  const objects = openMemoryBlocks();
  const blocks = faultyBlocks(objects, {
    before: () => after(latencyMs),
    after: async (operation, key) => {
      if (operation !== "put" || key.startsWith("shares/") || key.includes("/snapshot/")) return;
      sent[key.includes("/history/") ? "segments" : "packs"] += (await objects.size(key)) ?? 0;
    },
  });
  return { sent, blocks };
}

/** Writes, reads again, and says how much was sent and how late the history was at most. */
async function play(): Promise<{ readonly sentBytes: number; readonly lag: number }> {
  const directory = temporary();
  const store = openSqliteStore({ path: join(directory, "metadata.db"), ...surroundings, journal: new TurnWriter(), fatal });
  const { journal } = store;
  if (journal === null) throw new Error("no journal");
  const id = store.draw() as FileId;
  const root = newObject(systemClock.now(), { id: rootId, type: FileType.directory, mode: 0o755, change: 1, attributeVersion: 1, generation: 1, parent: rootId });
  for (const inode of [root, inodeOf(id).with({ size: fileBytes })]) expect((await store.apply({ conditions: [], changes: [{ do: "insertInode", inode }] })).applied).toBe(true);
  const { sent, blocks } = bucket();
  const instance = Buffer.from(store.identity.instance).toString("hex");
  const history = new History({ blocks, unwrapped: blocks, journal, instance, share: "/share", host: "here", lagMs, unshippedBytesMax: 256 * mib, snapshotPath: join(directory, "snapshot"), ...surroundings, lost: fatal });
  const limits = { dirtyBytesMax: 256 * mib, unstoredBytesMax: 1024 * mib, flushAgeMs: 5_000, flushBytes: 128 * mib };
  const { content, shipped } = await open(store, blocks, directory, { history, limits, cacheBytes: 512 * mib, segmentBytes: 32 * mib });
  expect(await history.start(shipped, 10_000)).toBe(true);
  while (!history.status.ready) await after(latencyMs);
  const client = new Client(store, content);
  let lag = 0;
  for (let i = 0; i < writes; i++) {
    const place = (i * stride) % (fileBytes / blockBytes);
    await client.write(id, place * blockBytes, new Uint8Array(blockBytes).fill(1 + (place % 255)), 0);
    if (i % perTurn !== 0) continue;
    await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
    lag = Math.max(lag, history.status.oldestMs ?? 0);
  }
  await content.drain();
  expect(await history.published(10_000)).toBeNull();
  console.log(`${writes * blockBytes} bytes written, ${sent.packs} sent in packs, ${sent.segments} in segments; the history was ${lag} ms behind at most`);
  for (const i of [0, 1, 1000, writes - 1]) {
    const place = (i * stride) % (fileBytes / blockBytes);
    expect((await client.read(id, place * blockBytes, blockBytes)).every((byte) => byte === 1 + (place % 255))).toBe(true);
  }
  await content.close();
  await history.close();
  await store.close();
  return { sentBytes: sent.packs + sent.segments, lag };
}

test("what is written here and there goes up once, in packs that segments of the history point to, and these are no later for it", async () => {
  // A process that is held up for longer than a cut may wait has nothing in packs when it goes on: then it is tried again.
  for (let tries = 1; ; tries++) {
    const { sentBytes, lag } = await play();
    if (tries < triesMax && (sentBytes >= 1.3 * writes * blockBytes || lag >= lagMs + slackMs)) continue;
    expect(sentBytes).toBeLessThan(1.3 * writes * blockBytes);
    expect(lag).toBeLessThan(lagMs + slackMs);
    return;
  }
}, 120_000);
