import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Clock, systemClock } from "#base/clock.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { Durability } from "#model/credentials.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { SeededRandom, seedFor } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { Client, type Content, open, storeWith } from "./content-kit.ts";
import { PowerDisk } from "./power-disk.ts";

/**
 * Power cuts, kills and syncs that fail, at any moment, also of the starts that come after them: what was promised is there, of what was not each write is
 * there or not, and what one start finds every later one finds, too, until something is written.
 */

const ids = [101, 102, 103] as FileId[];
const unit = 16 * 1024;
const units = 32;
/** From this on a write goes into a pack at once. */
const largeUnits = 8;
const worldsDefault = 40;
const livesMax = 14;
const never: Promise<never> = Promise.withResolvers<never>().promise;

/** Of each unit of a file what it may hold: 0, or the number of a write. */
class Model {
  now = new Uint32Array(units);
  may: Set<number>[] = Array.from({ length: units }, () => new Set([0]));
  set(from: number, to: number, value: (at: number) => number): void {
    for (let at = from; at < to; at++) {
      this.now[at] = value(at);
      (this.may[at] as Set<number>).add(this.now[at] as number);
    }
  }
  settle(as: Uint32Array = this.now): void {
    this.now = as.slice();
    this.may = Array.from(as, (value) => new Set([value]));
  }
}

class World {
  private readonly random: SeededRandom;
  private readonly store: MetadataStore;
  private readonly blocks = openMemoryBlocks();
  private readonly models = new Map(ids.map((id) => [id, new Model()]));
  private disk: PowerDisk;
  private writes = 0;
  /** Promises that a kill alone is to keep. */
  private readonly killsOnly: boolean;
  private readonly isFar: boolean;
  readonly seen = { leftOut: 0, halfStarts: 0, failedSyncs: 0 };

  constructor(store: MetadataStore, random: SeededRandom) {
    this.store = store;
    this.random = random;
    this.isFar = random.chance(0.5);
    this.killsOnly = random.chance(0.15);
    // What was not synced is lost with a disk that refuses it, as by a power cut.
    this.disk = new PowerDisk(temporary("power"), random, 1_000_000, !this.killsOnly && random.chance(0.5));
  }

  async run(): Promise<void> {
    for (let life = 0; life < livesMax; life++) {
      const remove = this.disk.install();
      try {
        await Promise.race([this.life(), this.disk.end]).catch((error) => this.failed(error));
        this.disk.kill();
        this.disk = this.disk.next(!this.killsOnly && this.random.chance(0.7), this.random.chance(0.5) ? this.random.between(2, 30) : 1_000_000);
      } finally {
        remove();
      }
    }
  }

  /** A start, at times with nothing but what it goes on to store, else with writes. */
  private async life(): Promise<void> {
    const { disk, random } = this;
    const limits = { dirtyBytesMax: 8 << 20, unstoredBytesMax: 64 << 20, flushAgeMs: random.pick([1, 3_600_000]), flushBytes: 64 << 20 };
    const durability = this.killsOnly ? Durability.writeback : Durability.local;
    // Who is dead does nothing more.
    const clock: Clock = { ...systemClock, after: (ms, run) => systemClock.after(ms, () => (disk.ended ? undefined : run())) };
    const fatal = (error: Error): void => {
      if (!disk.ended) this.failed(error);
      disk.kill();
    };
    const { content, recovered } = await open(this.dying(disk), this.dyingBlocks(disk), disk.directory, { limits, segmentBytes: 256 << 10, garbage: { graceMs: 0, intervalMs: 5 }, durability, fatal, clock });
    this.seen.leftOut += recovered.unfinished;
    const client = new Client(this.store, content);
    for (const [id, model] of this.models) await this.check(client, id, model);
    this.seen.halfStarts++;
    // What was found is stored, and soon there is an end of it.
    if (random.chance(0.6)) {
      disk.lasts(random.between(2, 12));
      return content.drain();
    }
    for (let i = random.chance(0.5) ? 0 : random.between(1, 25); i > 0 && !disk.ended; i--) await this.change(content, client);
    if (random.chance(0.5)) await content.drain();
    for (let i = random.below(30); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    this.seen.halfStarts--;
  }

  /** A process ends whose sync failed, and a start may fail so; nothing else may. */
  private failed(error: Error): void {
    if (!this.disk.failed) throw error;
    this.seen.failedSyncs++;
  }

  private async change(content: Content, client: Client): Promise<void> {
    const { random, disk } = this;
    const id = random.pick(ids);
    const model = this.models.get(id) as Model;
    const kind = random.weighted({ large: 6, small: 6, truncate: 1, punch: 1, clone: 1, durable: 3, wait: 4 });
    const from = random.below(units - largeUnits);
    if (kind === "large" || kind === "small") {
      const count = kind === "small" ? random.between(1, 3) : random.between(largeUnits, units - from);
      const number = ++this.writes;
      const bytes = new Uint8Array(new Uint32Array((count * unit) / 4).fill(number).buffer);
      if ((await content.admit(bytes.length)) !== null) return;
      if (disk.ended) return never;
      if (!(content.write(await client.inode(id), from * unit, [bytes], bytes.length, systemClock.now()) instanceof FsError)) model.set(from, from + count, () => number);
    } else if (kind === "truncate") {
      if (!(content.truncate(await client.inode(id), from * unit, systemClock.now()) instanceof FsError)) model.set(from, units, () => 0);
    } else if (kind === "punch") {
      if (!(content.punch(await client.inode(id), from * unit, largeUnits * unit, systemClock.now()) instanceof FsError)) model.set(from, from + largeUnits, () => 0);
    } else if (kind === "clone") await this.clone(content, client, id, from);
    else if (kind === "wait") for (let i = random.below(40); i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
    else {
      const promised = model.now.slice();
      expect(await content.durable(id)).toBeNull();
      if (disk.ended) return never;
      model.settle(promised);
    }
  }

  private async clone(content: Content, client: Client, id: FileId, from: number): Promise<void> {
    const other = this.random.pick(ids.filter((each) => each !== id));
    const references = await content.references(await client.inode(other), from * unit, largeUnits * unit);
    if (references instanceof FsError) return;
    const source = (this.models.get(other) as Model).now;
    if (this.disk.ended) return never;
    if (references.length > 0 && references.length % unit === 0) {
      const cloned = content.clone(await client.inode(id), from * unit, references, systemClock.now());
      if (!(cloned instanceof FsError)) (this.models.get(id) as Model).set(from, from + references.length / unit, (at) => source[at] as number);
    }
    references.release();
  }

  private async check(client: Client, id: FileId, model: Model): Promise<void> {
    const bytes = await client.read(id, 0, units * unit);
    if (this.disk.ended) return never;
    const found = new Uint32Array(units);
    for (let at = 0; at < units; at++) {
      const part = bytes.subarray(at * unit, (at + 1) * unit);
      const words = new Uint32Array(part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength));
      const [value = 0] = words;
      if (!words.every((word) => word === value)) throw new Error(`unit ${at} of file ${id} is torn: it begins with write ${value}`);
      if (!(model.may[at] as Set<number>).has(value)) throw new Error(`unit ${at} of file ${id} is of write ${value}, not of ${[...(model.may[at] as Set<number>)].join(" or ")}`);
      found[at] = value;
    }
    model.settle(found);
  }

  private dying(disk: PowerDisk): MetadataStore {
    const { store } = this;
    const apply: MetadataStore["apply"] = async (set) => {
      if (!disk.step()) return never;
      const applied = await store.apply(set);
      return disk.step() ? applied : never;
    };
    return Object.assign(Object.create(store) as MetadataStore, { apply });
  }

  private dyingBlocks(disk: PowerDisk): BlockStore {
    const step = (): Promise<never> | undefined => (disk.step() ? undefined : never);
    const blocks = faultyBlocks(this.blocks, { before: (operation) => (operation === "put" || operation === "delete" ? step() : undefined), after: (operation) => (operation === "put" ? step() : undefined) });
    const put: BlockStore["put"] = async (key, source) => {
      const bytes = source.from === "file" ? readFileSync(source.path) : null;
      await blocks.put(key, source);
      // The store has removed it, and its name may be there again.
      if (source.from === "file" && bytes !== null) disk.removed(source.path, bytes);
    };
    // Packs go ahead of their flush where a store is far.
    return { ...blocks, put, ...(this.isFar ? { prefetch: () => true, answers: 0, distrust: () => false } : {}) };
  }
}

test("what was promised outlives any run of power cuts and kills, and no start finds what another did not", async () => {
  const first = seedFor("power loss", "POWER_SEED");
  const seen = { leftOut: 0, halfStarts: 0, failedSyncs: 0 };
  for (let seed = first; seed < first + Number(Bun.env["POWER_WORLDS"] ?? worldsDefault); seed++) {
    const world = new World(await storeWith(ids), new SeededRandom(seed));
    await world.run().catch((cause: unknown) => {
      throw new Error(`world ${seed}: ${(cause as Error).message}`, { cause });
    });
    seen.leftOut += world.seen.leftOut;
    seen.halfStarts += world.seen.halfStarts;
    seen.failedSyncs += world.seen.failedSyncs;
  }
  expect(seen.leftOut).toBeGreaterThan(0);
  expect(seen.halfStarts).toBeGreaterThan(0);
  expect(seen.failedSyncs).toBeGreaterThan(0);
}, 60_000);
