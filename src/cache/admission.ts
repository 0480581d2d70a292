import type { Maybe } from "#base/brand.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import type { ShareHistory } from "#model/history.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { ContentLimits } from "./content-limits.ts";
import type { FileTable } from "./file-table.ts";
import type { Garbage } from "./garbage.ts";
import type { WriteAheadLog } from "./log/index.ts";
import { pageBytes } from "./pages/index.ts";
import type { Space } from "./space.ts";

/** Large writes on their way to the kernel, in memory, past which writers wait. */
const unwrittenBytesMax = 64 * 1024 * 1024;
/** How long a write waits for the flusher before the client is told to come back (NFS3ERR_JUKEBOX). */
const admissionWaitMs = 10_000;

interface Waiting {
  readonly length: number;
  readonly deadlineMs: number;
  readonly go: (error: FsError | null) => void;
}

/** Who may write when: past the limits writers wait in line for the flusher, and without room on the disk they are refused. */
export class Admission {
  private readonly files: FileTable;
  private readonly log: WriteAheadLog;
  private readonly room: Space;
  private readonly garbage: Garbage;
  private readonly clock: Clock;
  private limits: ContentLimits;
  private readonly logger: Logger;
  private readonly wake: () => void;
  private readonly history: ShareHistory | null;
  private readonly waiting: Waiting[] = [];
  private waitTimer: Timer | null = null;
  private lettingIn = false;
  private ended = false;
  /** Bytes of large writes that the thread pool has not handed to the kernel. */
  private unwrittenBytes = 0;
  /** Writes that had to wait, that waited for nothing and were told to come back, and that there was no room for. */
  delayed = 0;
  turnedAway = 0;
  noRoom = 0;
  /** It was said that there is no room, and not yet that there is again. */
  private full = false;

  /** `wake` has the flusher begin. */
  constructor(files: FileTable, log: WriteAheadLog, room: Space, garbage: Garbage, clock: Clock, logger: Logger, limits: ContentLimits, wake: () => void, history: ShareHistory | null = null) {
    this.history = history;
    this.files = files;
    this.log = log;
    this.room = room;
    this.garbage = garbage;
    this.clock = clock;
    this.logger = logger;
    this.limits = limits;
    this.wake = wake;
  }

  setLimits(limits: ContentLimits): void {
    this.limits = limits;
    this.letIn();
  }

  get waiters(): number {
    return this.waiting.length;
  }

  get isWaitedFor(): boolean {
    return this.waiting.length > 0;
  }

  /** As FileContent.admit. */
  admit(length: number): Maybe<FsError | null> {
    if (this.full && !this.room.isShort) this.tellRoom();
    if (this.hasCapacity(length) && this.room.hasRoom(length, this.files.dirtyBytes)) return null;
    return this.admitSlowly(length);
  }

  private refuseFull(): FsError {
    this.noRoom++;
    if (!this.full) {
      this.full = true;
      const { freeBytes, reserveBytes: keptFreeBytes, totalBytes } = this.room;
      const message = "no room for content: writers are told that the disk is full until files are removed or the block store's disk is given more room";
      this.logger.warn({ freeBytes, keptFreeBytes, totalBytes }, message);
    }
    return FsError.of("noSpace");
  }

  /** Not at the first byte that is free: small writes would be let in and large ones refused by turns. */
  private tellRoom(): void {
    this.full = false;
    this.logger.info({ freeBytes: this.room.freeBytes }, "there is room for content again");
  }

  /** A large write is on its way to the kernel. */
  began(length: number): void {
    this.unwrittenBytes += length;
  }

  /** The kernel has it. */
  written(length: number): void {
    this.unwrittenBytes -= length;
    if (this.waiting.length > 0) this.letIn();
  }

  /** Everybody who waits is told to come back; nobody is admitted any more by waiting. */
  end(): void {
    this.ended = true;
    this.letIn();
    this.waitTimer?.cancel();
  }

  /** What the disk holds of unstored content. */
  get unstoredBytes(): number {
    return Math.max(this.files.pendingBytes, this.files.filedBytes, this.log.bytes);
  }

  private hasCapacity(length: number): boolean {
    const { dirtyBytesMax, dirtyMemoryMax, unstoredBytesMax } = this.limits;
    return (
      this.waiting.length === 0 &&
      (this.history === null || this.history.unshippedBytes + length <= dirtyBytesMax) &&
      this.files.dirtyMemory + length <= dirtyMemoryMax &&
      this.unwrittenBytes + length <= unwrittenBytesMax &&
      this.files.dirtyBytes + length <= dirtyBytesMax &&
      this.unstoredBytes + length <= unstoredBytesMax
    );
  }

  private async admitSlowly(length: number): Promise<FsError | null> {
    if (!this.room.hasRoom(length, this.files.dirtyBytes)) {
      await this.room.read();
      if (!this.room.hasRoom(length, this.files.dirtyBytes)) {
        await this.garbage.urgent();
        await this.room.read();
        if (!this.room.hasRoom(length, this.files.dirtyBytes)) return this.refuseFull();
      }
    }
    if (this.hasCapacity(length)) return null;
    this.delayed++;
    return new Promise((go) => {
      this.waiting.push({ length, deadlineMs: this.clock.monotonicMs() + admissionWaitMs, go });
      this.wake();
      this.watchWaiting();
    });
  }

  /** Lets writers go on, in order, as far as there is room; those past their deadline are told to come back. */
  letIn(): void {
    const now = this.clock.monotonicMs();
    let free = Math.min(
      this.limits.dirtyBytesMax - this.files.dirtyBytes,
      this.limits.unstoredBytesMax - this.unstoredBytes,
      unwrittenBytesMax - this.unwrittenBytes,
      this.limits.dirtyBytesMax - (this.history?.unshippedBytes ?? 0),
    );
    let freeMemory = this.limits.dirtyMemoryMax - this.files.dirtyMemory;
    // One may always go on where nothing is left to wait for, however long it is.
    let empty = this.files.unstored.size === 0 && this.unwrittenBytes === 0 && (this.history?.unshippedBytes ?? 0) === 0;
    while (this.waiting.length > 0) {
      const first = this.waiting[0] as Waiting;
      const memory = first.length + pageBytes;
      if (!this.ended && (empty || (free >= first.length && freeMemory >= memory))) {
        first.go(null);
        free -= first.length;
        freeMemory -= memory;
        empty = false;
      } else if (this.ended || now >= first.deadlineMs) {
        this.turnedAway++;
        first.go(FsError.of("jukebox"));
      } else break;
      this.waiting.shift();
    }
    // Whoever went on may be refused elsewhere and never write: then nothing would wake the next.
    if (this.waiting.length > 0 && this.files.unstored.size === 0 && this.unwrittenBytes === 0 && (this.history?.unshippedBytes ?? 0) === 0) this.letInSoon();
  }

  private letInSoon(): void {
    if (this.lettingIn) return;
    this.lettingIn = true;
    this.clock.atTurnEnd(() => {
      this.lettingIn = false;
      this.letIn();
    });
  }

  private watchWaiting(): void {
    const first = this.waiting[0];
    if (this.waitTimer !== null || first === undefined) return;
    this.waitTimer = this.clock.after(Math.max(1, first.deadlineMs - this.clock.monotonicMs()), () => {
      this.waitTimer = null;
      this.letIn();
      this.watchWaiting();
    });
  }
}
