import type { Clock, Timer } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import { childSpan, type Span, tracer } from "#telemetry/tracing/index.ts";
import type { FileState } from "./file-state.ts";

/** How long a commit waits for the stores before the client is told to come back (NFS3ERR_JUKEBOX). */
export const storedWaitMs = 10_000;
/** How long a flush waits at most for as many committers as there were last, so that they share its packs. */
const gatherMsMax = 8;

interface Waiting {
  readonly file: FileState;
  /** Of the file's last change when it was asked for. */
  readonly sequence: number;
  readonly deadlineMs: number;
  readonly go: (outcome: FsError | null | Promise<FsError | null>) => void;
  /** Of its wait, where it is followed. */
  readonly span: Span | null;
}

/**
 * Who waits until content is in block store and metadata store (durability `remote`). A flush takes everything accepted so far, so
 * all who wait when it begins share it, and who comes while one is under way shares the next.
 */
export class StoredWaits {
  private readonly clock: Clock;
  private readonly wake: () => void;
  private waiting: Waiting[] = [];
  private gathering: Timer | null = null;
  /** Committers there were when some were answered last: those come back, mostly within a few ms. */
  private expected = 1;
  private timer: Timer | null = null;
  private ended = false;
  /** The last change that somebody waited for in vain: a flush stays due until it is stored, whether or not he comes back. 0: none. */
  private owed = 0;
  private readonly oldest: () => number;

  /** `wake` has the flusher begin; `oldest` gives the sequence of the oldest change that is not stored. */
  constructor(clock: Clock, wake: () => void, oldest: () => number) {
    this.clock = clock;
    this.oldest = oldest;
    this.wake = wake;
  }

  /** A flush is due for them. */
  get isWaitedFor(): boolean {
    return this.owed > 0 || (this.waiting.length > 0 && this.gathering === null);
  }

  /** Resolves when everything accepted of the file so far is stored; jukebox when that takes too long. */
  stored(file: FileState): Promise<FsError | null> {
    if (this.ended) return Promise.resolve(FsError.of("jukebox"));
    return new Promise((go) => {
      const span = childSpan("cache.stored");
      this.waiting.push({ file, sequence: file.sequence, deadlineMs: this.clock.monotonicMs() + storedWaitMs, go, span });
      this.watch();
      if (this.waiting.length >= this.expected) this.gathered();
      else this.gather();
    });
  }

  /** Waits of requests that are followed; null: there is no tracing. */
  get followed(): readonly Span[] | null {
    return tracer === null ? null : this.waiting.flatMap(({ span }) => (span === null ? [] : [span]));
  }

  private gather(): void {
    this.gathering ??= this.clock.after(gatherMsMax, () => this.gathered());
  }

  private gathered(): void {
    this.gathering?.cancel();
    this.gathering = null;
    this.wake();
  }

  /** Answers those whose content is stored by now, and those who waited too long. */
  look(): void {
    if (this.owed > 0 && this.oldest() > this.owed) this.owed = 0;
    if (this.waiting.length === 0) return;
    const now = this.clock.monotonicMs();
    let answered = 0;
    this.keep(({ file, sequence, deadlineMs, go, span }) => {
      if (isStored(file, sequence)) {
        answered++;
        span?.end();
        go(null);
      } else if (!this.ended && now < deadlineMs) return true;
      else {
        this.owed = Math.max(this.owed, sequence);
        span?.end();
        go(FsError.of("jukebox"));
      }
      return false;
    });
    if (answered === 0) return;
    this.expected = answered + this.waiting.length;
    if (this.waiting.length > 0) this.gather();
  }

  /** What they wait for has another meaning now: each waits for what `again` gives. */
  waitInstead(again: (file: FileState) => FsError | null | Promise<FsError | null>): void {
    this.keep(({ file, go, span }) => {
      span?.end();
      go(again(file));
      return false;
    });
  }

  /** Nothing is stored any more: who still waits is told to come back. */
  end(): void {
    this.ended = true;
    this.look();
    this.gathering?.cancel();
    this.timer?.cancel();
  }

  private keep(stays: (one: Waiting) => boolean): void {
    const all = this.waiting;
    this.waiting = [];
    for (const one of all) if (stays(one)) this.waiting.push(one);
  }

  private watch(): void {
    const first = this.waiting[0];
    if (this.timer !== null || first === undefined) return;
    this.timer = this.clock.after(Math.max(1, first.deadlineMs - this.clock.monotonicMs()), () => {
      this.timer = null;
      this.look();
      this.watch();
    });
  }
}

/** Cuts of a file are stored in order, and each takes all there is: what the oldest unstored change is beyond, is stored. */
function isStored(file: FileState, sequence: number): boolean {
  return file.gone || !file.isUnstored || file.oldestSequence > sequence;
}
