import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Journal } from "#model/history.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { HistoryError } from "./format.ts";

export interface HistoryOptions {
  /** The bucket itself: copies of what it had are no good for finding out whose a share is. */
  readonly blocks: BlockStore;
  /** The same without compression and encryption: the list of a store's shares is read by who has no key yet. */
  readonly unwrapped: BlockStore;
  readonly journal: Journal;
  /** Asked before the share is taken: why the store can't keep two servers from taking it. Null: it does, or nobody minds. Throws what the store throws. */
  readonly unfenced?: () => Promise<string | null>;
  /** Of the share, in hexadecimal. */
  readonly instance: string;
  readonly share: string;
  readonly host: string;
  /** A change waits so long to be published at most. */
  readonly lagMs: number;
  /** Bytes that may wait in memory to be published. */
  readonly unshippedBytesMax: number;
  /** Where a copy of the metadata is made for a snapshot; on the disk it lies on. */
  readonly snapshotPath: string;
  /** A snapshot is not made for fewer bytes of segments. */
  readonly snapshotBytesMin?: number;
  /** Nor so soon after the one before, unless the segments are very long. */
  readonly snapshotPauseMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Somebody else has the share, or its history is not this metadata's: nothing may be acknowledged any more. */
  readonly lost: (error: HistoryError) => void;
}

/** How far behind the bucket is. */
export interface HistoryStatus {
  readonly segments: number;
  readonly bytes: number;
  /** Of the oldest change that is not published; null: there is none. */
  readonly oldestMs: number | null;
  /** Whether a recovery is possible: a snapshot is in the bucket. */
  readonly ready: boolean;
  /** What keeps it from going on, and for how long it has; null: nothing that is known. */
  readonly error: string | null;
  readonly errorMs: number | null;
}
