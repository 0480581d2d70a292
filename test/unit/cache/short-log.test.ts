import { expect, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { restoreLostLog } from "#app/share/lost-log.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { sequenceSkip } from "#cache/log/open.ts";
import { History, TurnWriter } from "#history/index.ts";
import { openSqliteStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { Durability } from "#model/credentials.ts";
import type { Journal } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { temporary as temporaryNamed } from "../../support/temporary.ts";
import { until } from "../../support/wait.ts";
import { addFile, Client, copyOf, open, removeFile, temporary } from "./content-kit.ts";
import { segmentNames } from "./log/world.ts";

/** A share whose acknowledgements mean that its history has what was written, and the history knows of more than the log. */

const id = 101 as FileId;
const surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger };
const segmentBytes = 4 << 20;
const calm = { segmentBytes, durability: Durability.remote, limits: { dirtyBytesMax: 64 << 20, unstoredBytesMax: 256 << 20, flushAgeMs: 3_600_000, flushBytes: 64 << 20 }, garbage: { graceMs: 0, intervalMs: 3_600_000 } };

/** A server on what lies in a directory. */
async function start(directory: string, blocks: BlockStore) {
  const store = openSqliteStore({ path: join(directory, "metadata.db"), ...surroundings, journal: new TurnWriter() });
  const journal = store.journal as Journal;
  const instance = Buffer.from(store.identity.instance).toString("hex");
  const history = new History({ blocks, unwrapped: blocks, journal, instance, share: "/share", host: "here", lagMs: 50, unshippedBytesMax: 1 << 24, snapshotPath: `${directory}-snapshot`, ...surroundings, lost: () => {} });
  const restored = (): Promise<void> => restoreLostLog({ share: "/share", instance: store.identity.instance, directory: join(directory, "log"), segmentBytes, blocks, mark: journal.mark }, surroundings);
  return { store, journal, history, restored, content: () => open(store, blocks, directory, { ...calm, history }) };
}

/** As what a killed server left, copied by another process: to close a descriptor of the database in this one would drop the locks on it. */
function killed(directory: string): string {
  const copy = join(temporaryNamed("short-log"), "copy");
  Bun.spawnSync(["cp", "-r", directory, copy]);
  return copy;
}

/** A share with an empty file, or more, whose history has begun. */
async function begun(directory: string, blocks: BlockStore, ...more: readonly FileId[]) {
  const { store, journal, history, content: opened } = await start(directory, blocks);
  for (const file of [id, ...more]) await addFile(store, file);
  const { content, shipped } = await opened();
  await history.start(shipped, 10_000);
  await until("a snapshot", 10_000, () => (history.status.ready ? true : null));
  return { store, journal, history, content, client: new Client(store, content) };
}

/** A share with two acknowledged writes; `kept`: the local disk knows that they are published. Gives what is left of it, and the log as it was after the first. */
async function written(blocks: BlockStore, kept: boolean): Promise<{ readonly left: string; readonly older: string }> {
  const directory = temporary();
  const { journal, content, client } = await begun(directory, blocks);
  await client.write(id, 0, Buffer.alloc(5000, 1), 0);
  expect(await content.durable(id)).toBeNull();
  await journal.keepMark();
  const older = join(killed(directory), "log");
  await client.write(id, 0, Buffer.alloc(5000, 2), 0);
  expect(await content.durable(id)).toBeNull();
  if (kept) await journal.keepMark();
  return { left: killed(directory), older };
}

/** The disk damages what was written last. */
function damageEnd(log: string): void {
  const path = join(log, segmentNames(log).findLast((name) => fs.readFileSync(join(log, name)).includes(Buffer.alloc(5000, 2))) as string);
  const bytes = fs.readFileSync(path);
  bytes.fill(0, bytes.indexOf(Buffer.alloc(5000, 2)) - 64);
  fs.writeFileSync(path, bytes);
}

for (const what of ["damaged at its end", "an older one"]) {
  for (const kept of [true, false]) {
    test(`a log that is ${what} is not gone on with, where the history has what it lacks and the local disk ${kept ? "knows that" : "has yet to ask"}; made of the history, it has all`, async () => {
      const blocks = openMemoryBlocks();
      const { left, older } = await written(blocks, kept);
      const log = join(left, "log");
      if (what === "an older one") {
        fs.rmSync(log, { recursive: true });
        fs.cpSync(older, log, { recursive: true });
      } else damageEnd(log);

      const short = await start(left, blocks);
      const refused = kept ? short.content() : short.content().then(({ shipped }) => short.history.start(shipped, 10_000));
      await expect(refused).rejects.toThrow("the log is an older one, or the disk damaged its end");
      await short.store.close();

      for (const name of fs.readdirSync(log)) if (name.endsWith(".log")) fs.rmSync(join(log, name));
      const again = await start(left, blocks);
      await again.restored();
      const { content, shipped } = await again.content();
      expect(await new Client(again.store, content).read(id, 0, 5000)).toEqual(Buffer.alloc(5000, 2));
      expect(await again.history.start(shipped, 10_000)).toBe(true);
    });
  }
}

test("beside an older log that lacks nothing, numbers go on above what was published", async () => {
  const blocks = openMemoryBlocks();
  const directory = temporary();
  const { store, history, content, client } = await begun(directory, blocks);
  await client.write(id, 0, Buffer.alloc(5000, 1), 0);
  await content.drain();
  const older = copyOf(join(directory, "log"));
  await content.close();
  await history.close();
  await store.close();

  // A life further on, whose content is stored and published.
  const next = await start(directory, blocks);
  const second = await next.content();
  await next.history.start(second.shipped, 10_000);
  await new Client(next.store, second.content).write(id, 0, Buffer.alloc(5000, 2), 0);
  await second.content.drain();
  expect(await next.history.published(10_000)).toBeNull();
  await second.content.close();
  await next.history.close();
  const published = next.journal.mark?.sequence as number;
  await next.store.close();
  expect(published).toBeGreaterThan(sequenceSkip);

  fs.rmSync(join(directory, "log"), { recursive: true });
  fs.cpSync(older, join(directory, "log"), { recursive: true });
  const last = await start(directory, blocks);
  const third = await last.content();
  expect(third.shipped.oldestNeeded()).toBeGreaterThan(published + sequenceSkip);
  expect(await last.history.start(third.shipped, 10_000)).toBe(true);
  const reader = new Client(last.store, third.content);
  await reader.write(id, 0, Buffer.alloc(5000, 3), 0);
  expect(await third.content.durable(id)).toBeNull();
  await third.content.close();
  await last.history.close();
  await last.store.close();
});

test("a log made of a history that was begun anew beside one with later changes, which nobody needs any more, lacks none", async () => {
  const blocks = openMemoryBlocks();
  const gone = 102 as FileId;
  const directory = temporary();
  const { store, journal, content, client } = await begun(directory, blocks, gone);
  await client.write(id, 0, Buffer.alloc(5000, 1), 0);
  await client.write(gone, 0, Buffer.alloc(5000, 2), 0);
  expect(await content.durable(gone)).toBeNull();
  await removeFile(store, content, gone);
  await journal.keepMark();
  const { sequence } = journal.mark as { sequence: number };
  const left = killed(directory);

  // The history is turned off, and on again.
  const off = openSqliteStore({ path: join(left, "metadata.db"), ...surroundings });
  await off.close();
  const on = await start(left, blocks);
  const anew = await on.content();
  await on.history.start(anew.shipped, 10_000);
  await until("a snapshot", 10_000, () => (on.history.status.ready ? true : null));
  expect(await on.history.published(10_000)).toBeNull();
  await on.journal.keepMark();
  expect(on.journal.mark).toMatchObject({ continues: true, sequence });
  expect((on.journal.mark as { oldestNeeded: number }).oldestNeeded).toBeLessThan(sequence);
  const lost = killed(left);

  for (const name of fs.readdirSync(join(lost, "log"))) if (name.endsWith(".log")) fs.rmSync(join(lost, "log", name));
  const last = await start(lost, blocks);
  await last.restored();
  const made = await last.content();
  expect(await new Client(last.store, made.content).read(id, 0, 5000)).toEqual(Buffer.alloc(5000, 1));
  expect(await last.history.start(made.shipped, 10_000)).toBe(true);
});
