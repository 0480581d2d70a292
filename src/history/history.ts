import type { Maybe } from "#base/brand.ts";
import { waited } from "#telemetry/tracing/index.ts";
import type { Timer } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import type { HistoryMark, Publication, ShareHistory, ShippedContent } from "#model/history.ts";
import { describeOwner, readHead, ShareTaken, UnfencedStore, unread } from "./chain.ts";
import { HistoryError, type SegmentHead, tokenBytes } from "./format.ts";
import type { HistoryOptions, HistoryStatus } from "./options.ts";
import { introduce, type Taken, takeOver } from "./ownership.ts";
import { Publisher } from "./publisher.ts";
import { publishedTo } from "./short-log.ts";
import { Snapshots } from "./snapshots.ts";
import { ToldContent } from "./told-content.ts";
import { Trouble } from "./trouble.ts";
import { Waits } from "./waits.ts";

/** An owner that has nothing to publish looks so often whether somebody else took the share. */
export const lookMs = 5_000;
/** Pause between tries to take the share while its store is away. */
const takeRetryMs = 2_000;
/** A change of names is not begun where what was applied has waited so long to be published: it would wait as long. */
const behindMsMax = 10_000;
/** Rows of the journal read at once at the start. */
const journalPage = 256;
/** How long a stop waits for what is not published. */
const closeMsMax = 10_000;
/** The same where the store doesn't take anything as it is. */
const closeMsMaxAway = 1_000;

/** The history of a share that is served: what content and metadata tell it goes into the bucket, and whoever waits for that is told. */
export class History extends ToldContent implements ShareHistory {
  private readonly options: HistoryOptions;
  protected readonly publisher: Publisher;
  private readonly waits: Waits;
  private readonly snapshots: Snapshots;
  private content: ShippedContent | null = null;
  private mark: HistoryMark | null = null;
  private readonly trouble: Trouble;
  /** Why nothing can be published any more: somebody else has the share, above all. */
  private taken: HistoryError | null = null;
  /** There is a snapshot that the segments go on from. */
  private based = false;
  private timers = new Set<Timer>();
  private closed = false;
  private started = false;

  constructor(options: HistoryOptions) {
    super();
    const { blocks, instance, clock, lagMs, unshippedBytesMax, journal } = options;
    this.options = options;
    this.trouble = new Trouble(clock, options.logger);
    this.publisher = new Publisher({
      blocks, instance, clock, lagMs, unshippedBytesMax,
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
      lost: (error) => this.wasLost(error),
      trouble: (error) => (error === null ? this.trouble.over() : this.trouble.met(error)),
    });
    this.waits = new Waits(clock, () => this.publisher.hurry());
    this.snapshots = new Snapshots({
      ...options,
      publisher: this.publisher,
      ended: () => this.closed || this.taken !== null,
      isBased: () => this.based,
      made: () => this.isBased(),
      after: (ms, run) => void this.after(ms, run),
    });
    journal.onTurn((turn, bytes) => this.publisher.turn(turn, bytes));
    const known = journal.mark;
    if (known?.continues !== true) return;
    for (let rows = journal.after(known.turn, journalPage); rows.length > 0; rows = journal.after((rows[rows.length - 1] as { turn: number }).turn, journalPage)) {
      for (const row of rows) this.publisher.turn(row.turn, row.bytes);
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

  /** As `publishedTo`, by what the local disk remembers. */
  publishedTo(reached: number): number {
    return publishedTo(this.options.journal.mark, reached);
  }

  /** Begins to publish. True: the share is ours; false: it could not be asked for within `waitMsMax`. Rejects where it is another's. */
  async start(content: ShippedContent, waitMsMax: number): Promise<boolean> {
    this.content = content;
    const first = Promise.withResolvers<boolean>();
    const late = this.after(waitMsMax, () => {
      this.options.logger.warn({ error: this.trouble.message }, "the share's history can't be gone on with yet: its block store does not answer; it is tried on");
      first.resolve(false);
    });
    void this.take(first);
    const inTime = await first.promise.finally(() => late.cancel());
    this.started = true;
    return inTime;
  }

  private async take(first: PromiseWithResolvers<boolean>): Promise<void> {
    const token = this.options.random.bytes(tokenBytes);
    while (!this.closed) {
      try {
        const unfenced = (await this.options.unfenced?.()) ?? null;
        if (unfenced !== null) throw new UnfencedStore(unfenced);
        this.owns(await takeOver({ ...this.options, token }));
        return first.resolve(true);
      } catch (error) {
        if (error instanceof HistoryError) {
          first.reject(error);
          // Nothing was asked for, and who changes the store's configuration may have the share opened.
          if (error instanceof UnfencedStore && !this.started) return;
          // Also where it is served by now, since its store was away: what is acknowledged from here on could never be published.
          return this.wasLost(error);
        }
        this.trouble.met(error);
      }
      await new Promise<void>((resolve) => this.after(takeRetryMs, resolve));
    }
  }

  private owns(taken: Taken): void {
    if (this.closed) return;
    // What the local disk remembers may be less than what was published.
    this.publishedTo(this.source.reached);
    this.trouble.over();
    this.mark = this.options.journal.mark;
    this.publisher.begin(taken);
    this.based = !taken.anew;
    this.look();
    void introduce(this.options);
    if (taken.anew) this.snapshots.begin();
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
    return waited("history.published", this.waits.wait(serial, waitMsMax, open));
  }

  async passed(): Promise<boolean> {
    const { publisher } = this;
    const serial = publisher.cuts + (publisher.hasGathered ? 1 : 0);
    if (this.based && this.taken === null && serial <= publisher.publishedCuts) {
      // What was published long ago says nothing of who has the share now, and whose the objects are.
      await this.lookNow();
      return this.taken === null;
    }
    return (await this.waits.wait(serial, Number.POSITIVE_INFINITY, false, true)) === null;
  }

  /** Acknowledgements mean something else from here on: who waits for one is answered once all is safe on this machine. */
  async release(): Promise<void> {
    await this.source.safe();
    await this.options.journal.durable();
    this.waits.answer();
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
    const { publisher, trouble } = this;
    const since = publisher.waitingSinceMs;
    return {
      segments: publisher.segments,
      bytes: publisher.bytes,
      oldestMs: since === null ? null : Math.max(0, Math.round(this.options.clock.monotonicMs() - since)),
      ready: this.based || this.wasBased,
      error: trouble.message,
      errorMs: trouble.ms,
    };
  }

  /** Until the store could be asked since the start, what was so last, as the local disk remembers it. */
  private get wasBased(): boolean {
    return this.mark === null && !this.publisher.isOwner && this.options.journal.mark?.continues === true;
  }

  /** What was published since the start; the epoch is null until the share is ours. */
  get stats(): { readonly segments: number; readonly bytes: number; readonly epoch: number | null } {
    const { publishedCuts, publishedBytes, isOwner, epoch } = this.publisher;
    return { segments: publishedCuts, bytes: publishedBytes, epoch: isOwner ? epoch : null };
  }

  /** Publishes what is left, for a while. */
  async close(): Promise<void> {
    if (this.publisher.isOwner && this.taken === null) {
      const outcome = await (this.publisher.hasGathered || this.publisher.segments > 0 ? this.published(this.trouble.message === null ? closeMsMax : closeMsMaxAway) : null);
      if (outcome !== null) this.options.logger.warn({ ...this.status }, "stopping with changes that are not in the share's block store yet; the next start publishes them");
    }
    this.closed = true;
    for (const timer of this.timers) timer.cancel();
    this.publisher.end();
    this.waits.end(FsError.of("jukebox"));
    await this.snapshots.ended();
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
    if (this.based) this.waits.look(this.publisher.publishedCuts);
    this.source.shipped();
    this.snapshots.published(bytes);
  }

  private wasLost(error: HistoryError): void {
    if (this.taken !== null) return;
    this.taken = error;
    this.trouble.is(error.message);
    this.options.logger.error(error instanceof ShareTaken ? { owner: describeOwner(error.head) } : {}, error.message);
    this.publisher.end();
    this.waits.end(FsError.of("io"));
    this.options.lost(error);
  }

  /** Somebody else may have taken the share while there was nothing to publish. */
  private look(): void {
    if (!this.closed && this.taken === null) this.after(lookMs, () => void this.lookNow().catch((error: unknown) => this.trouble.looked(error)).finally(() => this.look()));
  }

  private async lookNow(): Promise<void> {
    const { blocks, instance } = this.options;
    const place = this.publisher.idleAt;
    if (place === null) return;
    const head = await readHead(blocks, instance, place).catch(unread);
    this.trouble.looked(null);
    // Ours, if it went meanwhile.
    if (head !== null && this.publisher.idleAt?.number === place.number) this.wasLost(head instanceof HistoryError ? head : new ShareTaken(head));
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

  private after(ms: number, run: () => void): Timer {
    const timer = this.options.clock.after(ms, () => {
      this.timers.delete(timer);
      run();
    });
    this.timers.add(timer);
    return timer;
  }
}
