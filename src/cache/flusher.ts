import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import { StoreFullError } from "#model/block-store.ts";
import type { Pack } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { ShareHistory } from "#model/history.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { outside, type Span } from "#telemetry/tracing/index.ts";
import { DiskPace } from "./disk-pace.ts";
import type { FileTable } from "./file-table.ts";
import { flushed } from "./followed.ts";
import { Gathered, type Job, tellPacked } from "./gathered.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";
import type { PackUploads } from "./pack-uploads.ts";
import type { PendingExtent } from "./pending.ts";
import { ContentsToStore } from "./store-contents.ts";
import type { StoreHealth } from "./store-health.ts";

/** A pack is sealed when the next chunk would make it larger. */
export const packBytes = 16 * 1024 * 1024;
/** Files in a batch: bounds what a failed batch has to do again. */
const batchFilesMax = 4096;
const batchBytesMax = 64 * 1024 * 1024;
/** The clock may have been put back so far between a write and the flush that stored it. */
const clockStepSec = 300;

/**
 * Takes unstored changes to their home: dirty bytes into packs, packs into the block store, then size, times and extents of each
 * file into the metadata store as one change, then the log is told what it may forget. One batch at a time; the order within
 * a batch is the promise: log synced before the store knows, pack durable before an extent refers to it.
 */
export class Flusher {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly log: WriteAheadLog;
  private readonly store: MetadataStore;
  private readonly uploads: PackUploads;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly health: StoreHealth;
  private readonly history: ShareHistory | null;
  readonly pace: DiskPace;
  /** The pack large writes go to at present. */
  private current: OpenPackRef | null = null;
  /** The last change that the start found in the log, until all up to it are stored; 0: they are. */
  private recoveredUpTo = 0;
  private recoveredFrom: Time | null = null;
  /** A pack of large writes has become full. */
  onFull: () => void = () => {};

  constructor(
    files: FileTable,
    packs: PackTable,
    log: WriteAheadLog,
    store: MetadataStore,
    uploads: PackUploads,
    clock: Clock,
    logger: Logger,
    health: StoreHealth,
    history: ShareHistory | null = null,
  ) {
    this.history = history;
    this.health = health;
    this.pace = new DiskPace(clock);
    this.files = files;
    this.packs = packs;
    this.log = log;
    this.store = store;
    this.uploads = uploads;
    this.clock = clock;
    this.logger = logger;
  }

  /** The pack a large write of `length` bytes is appended to. */
  packFor(length: number): OpenPackRef | FsError {
    if (this.current === null || (this.current.file as { size: number }).size + length > packBytes) {
      const fresh = this.packs.create();
      if (fresh instanceof FsError) return fresh;
      const full = this.current;
      this.current = fresh;
      if (full !== null) {
        if (full.file !== null) this.pace.syncAhead(full.file);
        this.onFull();
      }
    }
    return this.current;
  }

  /** Packs that are to be stored as they are: no large write goes to them any more. */
  finish(packs: readonly OpenPackRef[]): void {
    if (this.current !== null && packs.includes(this.current)) this.current = null;
  }

  /**
   * Has full packs of large writes on their way before the batch under way is stored, so that the block store is never without
   * work between two batches. That changes no promise: an object nothing refers to is garbage, and a batch refers to it only
   * after its own log records are synced.
   */
  uploadAhead(): void {
    if (!this.packs.areFar || this.health.isFailing("write")) return;
    for (const pack of this.packs.open.values()) {
      if (!this.uploads.hasRoomAhead) return;
      if (pack === this.current || pack.file === null || pack.holders > 0 || pack.lastSequence === 0) continue;
      void outside(() => this.uploads.ahead(pack)).then((isObject) => {
        this.releaseLog();
        if (isObject) this.onFull();
      });
    }
  }

  /** What the log had is found again; the oldest of it that is not stored was made at `oldest`. */
  started(oldest: Time | null): void {
    this.recoveredUpTo = this.log.sequence;
    this.recoveredFrom = oldest;
    // Records the store has all of go at once: where the disk is full, no write would ever come and let them go.
    this.releaseLog();
  }

  /**
   * Something that was there at the start is not stored yet, and what is published may have it in a pack made then, though nothing here refers
   * to that any more. None that is older: a full store gets room for what the log has.
   */
  mayHaveRecovered({ since }: Pack): boolean {
    if (this.recoveredUpTo !== 0 && this.files.oldestSequence() > this.recoveredUpTo) this.recoveredUpTo = 0;
    if (this.recoveredUpTo === 0) return false;
    const from = this.recoveredFrom;
    // A time to come is of a clock that was put right meanwhile, and says nothing.
    return from === null || from.isAfter(this.clock.now()) || since.sec + clockStepSec >= from.sec;
  }

  /** Whether it takes time to put a pack. */
  get isFar(): boolean {
    return this.packs.areFar;
  }

  /** Resolves when no pack is on its way into the block store. */
  idle(): Promise<void> {
    return this.uploads.idle();
  }

  /** Stores one batch of what waits longest; `noRoom`: it could not be stored and stays unstored. `waiting`: followed requests that wait for it. */
  async batch(waiting: readonly Span[] | null = null): Promise<"idle" | "stored" | "noRoom"> {
    const jobs: Job[] = [];
    let bytes = 0;
    for (const file of this.files.unstored) {
      if (file.flushing !== null || file.gone) continue;
      const cut = file.takeCut();
      jobs.push({ file, cut, extents: [] });
      bytes += cut.dirtyBytes;
      for (let i = 0; i < cut.pending.length; i++) bytes += ownedBytes(cut.pending[i] as PendingExtent);
      if (jobs.length >= batchFilesMax || bytes >= batchBytesMax) break;
    }
    if (jobs.length === 0) return "idle";
    let error: FsError | null;
    try {
      error = await flushed(jobs, waiting, () => this.run(jobs));
    } catch (thrown) {
      for (const job of jobs) if (job.file.flushing === job.cut) this.files.restore(job.file, job.cut);
      throw thrown;
    } finally {
      this.releaseLog();
    }
    if (error === null) return "stored";
    if (!this.health.isFailing("write")) this.health.failed("flush", new StoreFullError("there is no room to store what was written; free some, or give the store more"));
    return "noRoom";
  }

  private async run(jobs: readonly Job[]): Promise<FsError | null> {
    const packs = new Set<OpenPackRef>();
    try {
      return await this.storeHeld(jobs, packs);
    } finally {
      // What came of them: settled or given up by the next `releaseLog`.
      for (const pack of packs) pack.holders--;
    }
  }

  /** As `run`; every pack the jobs refer to is held from its first byte on and in `packs`. */
  private async storeHeld(jobs: readonly Job[], packs: Set<OpenPackRef>): Promise<FsError | null> {
    const written = await this.writePieces(jobs, packs);
    if (written !== null) return this.restoreAll(jobs, written);
    if (this.history?.leavesToPacks === true && !this.health.isFailing("write")) tellPacked(this.history, jobs, packs);
    let last = 0;
    for (const job of jobs) {
      last = Math.max(last, job.cut.sequence);
      for (const { pack } of job.cut.pending) if (pack !== null) hold(pack, packs);
    }
    if (this.current !== null && packs.has(this.current)) this.current = null;
    await this.log.durable(last);
    if (!(await this.uploads.store([...packs]))) return this.restoreAll(jobs, FsError.of("noSpace"));
    return new ContentsToStore(this.files, this.store, () => this.turn()).of(jobs);
  }

  private restoreAll(jobs: readonly Job[], error: FsError): FsError {
    for (const job of jobs) this.files.restore(job.file, job.cut);
    return error;
  }

  /**
   * Appends the dirty bytes of all jobs to fresh packs, many small ones by one gathered write of the thread pool: nobody waits for it,
   * and to fill memory that the kernel has not used before takes longer than all else a small file costs.
   */
  private async writePieces(jobs: readonly Job[], packs: Set<OpenPackRef>): Promise<FsError | null> {
    let pack: OpenPackRef | null = null;
    const gathered = new Gathered();
    const append = async (): Promise<FsError | null> => {
      if (pack === null || (pack.file as { size: number }).size + gathered.length > packBytes) {
        const fresh = this.packs.create();
        if (fresh instanceof FsError) return fresh;
        // As in `uploadAhead`: a full one needs not wait for the rest.
        if (pack !== null && this.isFar && !this.health.isFailing("write")) void this.uploads.ahead(pack);
        pack = fresh;
        hold(pack, packs);
      }
      return gathered.appendTo(pack);
    };
    for (const job of jobs) {
      const pieces = job.cut.pieces;
      for (let i = 0; i < pieces.length; ) {
        i = gathered.add(job, i);
        if (!gathered.isFull) continue;
        const error = await append();
        if (error !== null) return error;
      }
    }
    return gathered.length === 0 ? null : await append();
  }

  /** Tells the log what no file needs any more, and lets go of packs that only such records spoke of. */
  releaseLog(): void {
    const oldest = this.files.oldestSequence();
    const upTo = oldest === Number.POSITIVE_INFINITY ? this.log.sequence : oldest - 1;
    this.log.release(upTo);
    for (const pack of this.packs.open.values()) {
      if (pack === this.current || pack.lastSequence > upTo || pack.holders > 0) continue;
      if (pack.stored !== null) this.packs.settle(pack);
      else this.abandon(pack);
    }
  }

  /** Packs of a repacking, or of a cut of the history, stored like a flush's. */
  async storeRepacked(packs: readonly OpenPackRef[]): Promise<boolean> {
    return this.uploads.store(packs);
  }

  /** Nobody refers to a pack that is not stored: its file goes. An object that was put after all is garbage to be collected. */
  private abandon(pack: OpenPackRef): void {
    const file = pack.file;
    this.packs.forget(pack.id);
    this.files.unfile(pack);
    if (file === null) return;
    file.abandon().catch((error) => this.logger.warn({ error, path: file.path }, "a pack nobody needs could not be deleted; the next start does it"));
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.clock.atTurnEnd(resolve));
  }
}

function ownedBytes(extent: PendingExtent): number {
  return extent.pack === null || extent.shared ? 0 : extent.length;
}

function hold(pack: OpenPackRef, packs: Set<OpenPackRef>): void {
  if (packs.has(pack)) return;
  pack.holders++;
  packs.add(pack);
}
