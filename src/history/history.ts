import type { Maybe } from "#base/brand.ts";
import type { Clock, Timer } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Time } from "#base/time.ts";
import type { BlockStore } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import type { HistoryMark, Journal, Publication, ShareHistory, ShippedContent } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { Logger } from "#telemetry/logger.ts";
import { describeOwner, isPassing, readHead, ShareTaken } from "./chain.ts";
import { encodeShare, HistoryError, type SegmentHead, shareKey, tokenBytes } from "./format.ts";
import { type Taken, takeOver } from "./ownership.ts";
import { Publisher } from "./publisher.ts";
import { chunkBytes, putSnapshot, removeFile, removeOld, type SnapshotParts } from "./snapshots.ts";
import { Waits } from "./waits.ts";

/** An owner that has nothing to publish looks so often whether somebody else took the share. */
export const lookMs = 5_000;
/** Pause between tries to take the share while its store is away. */
const takeRetryMs = 2_000;
/** A snapshot is made when the segments since the last one are longer than it, and than this. */
const snapshotBytesMinDefault = 4 * chunkBytes;
/** After a snapshot that could not be made. */
const snapshotRetryMs = 30_000;
/** A change of names is not begun where what was applied has waited so long to be published: it would wait as long. */
const behindMsMax = 10_000;
/** Rows of the journal read at once at the start. */
const journalPage = 256;
/** How long a stop waits for what is not published. */
const closeMsMax = 10_000;

export interface HistoryOptions {
  /** The bucket itself: copies of what it had are no good for finding out whose a share is. */
  readonly blocks: BlockStore;
  /** The same without compression and encryption: the list of a store's shares is read by who has no key yet. */
  readonly unwrapped: BlockStore;
  readonly journal: Journal;
  /** Of the share, in hexadecimal. */
  readonly instance: string;
  readonly share: string;
  readonly host: string;
  readonly lagMs: number;
  /** Bytes that may wait in memory to be published. */
  readonly unshippedBytesMax: number;
  /** Where a copy of the metadata is made for a snapshot; on the disk it lies on. */
  readonly snapshotPath: string;
  /** A snapshot is not made for fewer bytes of segments. */
  readonly snapshotBytesMin?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Somebody else has the share: nothing may be acknowledged any more. */
  readonly lost: (error: ShareTaken) => void;
}

/** How far behind the bucket is. */
export interface HistoryStatus {
  readonly segments: number;
  readonly bytes: number;
  /** Of the oldest change that is not published; null: there is none. */
  readonly oldestMs: number | null;
  /** Whether a recovery is possible: a snapshot is in the bucket. */
  readonly ready: boolean;
  /** What keeps it from going on; null: nothing that is known. */
  readonly error: string | null;
}

/** The history of a share that is served: what content and metadata tell it goes into the bucket, and whoever waits for that is told. */
export class History implements ShareHistory {
  private readonly options: HistoryOptions;
  private readonly publisher: Publisher;
  private readonly waits: Waits;
  private readonly snapshots: SnapshotParts;
  private content: ShippedContent | null = null;
  private mark: HistoryMark | null = null;
  private error: string | null = null;
  private taken: ShareTaken | null = null;
  /** There is a snapshot that the segments go on from. */
  private based = false;
  private snapshotting: Promise<void> | null = null;
  private snapshotPacked = 0;
  private sinceSnapshot = 0;
  private timers = new Set<Timer>();
  private closed = false;

  constructor(options: HistoryOptions) {
    const { blocks, instance, clock, lagMs, journal } = options;
    this.options = options;
    this.publisher = new Publisher({
      blocks, instance, clock, lagMs,
      oldestNeeded: () => this.source.oldestNeeded(),
      hold: (packs) => {
        this.waits.wasCut();
        return this.source.hold(packs);
      },
      safeHere: async () => {
        await this.source.logged();
        await journal.durable();
      },
      published: (head, bytes) => this.wasPublished(head, bytes),
      lost: (head) => this.wasLost(new ShareTaken(head)),
      trouble: (error) => this.trouble(error),
    });
    this.waits = new Waits(clock, () => this.publisher.hurry());
    this.snapshots = { ...options, ended: () => this.closed || this.taken !== null };
    journal.onTurn((turn, bytes) => this.publisher.turn(turn, bytes));
    const known = journal.mark;
    if (known?.continues !== true) return;
    for (let after = known.turn; ; ) {
      const rows = journal.after(after, journalPage);
      for (const row of rows) this.publisher.turn(row.turn, row.bytes);
      if (rows.length < journalPage) break;
      after = (rows[rows.length - 1] as { turn: number }).turn;
    }
  }

  private get source(): ShippedContent {
    if (this.content === null) throw new Error("the history has no content yet");
    return this.content;
  }

  /** The last content change that is known to be published, as the local disk remembers it: later ones have to be told again. */
  get markedSequence(): number {
    const { mark } = this.options.journal;
    return mark === null || !mark.continues ? 0 : mark.sequence;
  }

  /** Begins to publish. Resolves when the share is ours, or could not be asked for within `waitMsMax`; rejects where it is another's. */
  async start(content: ShippedContent, waitMsMax: number): Promise<void> {
    this.content = content;
    const first = Promise.withResolvers<void>();
    const late = this.after(waitMsMax, () => {
      this.options.logger.warn({ error: this.error }, "the share's history can't be gone on with yet: its block store does not answer; it is tried on");
      first.resolve();
    });
    void this.take(first);
    try {
      await first.promise;
    } finally {
      this.cancel(late);
    }
  }

  private async take(first: PromiseWithResolvers<void>): Promise<void> {
    const token = this.options.random.bytes(tokenBytes);
    while (!this.closed) {
      try {
        this.owns(await takeOver({ ...this.options, token }));
        return first.resolve();
      } catch (error) {
        if (error instanceof HistoryError) {
          first.reject(error);
          if (error instanceof ShareTaken) this.wasLost(error);
          else this.options.logger.error({ error: error.message }, "the share's history can't be gone on with");
          return;
        }
        this.trouble(error);
      }
      await new Promise<void>((resolve) => this.after(takeRetryMs, resolve));
    }
  }

  private owns(taken: Taken): void {
    if (this.closed) return;
    this.trouble(null);
    this.mark = this.options.journal.mark;
    this.publisher.begin(taken);
    this.based = !taken.anew;
    this.look();
    void this.introduce();
    if (taken.anew) this.snapshot();
  }

  /** The object by which the shares of a store are found. */
  private async introduce(): Promise<void> {
    const { unwrapped, instance, share, logger } = this.options;
    const key = shareKey(instance);
    try {
      if ((await unwrapped.size(key)) === null) await unwrapped.put(key, { from: "slices", slices: [encodeShare(instance, share)] });
    } catch (error) {
      logger.warn({ error: (error as Error).message }, "the share could not be entered into the list of its block store; the next start does it");
    }
  }

  wrote(file: FileId, sequence: number, offset: number, payload: readonly Uint8Array[], length: number, newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.wrote(file, sequence, offset, payload, length, newSize, mtime);
    this.publisher.added();
  }

  pointed(file: FileId, sequence: number, offset: number, length: number, newSize: number, mtime: Time, pack: PackId, packOffset: number, payloadCrc: number): void {
    this.publisher.began();
    this.publisher.records.pointed(file, sequence, offset, length, newSize, mtime, pack, packOffset, payloadCrc);
    this.publisher.added();
  }

  truncated(file: FileId, sequence: number, newSize: number, mtime: Time): void {
    this.publisher.began();
    this.publisher.records.truncated(file, sequence, newSize, mtime);
    this.publisher.added();
  }

  get unshippedBytes(): number {
    return this.publisher.bytes;
  }

  get lost(): FsError | null {
    return this.taken === null ? null : FsError.of("io");
  }

  published(waitMsMax: number): Maybe<FsError | null> {
    if (this.taken !== null) return FsError.of("io");
    const { publisher } = this;
    const open = publisher.hasGathered;
    const serial = publisher.cuts + (open ? 1 : 0);
    if (this.based && serial <= publisher.publishedCuts) return null;
    return this.waits.wait(serial, waitMsMax, open);
  }

  async passed(): Promise<boolean> {
    const { publisher } = this;
    const serial = publisher.cuts + (publisher.hasGathered ? 1 : 0);
    return (await this.waits.wait(serial, Number.POSITIVE_INFINITY, false)) === null;
  }

  /** For changes of names in a share whose acknowledgements mean that they are published. */
  publication(waits: () => boolean): Publication {
    return {
      refuses: () => {
        if (this.taken !== null) return FsError.of("io");
        if (this.publisher.bytes > this.options.unshippedBytesMax) return FsError.of("jukebox");
        return waits() && this.isBehind ? FsError.of("jukebox") : null;
      },
      published: () => {
        if (this.taken !== null) return FsError.of("io");
        // What was applied can't be taken back: to be told to come back would be to be told that it was not.
        return waits() ? this.published(Number.POSITIVE_INFINITY) : null;
      },
    };
  }

  private get isBehind(): boolean {
    const since = this.publisher.waitingSinceMs;
    return since !== null && this.options.clock.monotonicMs() - since > behindMsMax;
  }

  get status(): HistoryStatus {
    const { publisher } = this;
    const since = publisher.waitingSinceMs;
    return {
      segments: publisher.segments,
      bytes: publisher.bytes,
      oldestMs: since === null ? null : Math.max(0, Math.round(this.options.clock.monotonicMs() - since)),
      ready: this.based,
      error: this.error,
    };
  }

  /** Publishes what is left, for a while. */
  async close(): Promise<void> {
    if (this.publisher.isOwner && this.taken === null) {
      const outcome = await (this.publisher.hasGathered || this.publisher.segments > 0 ? this.published(closeMsMax) : null);
      if (outcome !== null) this.options.logger.warn({ ...this.status }, "stopping with changes that are not in the share's block store yet; the next start publishes them");
    }
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    this.publisher.end();
    this.waits.end(FsError.of("jukebox"));
    await this.snapshotting?.catch(() => {});
    if (this.mark !== null) await this.options.journal.keepMark();
  }

  private wasPublished(head: SegmentHead, bytes: number): void {
    const { place, lastTurn, lastSequence, oldestNeeded, from } = head;
    const before = this.mark ?? this.options.journal.mark;
    this.mark = {
      epoch: place.epoch, number: place.number, turn: lastTurn, sequence: lastSequence, oldestNeeded, fromEpoch: from.epoch, fromNumber: from.number,
      continues: this.based, tokens: before?.tokens ?? [],
    };
    this.options.journal.setMark(this.mark);
    this.sinceSnapshot += bytes;
    if (this.based) this.waits.look(this.publisher.publishedCuts);
    this.source.shipped();
    if (this.sinceSnapshot > Math.max(this.options.snapshotBytesMin ?? snapshotBytesMinDefault, this.snapshotPacked)) this.snapshot();
  }

  private wasLost(error: ShareTaken): void {
    if (this.taken !== null) return;
    this.taken = error;
    this.error = error.message;
    this.options.logger.error({ owner: describeOwner(error.head) }, error.message);
    this.publisher.end();
    this.waits.end(FsError.of("io"));
    this.options.lost(error);
  }

  private trouble(error: unknown): void {
    if (error === null) {
      if (this.error !== null) this.options.logger.info({}, "the share's history goes on");
      this.error = null;
      return;
    }
    const message = error instanceof Error ? error.message : String(error);
    if (this.error === null) this.options.logger.error({ error }, "the share's history can't be published at present; it is kept and tried again");
    this.error = message;
  }

  /** Somebody else may have taken the share while there was nothing to publish. */
  private look(): void {
    this.after(lookMs, () => {
      void this.lookNow().finally(() => {
        if (!this.closed && this.taken === null) this.look();
      });
    });
  }

  private async lookNow(): Promise<void> {
    const { blocks, instance } = this.options;
    const place = this.publisher.idleAt;
    if (place === null) return;
    try {
      const head = await readHead(blocks, instance, place);
      // Ours, if it went meanwhile.
      if (head !== null && this.publisher.idleAt?.number === place.number) this.wasLost(new ShareTaken(head));
    } catch (error) {
      if (!isPassing(error)) this.trouble(error);
    }
  }

  /** Makes a snapshot, one at a time. */
  private snapshot(): void {
    if (this.snapshotting !== null || this.closed || this.taken !== null) return;
    this.snapshotting = this.makeSnapshot()
      .catch((error: Error) => {
        if (this.closed || this.taken !== null) return;
        this.options.logger.warn({ error: error.message }, "a snapshot of the share's metadata could not be put into its block store; it is tried again");
        // Before the first one nothing can be recovered.
        this.after(this.based ? snapshotRetryMs : takeRetryMs, () => this.snapshot());
      })
      .finally(() => {
        this.snapshotting = null;
      });
  }

  private async makeSnapshot(): Promise<void> {
    const { journal, snapshotPath, logger, clock } = this.options;
    const beganMs = clock.monotonicMs();
    let cut: { readonly serial: number; readonly head: SegmentHead } | null = null;
    let turn = 0;
    let since = 0;
    try {
      const bytes = await journal.copyTo(snapshotPath, (last) => {
        turn = last;
        cut = this.publisher.cut();
        since = this.sinceSnapshot;
      });
      const { serial, head } = cut as unknown as { readonly serial: number; readonly head: SegmentHead };
      if (head === undefined) throw new Error("the share is being closed");
      await this.cutIsPublished(serial);
      const packed = await putSnapshot(this.snapshots, snapshotPath, bytes, turn, head);
      await this.confirm(head);
      this.snapshotPacked = packed;
      this.sinceSnapshot -= since;
      this.isBased();
      logger.info({ bytes, packed, turn, ms: Math.round(clock.monotonicMs() - beganMs) }, "a snapshot of the share's metadata is in its block store");
      await this.removeOld(head);
    } finally {
      await removeFile(snapshotPath);
    }
  }

  /** A manifest can be put by whoever lost the share meanwhile, a segment can't: only what one confirms counts. */
  private async confirm({ place }: SegmentHead): Promise<void> {
    const cut = this.publisher.cut(place.number);
    if (cut === null) throw new Error("the share is being closed");
    await this.cutIsPublished(cut.serial);
  }

  private async removeOld(head: SegmentHead): Promise<void> {
    try {
      // A start follows the segments from the mark on: none of them may go.
      await this.options.journal.keepMark();
      await removeOld(this.snapshots, head);
    } catch (error) {
      // The next snapshot does it.
      this.options.logger.debug({ error: (error as Error).message }, "old parts of the share's history could not be deleted");
    }
  }

  /** From here on what is published can be recovered. */
  private isBased(): void {
    if (this.based) return;
    this.based = true;
    if (this.mark !== null) {
      this.mark = { ...this.mark, continues: true };
      this.options.journal.setMark(this.mark);
    }
    this.waits.look(this.publisher.publishedCuts);
  }

  /** A snapshot without the segment it follows would be later than all that is published. */
  private async cutIsPublished(serial: number): Promise<void> {
    while (this.publisher.publishedCuts < serial) {
      if (this.closed || this.taken !== null) throw new Error("the share is being closed");
      await new Promise<void>((resolve) => this.after(publishedLookMs, resolve));
    }
  }

  private after(ms: number, run: () => void): Timer {
    const timer = this.options.clock.after(ms, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
    return timer;
  }

  private cancel(timer: Timer): void {
    timer.cancel();
    this.timers.delete(timer);
  }
}

/** How often it is looked whether the cut of a snapshot is published. */
const publishedLookMs = 20;
