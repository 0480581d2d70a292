import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import type { ApplyResult, Change, Extent, Pack } from "#model/change-set.ts";
import { PackState } from "#model/change-set.ts";
import { type BlockStore, StoreFullError } from "#model/block-store.ts";
import { FsError } from "#model/fs-error.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileState, FlushCut, FlushPiece } from "./file-state.ts";
import type { FileTable } from "./file-table.ts";
import { isFull } from "./log/file-ops.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { Outage } from "./outage.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";
import { pageBytes } from "./pages/index.ts";
import { PendingExtents } from "./pending.ts";

/** A pack is sealed when the next chunk would make it larger. */
export const packBytes = 16 * 1024 * 1024;
/** Files in a batch: bounds what a failed batch has to do again. */
const batchFilesMax = 4096;
const batchBytesMax = 64 * 1024 * 1024;
/** Change sets handed to the store in one event-loop turn, so that a flush never holds up a client for long. */
const setsPerTurn = 64;
/** Extents laid by one set at most. */
const extentsPerSet = 1024;
/** Bytes, and slices of them, copied into packs by one write and between two turns of the event loop. */
const gatheredBytes = 2 * 1024 * 1024;
const gatheredSlices = 1024;

interface Job {
  readonly file: FileState;
  readonly cut: FlushCut;
  readonly extents: Extent[];
}

/**
 * Takes unstored changes to their home: dirty bytes into packs, packs into the block store, then size, times and extents of each
 * file into the metadata store as one change set, then the log is told what it may forget. One batch at a time; the order within
 * a batch is the promise: log synced before the store knows, pack durable before an extent refers to it.
 */
export class Flusher {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly log: WriteAheadLog;
  private readonly store: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private readonly outage: Outage;
  /** The pack large writes go to at present. */
  private current: OpenPackRef | null = null;

  constructor(
    files: FileTable,
    packs: PackTable,
    log: WriteAheadLog,
    store: MetadataStore,
    blocks: BlockStore,
    clock: Clock,
    logger: Logger,
    outage: Outage,
  ) {
    this.files = files;
    this.packs = packs;
    this.log = log;
    this.store = store;
    this.blocks = blocks;
    this.clock = clock;
    this.logger = logger;
    this.outage = outage;
  }

  /** The pack a large write of `length` bytes is appended to. */
  packFor(length: number): OpenPackRef | FsError {
    if (this.current === null || (this.current.file as { size: number }).size + length > packBytes) {
      const fresh = this.packs.create();
      if (fresh instanceof FsError) return fresh;
      this.current = fresh;
    }
    return this.current;
  }

  /** Stores one batch of what waits longest; `noRoom`: it could not be stored and stays unstored. */
  async batch(): Promise<"idle" | "stored" | "noRoom"> {
    const jobs: Job[] = [];
    let bytes = 0;
    for (const file of this.files.unstored) {
      if (file.flushing !== null || file.gone) continue;
      const cut = this.files.cut(file);
      jobs.push({ file, cut, extents: [] });
      bytes += cut.dirtyBytes;
      for (let i = 0; i < cut.pending.length; i++) bytes += (cut.pending[i] as { length: number }).length;
      if (jobs.length >= batchFilesMax || bytes >= batchBytesMax) break;
    }
    if (jobs.length === 0) return "idle";
    let error: FsError | null;
    try {
      error = await this.run(jobs);
    } catch (thrown) {
      for (const job of jobs) if (job.file.flushing === job.cut) this.files.restore(job.file, job.cut);
      throw thrown;
    } finally {
      this.releaseLog();
    }
    if (error !== null) this.logger.warn({ files: jobs.length, bytes }, "no room to store written data; it stays in the log until there is");
    return error === null ? "stored" : "noRoom";
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
    let last = 0;
    for (const job of jobs) {
      last = Math.max(last, job.cut.sequence);
      for (const { pack } of job.cut.pending) hold(pack, packs);
    }
    if (this.current !== null && packs.has(this.current)) this.current = null;
    await this.log.durable(last);
    if (!(await this.storePacks([...packs]))) return this.restoreAll(jobs, FsError.of("noSpace"));
    return this.storeContents(jobs);
  }

  private restoreAll(jobs: readonly Job[], error: FsError): FsError {
    for (const job of jobs) this.files.restore(job.file, job.cut);
    return error;
  }

  /** Appends the dirty bytes of all jobs to fresh packs, many small ones by one gathered write. */
  private async writePieces(jobs: readonly Job[], packs: Set<OpenPackRef>): Promise<FsError | null> {
    let pack: OpenPackRef | null = null;
    const gathered = new Gathered();
    const append = (): FsError | null => {
      if (pack === null || (pack.file as { size: number }).size + gathered.length > packBytes) {
        const fresh = this.packs.create();
        if (fresh instanceof FsError) return fresh;
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
        const error = append();
        if (error !== null) return error;
        await this.turn();
      }
    }
    return gathered.length === 0 ? null : append();
  }

  /** Puts packs into the block store and makes their rows live; false when there is no room. */
  private async storePacks(packs: readonly OpenPackRef[]): Promise<boolean> {
    const fresh = packs.filter((pack) => pack.stored === null);
    if (fresh.length > 0) {
      const now = this.clock.now();
      const pending = fresh.map((pack): Change => ({ do: "putPack", pack: row(pack, PackState.pending, 0, new Uint8Array(0), now) }));
      const barred = await this.store.apply({ conditions: [], changes: pending });
      if (!barred.applied) return false;
      const outcomes = await Promise.allSettled(fresh.map((pack) => this.storePack(pack)));
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        if (!(outcome.reason instanceof StoreFullError) && !isFull(outcome.reason)) throw outcome.reason;
        return false;
      }
    }
    const unadopted = packs.filter((pack) => !pack.adopted);
    if (unadopted.length === 0) return true;
    const now = this.clock.now();
    const live = unadopted.map((pack): Change => {
      const stored = pack.stored as NonNullable<OpenPackRef["stored"]>;
      return { do: "putPack", pack: row(pack, PackState.live, stored.size, stored.frames, now) };
    });
    const adopted = await this.store.apply({ conditions: [], changes: live });
    if (!adopted.applied) return false;
    for (const pack of unadopted) pack.adopted = true;
    return true;
  }

  private async storePack(pack: OpenPackRef): Promise<void> {
    const file = pack.file as NonNullable<OpenPackRef["file"]>;
    const sealed = await file.seal();
    try {
      await this.blocks.put(pack.key, { from: "file", path: file.path, size: sealed.objectBytes });
    } catch (error) {
      // An answer that was lost: the object is there, whole, and will be refused for ever after.
      if (error instanceof StoreFullError || isFull(error) || (await this.packs.fromObject(pack.id)) === null) throw error;
      this.logger.warn({ error, pack: pack.id }, "the block store failed to put an object, and has it");
    }
    this.outage.worked();
    pack.stored = { key: pack.key, size: sealed.size, frames: sealed.frames };
    pack.file = null;
    await file.close();
  }

  /**
   * Each job's size, times and extents as one change set; sets of one turn share a commit. No condition: a set for a file that
   * lost its last link does nothing, and resolves once that removal is durable, too; only then may the log forget its records.
   */
  private async storeContents(jobs: readonly Job[]): Promise<FsError | null> {
    let failed: FsError | null = null;
    let thrown: unknown = null;
    let broken = false;
    let turnExtents = 0;
    const waits: Promise<void>[] = [];
    for (let i = 0; i < jobs.length; i++) {
      const { file, cut, extents } = jobs[i] as Job;
      const all = layered(cut, extents);
      waits.push(
        this.storeContent(file, cut, all).then(
          (result) => {
            if (result.applied) return this.files.stored(file, cut);
            this.files.restore(file, cut);
            failed = FsError.of("noSpace");
          },
          (error: unknown) => {
            this.files.restore(file, cut);
            thrown = error;
            broken = true;
          },
        ),
      );
      turnExtents += all.length;
      if (i % setsPerTurn !== setsPerTurn - 1 && turnExtents < extentsPerSet) continue;
      turnExtents = 0;
      await this.turn();
    }
    await Promise.all(waits);
    if (broken) throw thrown;
    return failed;
  }

  /**
   * One file's set, in parts where it has very many extents. The parts before the last are covered by the log until that is
   * durable: replay puts the same bytes over them.
   */
  private async storeContent(file: FileState, cut: FlushCut, extents: readonly Extent[]): Promise<ApplyResult> {
    const { sequence, size, mtime, ctime } = cut;
    const { id } = file;
    let { cutTo } = cut;
    let at = 0;
    for (; extents.length - at > extentsPerSet; at += extentsPerSet) {
      const part = extents.slice(at, at + extentsPerSet);
      const laid = await this.store.apply({ conditions: [], changes: [{ do: "layExtents", id, sequence, cutTo, extents: part }] });
      if (!laid.applied) return laid;
      cutTo = -1;
    }
    const rest = at === 0 ? extents : extents.slice(at);
    return this.store.apply({ conditions: [], changes: [{ do: "storeContent", id, sequence, size, mtime, ctime, cutTo, extents: rest }] });
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

  /** The bytes of a repacked pack, stored like a flush's. */
  async storeRepacked(packs: readonly OpenPackRef[]): Promise<boolean> {
    return this.storePacks(packs);
  }

  /** Nobody refers to a pack that is not stored: its file goes. An object that was put after all is garbage to be collected. */
  private abandon(pack: OpenPackRef): void {
    const file = pack.file;
    this.packs.forget(pack.id);
    if (file === null) return;
    file.abandon().catch((error) => this.logger.warn({ error, path: file.path }, "a pack nobody needs could not be deleted; the next start does it"));
  }

  private turn(): Promise<void> {
    return new Promise((resolve) => this.clock.atTurnEnd(resolve));
  }
}

/** Dirty bytes of several files and places that go into a pack by one write. */
class Gathered {
  length = 0;
  private slices: Uint8Array[] = [];
  private runs: { readonly job: Job; readonly offset: number; readonly length: number; readonly at: number }[] = [];

  get isFull(): boolean {
    return this.length >= gatheredBytes || this.slices.length >= gatheredSlices;
  }

  /** Takes the pieces of the job from `first` on that are one stretch of the file, until this is full; gives the next piece. */
  add(job: Job, first: number): number {
    const pieces = job.cut.pieces;
    const head = pieces[first] as FlushPiece;
    const offset = head.page.index * pageBytes + head.start;
    const at = this.length;
    let next = first;
    do {
      const piece = pieces[next] as FlushPiece;
      if (piece.page.index * pageBytes + piece.start !== offset + (this.length - at)) break;
      this.slices.push(piece.buffer.bytes.subarray(piece.start, piece.end));
      this.length += piece.end - piece.start;
      next++;
    } while (next < pieces.length && !this.isFull);
    this.runs.push({ job, offset, length: this.length - at, at });
    return next;
  }

  /** Writes everything and tells each job where its bytes are. */
  appendTo(pack: OpenPackRef): FsError | null {
    const start = (pack.file as NonNullable<OpenPackRef["file"]>).append(this.slices, this.length);
    if (start instanceof FsError) return start;
    for (const { job, offset, length, at } of this.runs) job.extents.push({ offset, length, pack: pack.id, packOffset: start + at });
    this.slices = [];
    this.runs = [];
    this.length = 0;
    return null;
  }
}

/** The cut's new extents without overlaps, in order: dirty bytes lie over pending ones. */
function layered(cut: FlushCut, dirty: readonly Extent[]): readonly Extent[] {
  if (cut.pending.length === 0) return dirty;
  const below = new PendingExtents();
  below.list = [...cut.pending];
  for (const extent of dirty) below.cut(extent.offset, extent.offset + extent.length);
  const kept = below.list.map(({ offset, length, pack, packOffset }): Extent => ({ offset, length, pack: pack.id, packOffset }));
  return dirty.length === 0 ? kept : [...kept, ...dirty].sort((a, b) => a.offset - b.offset);
}

function hold(pack: OpenPackRef, packs: Set<OpenPackRef>): void {
  if (packs.has(pack)) return;
  pack.holders++;
  packs.add(pack);
}

function row(pack: OpenPackRef, state: PackState, size: number, frames: Uint8Array, since: Time): Pack {
  return { id: pack.id, key: pack.key, state, size, live: 0, frames, since };
}
