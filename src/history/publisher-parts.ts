import type { BlockStore } from "#model/block-store.ts";
import type { HeldPacks } from "#model/history.ts";
import type { PackId } from "#model/ids.ts";
import type { HistoryError, SegmentHead } from "./format.ts";
import type { PaceBounds } from "./pace.ts";

/** What a publisher works with, and whom it tells. */
export interface PublisherParts extends PaceBounds {
  readonly blocks: BlockStore;
  /** In hexadecimal. */
  readonly instance: string;
  /** At a cut: the oldest content change that a recovery from here needs. */
  readonly oldestNeeded: () => number;
  readonly hold: (packs: Iterable<PackId>) => HeldPacks;
  /** Resolves when everything before is safe on this machine. */
  readonly safeHere: () => Promise<void>;
  /** Segments up to this one are published. */
  readonly published: (head: SegmentHead, bytes: number) => void;
  /** The place of the next segment was somebody else's. Nothing is published any more. */
  readonly lost: (error: HistoryError) => void;
  /** The store did not take something, or does again (null). */
  readonly trouble: (error: unknown) => void;
}
