import type { Clock } from "#base/clock.ts";
import { Durations } from "#telemetry/distribution.ts";
import type { Admission } from "./admission.ts";
import type { ContentLimits } from "./content-limits.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { PackUploads } from "./pack-uploads.ts";
import type { PageCache } from "./pages/index.ts";
import type { Reader } from "./reader.ts";
import type { Space } from "./space.ts";
import type { StoreHealth } from "./store-health.ts";

/** What flushes came to: each outcome of a batch that found something to store. */
export class FlushStats {
  stored = 0;
  noRoom = 0;
  /** A store was away, or refused to work. */
  away = 0;
  failed = 0;
  readonly durations: Durations = new Durations();

  note(outcome: "idle" | "stored" | "noRoom" | "away" | "failed", ms: number): void {
    if (outcome === "idle") return;
    this[outcome]++;
    this.durations.add(ms);
  }
}

/** What collecting garbage came to since the share was opened. */
export class GarbageStats {
  /** Passes that came to their end, and those that did not. */
  done = 0;
  failed = 0;
  /** Packs and objects without a row that were deleted, and bytes of those packs. */
  deleted = 0;
  deletedBytes = 0;
  rewritten = 0;
  readonly durations: Durations = new Durations();
  /** When the last pass came to its end, in seconds since 1970; null: none has. */
  endedAt: number | null = null;
  /** Stored packs as the last pass found them; null: none has looked. */
  packs: PackTotals | null = null;

  /** Counts what a pass did, whether or not it came to its end. */
  async pass(pass: Pass, clock: Clock, work: () => Promise<void>): Promise<void> {
    const begunMs = clock.monotonicMs();
    try {
      await work();
      this.done++;
      this.endedAt = clock.now().sec;
      this.packs = pass.packs;
    } catch (error) {
      this.failed++;
      throw error;
    } finally {
      this.deleted += pass.deleted;
      this.deletedBytes += pass.bytes;
      this.rewritten += pass.repacked;
      this.durations.add(clock.monotonicMs() - begunMs);
    }
  }
}

export interface PackTotals {
  count: number;
  bytes: number;
  /** Bytes of them that something refers to. */
  liveBytes: number;
}

/** Gives how much of the pack is alive. */
export function addTo(totals: PackTotals, { size, live }: { readonly size: number; readonly live: number }): number {
  totals.count++;
  totals.bytes += size;
  totals.liveBytes += Math.min(size, live);
  return live;
}

/** A pack was made of what lives in others: those bytes were counted as alive there. */
export function addStored(totals: PackTotals, bytes: number): void {
  totals.count++;
  totals.bytes += bytes;
}

/** One pass over all packs. */
export interface Pass {
  repacked: number;
  deleted: number;
  bytes: number;
  /** Those that it left. */
  readonly packs: PackTotals;
}

/** What a share's content counts: the parts count, and whoever watches reads whenever he likes. */
export interface ContentStats {
  readonly reads: Pick<Reader, "hits" | "misses">;
  readonly pages: Pick<PageCache, "evictions" | "evictedBytes"> & { readonly pool: { readonly bytes: number; readonly capacity: number } };
  readonly log: Pick<WriteAheadLog, "bytes" | "stats">;
  readonly writers: Pick<Admission, "waiters" | "delayed" | "turnedAway" | "noRoom" | "unstoredBytes">;
  readonly flushes: FlushStats;
  readonly packs: Pick<PackUploads, "stored" | "storedBytes">;
  readonly garbage: GarbageStats;
  readonly health: Pick<StoreHealth, "isReachable" | "lostObjects" | "damagesFound">;
  /** As last read, less what was accepted since; `totalBytes` null: the block store has no such bound. */
  readonly space: Pick<Space, "freeBytes" | "totalBytes">;
  /** As they are at present. */
  readonly limits: ContentLimits;
}
