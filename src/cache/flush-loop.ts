import type { Clock, Timer } from "#base/clock.ts";
import type { ShareHistory } from "#model/history.ts";
import { outside } from "#telemetry/tracing/index.ts";
import type { Admission } from "./admission.ts";
import type { ContentLimits } from "./content-limits.ts";
import { FlushStats } from "./content-stats.ts";
import type { FileTable } from "./file-table.ts";
import { type Flusher, packBytes } from "./flusher.ts";
import type { Garbage } from "./garbage.ts";
import type { WriteAheadLog } from "./log/index.ts";
import { Rewriting } from "./rewriting.ts";
import type { Space } from "./space.ts";
import { isPassing, type StoreHealth } from "./store-health.ts";
import type { StoredWaits } from "./stored-waits.ts";

/** Pause after a flush that failed; twice as long each time, up to the bound, unless it is for room on a disk. */
const retryMs = 1_000;
const retryMsMax = 8_000;
/** Tries to store everything before a close leaves the rest to the next start. */
const closeTriesMax = 2;

type Outcome = "idle" | "stored" | "noRoom" | "away" | "failed";

export interface FlushLoopParts {
  readonly files: FileTable;
  readonly flusher: Flusher;
  readonly garbage: Garbage;
  readonly health: StoreHealth;
  readonly log: WriteAheadLog;
  readonly space: Space;
  readonly clock: Clock;
  readonly history: ShareHistory | null;
  readonly admission: Admission;
  readonly storedWaits: StoredWaits;
}

/** When a share's changes are stored: as soon as there is much, else at their age; batch after batch, and again after a pause where one failed. */
export class FlushLoop {
  limits: ContentLimits;
  readonly rewriting: Rewriting = new Rewriting();
  /** How they went. */
  readonly flushes: FlushStats = new FlushStats();
  private readonly parts: FlushLoopParts;
  private ageTimer: Timer | null = null;
  private running: Promise<void> | null = null;
  private closing = false;
  /** Who waits for everything to be stored. */
  private drains = 0;

  constructor(parts: FlushLoopParts, limits: ContentLimits) {
    this.parts = parts;
    this.limits = limits;
    parts.flusher.onFull = () => {
      if (this.running !== null && !this.closing && this.isDue()) parts.flusher.uploadAhead();
    };
  }

  /** Stores everything accepted so far, however long that takes, or as far as it came when `givenUp` says so. */
  async drain(givenUp: () => boolean = () => false): Promise<void> {
    this.drains++;
    const { clock, files, log } = this.parts;
    const upTo = log.sequence;
    while (files.oldestSequence() <= upTo && !this.closing && !givenUp()) {
      this.wake();
      await this.ranOr(clock);
      await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
    }
    this.drains--;
  }

  /** Resolves when what runs has come to its end, or after a while: as long as the store is away, it doesn't. */
  private async ranOr(clock: Clock): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = clock.after(retryMs, () => late.resolve());
    await Promise.race([this.running, late.promise]);
    timer.cancel();
  }

  /** Ends the loop: with some last batches where there is something unstored. */
  async close(): Promise<void> {
    this.closing = true;
    this.ageTimer?.cancel();
    const { admission, files } = this.parts;
    admission.end();
    await this.running;
    for (let tries = 0; files.unstored.size > 0 && tries < closeTriesMax && !this.isLost; tries++) await this.run();
  }

  /** A change was accepted: flush now where there is much, else when it has its age. */
  schedule(): void {
    if (this.running !== null || this.closing) return;
    if (this.isDue()) this.wake();
    else this.wakeAtAge();
  }

  private wakeAtAge(): void {
    if (this.ageTimer !== null || this.closing || this.parts.files.unstored.size === 0) return;
    this.ageTimer = this.parts.clock.after(this.limits.flushAgeMs, () => {
      this.ageTimer = null;
      this.wake();
    });
  }

  private isDue(): boolean {
    const { flushBytes, dirtyMemoryMax, logBytesDue } = this.limits;
    const { admission, files, flusher, log, storedWaits } = this.parts;
    return (
      this.drains > 0 ||
      admission.isWaitedFor ||
      storedWaits.isWaitedFor ||
      files.dirtyBytes >= flushBytes ||
      (files.dirtyBytes >= packBytes && this.sparesHistory) ||
      files.dirtyMemory >= dirtyMemoryMax / 2 ||
      files.pendingBytes >= (flusher.isFar ? flushBytes : logBytesDue) ||
      log.bytes >= logBytesDue
    );
  }

  /** A flush now has the share's history point to what else it would send too. */
  private get sparesHistory(): boolean {
    const { files, history, health } = this.parts;
    return history !== null && history.leavesToPacks && !this.rewriting.isMost(files.dirtyBytes) && !health.isFailing("write");
  }

  private hasAged(): boolean {
    const { clock, files } = this.parts;
    for (const file of files.unstored) return clock.monotonicMs() - file.dirtySinceMs >= this.limits.flushAgeMs;
    return false;
  }

  /** Somebody else has the share: nothing is stored any more. */
  private get isLost(): boolean {
    return this.parts.history !== null && this.parts.history.lost !== null;
  }

  /** Begins a batch, where none is on its way. */
  wake(): void {
    if (this.closing || this.isLost) return;
    // For many: no request is charged with it, and a followed one has a link to the trace of its flush.
    this.running ??= outside(() => this.run()).then((idle) => {
      this.running = null;
      // Idle with something unstored: nothing of it can be stored now, so trying again at once would hold the event loop for ever.
      if (idle) this.wakeAtAge();
      else if (this.parts.files.unstored.size > 0) this.schedule();
    });
  }

  /** Stores batch after batch while one is due; true when there was nothing that could be stored. */
  private async run(): Promise<boolean> {
    const { admission, clock, files, garbage, space, storedWaits } = this.parts;
    let pauseMs = retryMs;
    do {
      const outcome = await this.flush();
      storedWaits.look();
      admission.letIn();
      if (outcome === "idle") return true;
      if (outcome === "stored") {
        pauseMs = retryMs;
        continue;
      }
      if (outcome === "noRoom") await garbage.urgent();
      if (this.closing) return false;
      await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
      admission.letIn();
      // Room on a disk is worth a look each second; that a bucket says so again costs an upload.
      if (outcome !== "noRoom" || space.totalBytes === null) pauseMs = Math.min(pauseMs * 2, retryMsMax);
    } while (files.unstored.size > 0 && (this.closing || this.isDue() || this.hasAged()));
    return false;
  }

  private async flush(): Promise<Outcome> {
    const { clock } = this.parts;
    const begunMs = clock.monotonicMs();
    const outcome = await this.batch();
    this.flushes.note(outcome, clock.monotonicMs() - begunMs);
    return outcome;
  }

  /** One batch of the flusher's. Whatever it throws, the data stays in the log, and health knows why. */
  private async batch(): Promise<Outcome> {
    const { flusher, health, storedWaits } = this.parts;
    try {
      const outcome = await flusher.batch(storedWaits.followed);
      if (outcome === "stored") health.worked("flush");
      return outcome;
    } catch (error) {
      if (isPassing(error)) {
        // Where it was the block store, that is known by now; else it is the metadata's.
        if (!health.isFailing("write")) health.failed("flush", error);
        return "away";
      }
      health.failed("flush", error);
      return "failed";
    }
  }
}
