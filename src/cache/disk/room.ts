import type { Clock } from "#base/clock.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { CacheFiles } from "./cache-files.ts";

/** The index with its write-ahead file, and the directories. */
export const baseBytes = 2 * 2 ** 20;

/** What the cache takes of the disk and may, and what made room there since it was opened. */
export interface DiskFilesStats {
  readonly bytes: number;
  readonly bytesMax: number;
  readonly objects: number;
  readonly evictions: number;
  readonly evictedBytes: number;
}

export interface DiskFilesOptions {
  readonly directory: string;
  /** What the keys of all objects begin with; a copy of any other is thrown away. */
  readonly keyPrefix: string;
  readonly limits: DiskLimits;
  readonly files: CacheFiles;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface DiskLimits {
  /** What the cache takes of the disk at most, its index included; 0: nothing. */
  readonly bytesMax: number;
  /** What it leaves free on the disk. */
  readonly freeBytesMin: number;
}

/** The account of the disk's bytes: what is taken, what is set aside for writes to come, and whose removal is under way. */
export class Room {
  limits: DiskLimits;
  /** What is taken, with what is being removed. */
  bytes = baseBytes;
  private reserved = 0;
  private evictions = 0;
  private evictedBytes = 0;
  private readonly removals = new Set<Promise<void>>();
  private readonly io: CacheFiles;
  private readonly directory: string;
  private readonly evictSome: (bytes: number) => boolean;

  /** `evictSome` begins to remove so many bytes, or as many as can go; false where nothing can. */
  constructor(io: CacheFiles, directory: string, limits: DiskLimits, evictSome: (bytes: number) => boolean) {
    this.io = io;
    this.directory = directory;
    this.limits = limits;
    this.evictSome = evictSome;
  }

  get stats(): Omit<DiskFilesStats, "objects"> {
    const { bytes, limits, evictions, evictedBytes } = this;
    return { bytes, bytesMax: limits.bytesMax, evictions, evictedBytes };
  }

  /** An object's copy went to make room. */
  evicted(bytes: number): void {
    this.evictions++;
    this.evictedBytes += bytes;
  }

  /** Sets `bytes` aside, making room where that is needed, until `release`; `newBytes` of them are yet to be taken from what is free. */
  async reserve(bytes: number, newBytes: number = bytes): Promise<boolean> {
    this.reserved += bytes;
    let done = false;
    try {
      await this.trim();
      done = this.lacking() <= 0 && (await this.leavesFree(newBytes));
    } finally {
      if (!done) this.reserved -= bytes;
    }
    return done;
  }

  /** Whether there is room for so much as things are. */
  has(bytes: number): boolean {
    return this.lacking() + bytes <= 0;
  }

  release(bytes: number): void {
    this.reserved -= bytes;
  }

  /** The bytes of what is being removed count until it is gone, and for ever if it can't be. */
  removing(bytes: number, removed: Promise<void>, failed: (error: unknown) => void): void {
    const removal = removed.then(() => void (this.bytes -= bytes), failed).finally(() => this.removals.delete(removal));
    this.removals.add(removal);
  }

  async removed(): Promise<void> {
    while (this.removals.size > 0) await Promise.all(this.removals);
  }

  /** Keeps to the limit, as far as there is something to remove. */
  async trim(): Promise<void> {
    await this.evict(() => this.lacking());
  }

  /** Whether so much is left free when `bytes` more are taken; makes room for that. */
  async leavesFree(bytes: number): Promise<boolean> {
    for (let round = 0; round < 2; round++) {
      const lacking = this.limits.freeBytesMin + bytes - (await this.io.freeBytes(this.directory));
      if (lacking <= 0) return true;
      const upTo = this.bytes - lacking;
      await this.evict(() => this.bytes - upTo);
    }
    return false;
  }

  private lacking(): number {
    return this.bytes + this.reserved - this.limits.bytesMax;
  }

  private async evict(lacking: () => number): Promise<void> {
    if (lacking() > 0) await this.removed();
    while (lacking() > 0 && this.evictSome(lacking())) await this.removed();
  }
}
