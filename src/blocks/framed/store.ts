import fs from "node:fs";
import { assert } from "#base/assert.ts";
import type { Clock } from "#base/clock.ts";
import { ReusedMemory } from "#base/reused-memory.ts";
import { type BlockStore, DamagedObjectError, MissingObjectError, type ObjectSource, type SynchronousReads } from "#model/block-store.ts";
import { adoptsFrom, readsNow } from "../abilities.ts";
import { keyringPrefix } from "../keyring/index.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import { sourceBytes } from "../source.ts";
import { ByteGate } from "./byte-gate.ts";
import { decode, decodeNow, type Opened, storedRange } from "./decode.ts";
import { encode } from "./encode.ts";
import { Heads, notSealed } from "./heads.ts";
import type { FramedOptions } from "./index.ts";

/** Ends the keys of framed objects in the wrapped store. */
export const framedSuffix = ".framed";
/** The largest object: it is put together in memory. */
export const objectBytesMax = 256 * 2 ** 20;
/** What was done while a store was away is one object of a history, in memory already: as much as writers may leave unstored. */
const historyBytesMax = 4 * 2 ** 30;
/** Of objects on their way into the store. */
const puttingBytesMax = 128 * 2 ** 20;
/**
 * Of payload that is being framed at a time: two packs keep the thread pool busy. Were it more, all would be ready together, and
 * processors and disk would wait for each other in turns.
 */
const framingBytesMax = 40 * 2 ** 20;
/** A full pack with its head and its tags. */
const packBytesMax = 16 * 2 ** 20 + 64 * 1024;
/** Below this, fresh memory costs less than it is worth to keep. */
const reusedBytesMin = 1 << 20;
const memoryIdleMs = 5_000;
/** What is decrypted and decompressed at once at most, between two requests. */
const nowBytesMax = 128 * 1024;

/** A store that sends the slices has its other work between two of them. */
const sliceBytes = 512 * 1024;

function sliced(bytes: Uint8Array): readonly Uint8Array[] {
  const slices: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += sliceBytes) slices.push(bytes.subarray(at, at + sliceBytes));
  return slices;
}

export class FramedBlocks implements BlockStore {
  /** Where nothing is done to new objects, and the store adopts files. */
  declare readonly stagingDirectory?: string;
  /** Where the store reads at once. */
  declare readonly getNow?: SynchronousReads["getNow"];
  private readonly options: FramedOptions;
  private readonly blocks: BlockStore;
  private readonly clock: Clock;
  private readonly now: SynchronousReads | null;
  private readonly heads: Heads;
  /** Of objects on their way into the store. */
  private readonly memory: ReusedMemory;
  private readonly gate = new ByteGate(puttingBytesMax);
  private readonly framing = new ByteGate(framingBytesMax);
  /** New objects are framed. */
  private readonly frames: boolean;

  constructor(options: FramedOptions) {
    const { blocks, keyring, clock, compress, encrypt } = options;
    assert(!encrypt || keyring !== null, "encryption takes a keyring");
    this.options = options;
    this.blocks = blocks;
    this.clock = clock;
    this.now = readsNow(blocks);
    this.memory = new ReusedMemory({
      pieceBytes: packBytesMax,
      wantedBytesMin: reusedBytesMin,
      keptMax: Math.ceil(puttingBytesMax / packBytesMax),
      idle: { clock, ms: memoryIdleMs },
    });
    this.heads = new Heads({ blocks, keyring, suffix: framedSuffix, sealedOnly: !this.readsPlain, isRaced: (key) => this.isHistory(key) });
    this.frames = compress || encrypt;
    const staging = adoptsFrom(blocks);
    if (!this.frames && staging !== null) Object.assign(this, { stagingDirectory: staging });
    if (this.now !== null) Object.assign(this, { getNow: this.readNow.bind(this) });
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    this.check(key);
    const raced = this.isHistory(key);
    if (!this.frames || (raced && !this.options.encrypt)) return await this.blocks.put(key, source);
    const bytes = sourceBytes(source);
    const bytesMax = raced ? historyBytesMax : objectBytesMax;
    if (bytes > bytesMax) throw new Error(`object ${key} has ${bytes} bytes, more than the ${bytesMax} that a store which compresses or encrypts takes`);
    await this.gate.run(bytes, async () => {
      const { compress, encrypt, keyring, random } = this.options;
      const kek = encrypt && keyring !== null ? await keyring.current() : null;
      const framed = () => encode(key, source, { compress, kek, clock: this.clock, random }, this.memory);
      // Whoever waits until the history is in the store doesn't wait for packs.
      const object = raced ? await framed() : await this.framing.run(bytes, framed);
      await this.blocks.put(raced ? key : key + framedSuffix, { from: "slices", slices: sliced(object), atOnce: source.from === "slices" && source.atOnce === true });
      // Where that failed the store may still be at it.
      this.memory.give(object);
    });
    if (source.from === "file") await fs.promises.unlink(source.path);
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array): Promise<Uint8Array> {
    this.check(key);
    const opened = await this.opened(key, () => this.blocks.get(key, offset, length, target));
    if (!("layout" in opened)) return opened.plain;
    const { payloadBytes } = opened.layout;
    if (offset + length > payloadBytes) throw new RangeError(`object ${key} has ${payloadBytes} bytes and ends before ${offset + length}`);
    const into = target ?? new Uint8Array(length);
    if (length === 0) return into;
    const { from, to } = storedRange(opened.layout, offset, length);
    const asTheyAre = to - from === length && opened.dataKey === null && opened.layout.index === null;
    const stored = await this.blocks.get(opened.stored, from, to - from, asTheyAre ? into : undefined);
    if (!asTheyAre) await decode(opened, offset, into, stored, this.clock);
    return into;
  }

  async size(key: string): Promise<number | null> {
    this.check(key);
    try {
      const opened = await this.opened(key, async () => {
        const size = await this.blocks.size(key);
        if (size === null) throw new MissingObjectError(key);
        return size;
      });
      return "layout" in opened ? opened.layout.payloadBytes : opened.plain;
    } catch (error) {
      if (error instanceof MissingObjectError) return null;
      throw error;
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.check(key);
      this.heads.forget(key);
    }
    await this.blocks.delete(keys.flatMap((key) => (this.readsPlain || this.isHistory(key) ? [key, key + framedSuffix] : [key + framedSuffix])));
    for (const key of keys) this.heads.forget(key);
  }

  /** Sizes would take a look into each object: they are null, whatever the object. */
  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: null }> {
    checkPrefix(prefix);
    const rings = keyringPrefix(this.options.keyPrefix);
    for await (const { key: full } of this.blocks.list(prefix)) {
      const framed = full.endsWith(framedSuffix);
      if ((!framed && !this.readsPlain && !this.isHistory(full)) || full.startsWith(rings)) continue;
      const key = framed ? full.slice(0, -framedSuffix.length) : full;
      if (key.startsWith(prefix)) yield { key, size: null };
    }
  }

  space(): Promise<{ readonly free: number; readonly total: number } | null> {
    return this.blocks.space();
  }

  close(): Promise<void> {
    return this.blocks.close();
  }

  private isHistory(key: string): boolean {
    const { raced } = this.options;
    return raced !== undefined && key.startsWith(raced);
  }

  private get readsPlain(): boolean {
    return !this.options.encrypt || this.options.acceptPlain;
  }

  /** What is known of a framed object, or what `plain` gives of one that isn't. The kind that is put comes first. */
  private async opened<T>(key: string, plain: () => Promise<T>): Promise<Opened | { readonly plain: T }> {
    const known = this.heads.now(key);
    if (known === null) return { plain: await plain() };
    if (known !== undefined) return known;
    if (this.isHistory(key)) {
      const raced = await this.heads.raced(key);
      if (raced === undefined) return await this.heads.load(key);
      if (raced !== null) return raced;
      if (!this.readsPlain) throw new DamagedObjectError(`object ${key} is not encrypted, though the block store is: ${notSealed}`);
      const read = { plain: await plain() };
      this.heads.rememberPlain(key);
      return read;
    }
    if (!this.readsPlain) return await this.heads.load(key);
    const readPlain = async () => {
      const read = { plain: await plain() };
      this.heads.rememberPlain(key);
      return read;
    };
    try {
      return this.frames ? await this.heads.load(key) : await readPlain();
    } catch (error) {
      if (!(error instanceof MissingObjectError)) throw error;
    }
    return this.frames ? await readPlain() : await this.heads.load(key);
  }

  private readNow(key: string, offset: number, target: Uint8Array): boolean {
    const opened = this.heads.now(key);
    const { now } = this;
    if (now === null) return false;
    if (opened === null) return now.getNow(key, offset, target);
    if (opened === undefined) return !this.frames && !this.isHistory(key) && now.getNow(key, offset, target);
    if (target.byteLength > nowBytesMax || offset + target.byteLength > opened.layout.payloadBytes) return false;
    if (target.byteLength === 0) return true;
    const { from, to } = storedRange(opened.layout, offset, target.byteLength);
    if (opened.dataKey === null && opened.layout.index === null) return now.getNow(opened.stored, from, target);
    const stored = new Uint8Array(to - from);
    if (!now.getNow(opened.stored, from, stored)) return false;
    try {
      decodeNow(opened, offset, target, stored);
      return true;
    } catch {
      // Whoever reads it with waiting is told what is wrong.
      return false;
    }
  }

  /** A key with the suffix would be taken for that of a framed object. */
  private check(key: string): void {
    checkKey(key);
    assert(!key.endsWith(framedSuffix), `a key must not end in ${framedSuffix}`);
  }
}
