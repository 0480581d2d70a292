import type { Journal } from "#model/history.ts";
import type { SegmentHead } from "./format.ts";
import type { Publisher } from "./publisher.ts";
import { chunkBytes, putSnapshot, removeFile, removeOld, type SnapshotParts } from "./snapshot-objects.ts";

/** A snapshot is made when the segments since the last one are longer than it, and than this. */
const bytesMinDefault = 4 * chunkBytes;
/** Nor so soon after the one before: each takes a cut at a moment of its own, and who writes over what was cut sends it again. */
const pauseMsDefault = 10_000;
/** Unless the segments since are so long: a recovery reads them. */
const bytesMax = 2 * 1024 * 1024 * 1024;
/** After a snapshot that could not be made; sooner where it is the first. */
const retryMs = 30_000;
const firstRetryMs = 2_000;
/** How often it is looked whether the cut of a snapshot is published. */
const publishedLookMs = 20;

interface Cut {
  readonly serial: number;
  readonly head: SegmentHead;
}

interface Parts extends SnapshotParts {
  readonly journal: Journal;
  readonly publisher: Publisher;
  readonly snapshotPath: string;
  readonly snapshotBytesMin?: number;
  readonly snapshotPauseMs?: number;
  readonly isBased: () => boolean;
  /** A snapshot counts. */
  readonly made: () => void;
  readonly after: (ms: number, run: () => void) => void;
}

/** Makes snapshots of a share's metadata, one at a time: the first one, and others when the segments outweigh the last. */
export class Snapshots {
  private readonly parts: Parts;
  private making: Promise<void> | null = null;
  private packed = 0;
  private since = 0;
  private begunMs = Number.NEGATIVE_INFINITY;
  private pausing = false;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  /** A segment of so many bytes was published. */
  published(bytes: number): void {
    this.since += bytes;
    this.beginWhereDue();
  }

  private beginWhereDue(): void {
    const { clock, snapshotBytesMin, snapshotPauseMs, after } = this.parts;
    if (this.pausing && this.since <= bytesMax) return;
    if (this.since <= Math.max(snapshotBytesMin ?? bytesMinDefault, this.packed)) return;
    const leftMs = this.begunMs + (snapshotPauseMs ?? pauseMsDefault) - clock.monotonicMs();
    if (leftMs <= 0 || this.since > bytesMax) return this.begin();
    this.pausing = true;
    after(leftMs, () => {
      this.pausing = false;
      this.beginWhereDue();
    });
  }

  async ended(): Promise<void> {
    await this.making?.catch(() => {});
  }

  begin(): void {
    const { parts } = this;
    if (this.making !== null || parts.ended()) return;
    this.begunMs = parts.clock.monotonicMs();
    this.making = this.make()
      .catch((error: Error) => {
        if (parts.ended()) return;
        parts.logger.warn({ error: error.message }, "a snapshot of the share's metadata could not be put into its block store; it is tried again");
        parts.after(parts.isBased() ? retryMs : firstRetryMs, () => this.begin());
      })
      .finally(() => {
        this.making = null;
      });
  }

  private async make(): Promise<void> {
    const { journal, snapshotPath, logger, clock, publisher } = this.parts;
    const beganMs = clock.monotonicMs();
    const at: { cut: Cut | null; turn: number; since: number } = { cut: null, turn: 0, since: 0 };
    try {
      const bytes = await journal.copyTo(snapshotPath, (turn) => {
        at.turn = turn;
        at.cut = publisher.cut();
        at.since = this.since;
      });
      const { cut, turn } = at;
      if (cut === null) throw new Error("the share is being closed");
      // Without the segment it follows it would be later than all that is published.
      await this.isPublished(cut.serial);
      this.packed = await putSnapshot(this.parts, snapshotPath, bytes, turn, cut.head);
      await this.confirm(cut.head);
      this.since -= at.since;
      this.parts.made();
      logger.info({ bytes, packed: this.packed, turn, ms: Math.round(clock.monotonicMs() - beganMs) }, "a snapshot of the share's metadata is in its block store");
      await this.removeOld(cut.head);
    } finally {
      await removeFile(snapshotPath);
    }
  }

  /** A manifest can be put by whoever lost the share meanwhile, a segment can't: only what one confirms counts. */
  private async confirm({ place }: SegmentHead): Promise<void> {
    const serial = this.parts.publisher.confirm(place.number, this.parts.isBased());
    if (serial === null) throw new Error("the share is being closed");
    await this.isPublished(serial);
  }

  private async removeOld(head: SegmentHead): Promise<void> {
    try {
      // A start follows the segments from the mark on: none of them may go.
      await this.parts.journal.keepMark();
      await removeOld(this.parts, head);
    } catch (error) {
      // The next snapshot does it.
      this.parts.logger.debug({ error: (error as Error).message }, "old parts of the share's history could not be deleted");
    }
  }

  private async isPublished(serial: number): Promise<void> {
    while (this.parts.publisher.publishedCuts < serial) {
      if (this.parts.ended()) throw new Error("the share is being closed");
      await new Promise<void>((resolve) => this.parts.clock.after(publishedLookMs, resolve));
    }
  }
}
