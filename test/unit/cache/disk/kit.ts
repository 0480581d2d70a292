import fs from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "#base/clock.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { type CachedBlocks, type CacheFiles, type DiskCacheLimits, openDiskCache } from "#cache/disk/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { silentLogger } from "#telemetry/logger.ts";

export const MiB = 2 ** 20;
export const KiB = 2 ** 10;
export const block = 64 * KiB;
/** What the cache takes besides blocks: index and directories, and each file. */
export const baseBytes = 2 * MiB;
export const fileBytes = 8 * KiB;

/** Bytes of an object that differ from those at another offset and of another object. */
export function contentOf(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0, word = seed * 7919 + 1; i < words.length; i++) words[i] = word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
  return new Uint8Array(words.buffer, 0, length);
}

/** A store whose reads are counted, and wait when `hold` says so until they are let go. */
export class CountingStore {
  readonly store: BlockStore = openMemoryBlocks({ bytesMax: 2 ** 30 });
  readonly gets: { readonly key: string; readonly offset: number; readonly length: number }[] = [];
  /** Asked for and not answered. */
  inFlightBytes = 0;
  hold = false;
  /** The same, but for what was read already: answers on their way. */
  holdAnswers = false;
  /** While set, every read fails with it. */
  down: Error | null = null;
  private waiting: (() => void)[] = [];

  readonly blocks: { -readonly [Method in keyof BlockStore]: BlockStore[Method] } = {
    put: (key, source) => this.store.put(key, source),
    get: async (key, offset, length, target) => {
      this.gets.push({ key, offset, length });
      this.inFlightBytes += length;
      if (this.hold) await new Promise<void>((resolve) => this.waiting.push(resolve));
      this.inFlightBytes -= length;
      if (this.down !== null) throw this.down;
      const bytes = await this.store.get(key, offset, length, target);
      if (this.holdAnswers) await new Promise<void>((resolve) => this.waiting.push(resolve));
      return bytes;
    },
    size: (key) => this.store.size(key),
    delete: (keys) => this.store.delete(keys),
    list: (prefix) => this.store.list(prefix),
    space: () => this.store.space(),
    close: async () => {},
  };

  get held(): number {
    return this.waiting.length;
  }

  /** Answers the reads asked for longest ago. */
  release(count = Number.POSITIVE_INFINITY): void {
    for (const each of this.waiting.splice(0, count)) each();
  }

  async fill(objects: number, length: number): Promise<string[]> {
    const keys = Array.from({ length: objects }, (_, i) => `share/00/${i}`);
    for (const [i, key] of keys.entries()) await this.store.put(key, { from: "slices", slices: [contentOf(i, length)] });
    return keys;
  }
}

export const plenty: DiskCacheLimits = { bytesMax: 64 * MiB, freeBytesMin: 0, aheadBytesMax: 64 * MiB };

export function openCache(blocks: BlockStore, directory: string, more: { limits?: Partial<DiskCacheLimits>; keyPrefix?: string; clock?: Clock; files?: CacheFiles; logger?: Logger } = {}): Promise<CachedBlocks> {
  return openDiskCache({
    blocks,
    directory: join(directory, "disk"),
    keyPrefix: "share/",
    clock: systemClock,
    logger: silentLogger,
    ...more,
    limits: { ...plenty, ...more.limits },
  });
}

/** Every file under a directory, with what the disk has given it. */
export function filesIn(directory: string): { readonly path: string; readonly allocated: number }[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, allocated: fs.statSync(path).blocks * 512 };
    });
}

export function allocatedIn(directory: string): number {
  return filesIn(directory).reduce((sum, { allocated }) => sum + allocated, 0);
}

/** The copies of objects, as files. */
export function copiesIn(directory: string): string[] {
  return filesIn(join(directory, "disk", "files")).map(({ path }) => path);
}
