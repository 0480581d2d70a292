import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { Keyring, openFramedBlocks, openMemoryBlocks } from "#blocks/index.ts";
import { RecoveredLog } from "#cache/log/recovered-log.ts";
import { packKey, readFooter } from "#cache/packs/index.ts";
import { History, HistoryReader, newestSnapshot, snapshotPieces, TurnWriter } from "#history/index.ts";
import { openSqliteStore, SqliteReplay } from "#metadata/index.ts";
import { type BlockStore, StoreUnavailableError } from "#model/block-store.ts";
import { PackState } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType, newObject } from "#model/inode.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { masterKeys } from "../../support/master-keys.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { Client, type Content, grown, inodeOf, open, temporary } from "./content-kit.ts";

/**
 * Content, its history and its metadata as a server has them, over a bucket that errs. Whatever the moment the machine is lost at: what is recovered
 * from what the bucket has is each file as it was after one and the same change.
 */

const kib = 1024;
const fileBytes = 768 * kib;
const worlds = 4;
const limits = { dirtyBytesMax: 4 * kib * kib, unstoredBytesMax: 64 * kib * kib, flushAgeMs: 30, flushBytes: 256 * kib };
const surroundings = { clock: systemClock, random: systemRandom, logger: silentLogger };
const fatal = (error: Error): never => {
  throw error;
};

type Step =
  | { readonly do: "write"; readonly file: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly do: "truncate"; readonly file: number; readonly size: number }
  | { readonly do: "punch"; readonly file: number; readonly offset: number; readonly length: number }
  | { readonly do: "clone"; readonly file: number; readonly offset: number; readonly bytes: Uint8Array };

interface Happened {
  readonly sequence: number;
  readonly step: Step;
}

/** A file with this change made. */
function after(model: Uint8Array, step: Step): Uint8Array {
  if (step.do === "truncate") return step.size < model.length ? model.slice(0, step.size) : grown(model, step.size);
  const changed = step.do === "punch" ? model.slice() : grown(model, step.offset + step.bytes.length).slice();
  if (step.do === "punch") changed.fill(0, step.offset, step.offset + step.length);
  else changed.set(step.bytes, step.offset);
  return changed;
}

function bucket(random: SeededRandom) {
  const state = { pausing: Promise.resolve() };
  const objects = openMemoryBlocks();
  const hook = async (): Promise<void> => {
    await new Promise<void>((resolve) => systemClock.after(random.below(12), resolve));
    await state.pausing;
    if (random.chance(0.001)) throw new StoreUnavailableError("the bucket is away");
  };
  /** What the bucket has at one moment. */
  const copy = async (): Promise<BlockStore> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    state.pausing = promise;
    await new Promise<void>((turn) => systemClock.atTurnEnd(turn));
    const copied = openMemoryBlocks();
    for await (const { key, size } of objects.list("")) await copied.put(key, { from: "slices", slices: [(await objects.get(key, 0, size ?? 0)).slice()] });
    resolve();
    return copied;
  };
  return { copy, blocks: faultyBlocks(objects, { before: hook, after: hook }) };
}

/** In every other world what the bucket has is compressed and encrypted. */
function wrapped(blocks: BlockStore, instance: string, seed: number): BlockStore {
  if (seed % 2 === 0) return blocks;
  const keyPrefix = `${instance}/`;
  const keyring = new Keyring({ blocks, keyPrefix, masters: masterKeys("first"), mayBegin: true, random: systemRandom });
  return openFramedBlocks({ blocks, keyPrefix, compress: true, encrypt: true, acceptPlain: false, keyring, clock: systemClock, random: systemRandom });
}

/** What `dittofs recover` makes of a bucket; gives the sequence the history ends with, and how many changes point to packs. */
async function recovered(blocks: BlockStore, instance: string, directory: string) {
  const manifest = await newestSnapshot(blocks, instance);
  if (manifest === null) throw new Error("there is no snapshot");
  const path = join(directory, "metadata.db");
  const pieces: Uint8Array[] = [];
  for await (const piece of snapshotPieces(blocks, manifest)) pieces.push(piece);
  await writeFile(path, Buffer.concat(pieces));
  const metadata = new SqliteReplay(path, systemRandom);
  mkdirSync(join(directory, "log"));
  const log = new RecoveredLog(join(directory, "log"), metadata.instance, 4 * kib * kib, 1);
  const needed = new Map<PackId, Set<FileId>>();
  let clones = 0;
  const reader = new HistoryReader(blocks, manifest, {
    turn: ({ firstDrawn, sets }) => metadata.apply(firstDrawn, sets),
    record: (record) => {
      log.add(record);
      if (record.kind === "clone") clones++;
      for (const id of record.kind === "pointer" ? [record.pack] : record.kind === "clone" ? record.runs.map(({ pack }) => pack) : []) {
        if (id !== 0) needed.set(id, (needed.get(id) ?? new Set()).add(record.file));
      }
    },
    progress: () => {},
  });
  const { sequence, last } = await reader.read();
  for (const id of needed.keys()) {
    const row = metadata.pack(id);
    const key = row?.key ?? packKey(metadata.instance, id);
    const bytes = await blocks.size(key);
    const footer = bytes === null ? null : await readFooter((offset, length) => blocks.get(key, offset, length), bytes, metadata.instance, id, key);
    if (footer !== null && (row?.frames.length ?? 0) === 0) metadata.putPack({ id, key, state: PackState.pending, size: footer.size, live: 0, frames: footer.frames, since: systemClock.now() });
  }
  await log.finish();
  const { place } = last;
  metadata.finish({ epoch: place.epoch, number: place.number, turn: reader.replayed.turn, sequence, oldestNeeded: last.oldestNeeded, fromEpoch: last.from.epoch, fromNumber: last.from.number, continues: false, tokens: [] });
  return { path, sequence, clones };
}

/** One change; null: none was made. */
async function step(random: SeededRandom, client: Client, content: Content, files: readonly FileId[], model: (file: number) => Uint8Array): Promise<Step | null> {
  const file = random.below(files.length);
  const id = files[file] as FileId;
  const size = model(file).length;
  const offset = random.chance(0.5) ? random.below(fileBytes / (4 * kib)) * 4 * kib : random.below(fileBytes);
  if (random.chance(0.02)) {
    const to = random.below(fileBytes);
    const inode = await client.inode(id);
    expect(content.truncate(inode, to, systemClock.now())).not.toBeInstanceOf(FsError);
    return { do: "truncate", file, size: to };
  }
  if (random.chance(0.03) && size > 10) {
    const at = random.below(size - 1);
    const length = Math.min(size - at, 1 + random.below(64 * kib));
    const inode = await client.inode(id);
    expect(content.punch(inode, at, length, systemClock.now())).not.toBeInstanceOf(FsError);
    return { do: "punch", file, offset: at, length };
  }
  if (random.chance(0.003) && size > 10) {
    const from = random.below(size - 1);
    const references = await content.references(await client.inode(id), from, Math.min(size - from, 40_000));
    if (references instanceof FsError) return null;
    const target = random.below(files.length);
    const bytes = model(file).slice(from, from + references.length);
    const inode = await client.inode(files[target] as FileId);
    const cloned = content.clone(inode, offset, references, systemClock.now());
    references.release();
    expect(cloned).not.toBeInstanceOf(FsError);
    return { do: "clone", file: target, offset, bytes };
  }
  const bytes = new Uint8Array(random.chance(0.02) ? 70_000 : random.pick([4096, 4096, 4096, 700, 100, 9000])).fill(1 + random.below(255));
  await client.write(id, offset, bytes, 0);
  return { do: "write", file, offset, bytes };
}

/** Gives how many changes were recovered from packs. */
async function expectPrefix(objects: BlockStore, seed: number, instance: string, files: readonly FileId[], happened: readonly Happened[]): Promise<number> {
  const machine = temporary();
  const { path, sequence, clones } = await recovered(objects, instance, machine);
  const again = openSqliteStore({ path, ...surroundings, fatal });
  const { content } = await open(again, objects, machine, { cacheBytes: 8 * kib * kib, limits, garbage: { graceMs: 0, intervalMs: 20 } });
  const was = new Map<number, Uint8Array>();
  for (const one of happened) if (one.sequence <= sequence) was.set(one.step.file, after(was.get(one.step.file) ?? new Uint8Array(0), one.step));
  const reader = new Client(again, content);
  for (let twice = 0; twice < 2; twice++) {
    for (const [i, id] of files.entries()) {
      const expected = was.get(i) ?? new Uint8Array(0);
      expect((await reader.inode(id)).size, `world ${seed}`).toBe(expected.length);
      const bytes = await reader.read(id, 0, expected.length);
      const at = bytes.findIndex((byte, index) => byte !== expected[index]);
      if (at >= 0) throw new Error(`world ${seed}: file ${i} is not as it was after change ${sequence}: ${bytes[at]} at ${at} where ${expected[at]} belongs`);
    }
    await content.drain();
  }
  await content.close();
  await again.close();
  return clones;
}

async function play(seed: number): Promise<number> {
  const random = new SeededRandom(seed);
  const directory = temporary();
  const { copy, blocks: bare } = bucket(random);
  const store = openSqliteStore({ path: join(directory, "metadata.db"), ...surroundings, journal: new TurnWriter(), fatal });
  const { journal } = store;
  if (journal === null) throw new Error("no journal");
  const root = newObject(systemClock.now(), { id: rootId, type: FileType.directory, mode: 0o755, change: 1, attributeVersion: 1, generation: 1, parent: rootId });
  const files = [store.draw(), store.draw(), store.draw()] as FileId[];
  for (const inode of [root, ...files.map(inodeOf)]) expect((await store.apply({ conditions: [], changes: [{ do: "insertInode", inode }] })).applied).toBe(true);
  const instance = Buffer.from(store.identity.instance).toString("hex");
  const blocks = wrapped(bare, instance, seed);
  const history = new History({ blocks, unwrapped: bare, journal, instance, share: "/share", host: "here", lagMs: 100, unshippedBytesMax: 4 * kib * kib, snapshotPath: join(directory, "snapshot"), snapshotBytesMin: 2 * kib * kib, snapshotPauseMs: 300, ...surroundings, lost: fatal });
  const { content, shipped } = await open(store, blocks, directory, { history, limits, cacheBytes: 8 * kib * kib, garbage: { graceMs: 0, intervalMs: 70 } });
  expect(await history.start(shipped, 10_000)).toBe(true);
  while (!history.status.ready) await new Promise<void>((resolve) => systemClock.after(5, resolve));

  const client = new Client(store, content);
  const models = new Map<number, Uint8Array>();
  const model = (file: number): Uint8Array => models.get(file) ?? new Uint8Array(0);
  const happened: Happened[] = [];
  const lost: BlockStore[] = [];
  const many = 300 + random.below(700);
  for (let i = 0; i < many; i++) {
    const one = await step(random, client, content, files, model);
    if (one === null) continue;
    models.set(one.file, after(model(one.file), one));
    happened.push({ sequence: content.sequence(), step: one });
    if (random.chance(0.02)) lost.push(await copy());
    if (i % 16 === 0) await new Promise<void>((resolve) => systemClock.after(2, resolve));
  }
  let pointed = 0;
  for (const left of lost) pointed += await expectPrefix(wrapped(left, instance, seed), seed, instance, files, happened);
  await content.close();
  await history.close();
  await store.close();
  console.log(`world ${seed}: ${lost.length} moments, ${pointed} changes point to packs`);
  return pointed;
}

test(`what is left of a machine and its bucket at any moment is all files after one change: ${worlds} worlds`, async () => {
  const first = seedFor("prefix", "PREFIX_SEED");
  let pointed = 0;
  for (let world = 0; world < worlds; world++) pointed += await play(first + world);
  expect(pointed).toBeGreaterThan(0);
}, 120_000);
