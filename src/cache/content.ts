import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import { Durability } from "#model/credentials.ts";
import type { ByteRange, ContentRead, ContentReferences, FileContent } from "#model/file-content.ts";
import { FsError } from "#model/fs-error.ts";
import type { ShareHistory } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { childSpan, type Span, spanned, waited } from "#telemetry/tracing/index.ts";
import { Admission } from "./admission.ts";
import { Changes } from "./changes.ts";
import type { ContentLimits } from "./content-limits.ts";
import type { FlushStats } from "./content-stats.ts";
import type { FileState } from "./file-state.ts";
import type { FileTable } from "./file-table.ts";
import { FlushLoop } from "./flush-loop.ts";
import type { Flusher } from "./flusher.ts";
import type { Garbage } from "./garbage.ts";
import type { WriteAheadLog } from "./log/index.ts";
import type { PackTable } from "./pack-table.ts";
import type { PageCache } from "./pages/index.ts";
import type { Reader } from "./reader.ts";
import { Sharing } from "./sharing.ts";
import type { Space } from "./space.ts";
import type { StoreHealth } from "./store-health.ts";
import type { Shipped } from "./shipped-content.ts";
import { StoredWaits, storedWaitMs } from "./stored-waits.ts";

/** A share's file content: accepts changes into log, pages and packs, serves reads, and keeps the flusher going. */
export class Content implements FileContent {
  readonly writeVerifier: Uint8Array;
  private readonly files: FileTable;
  private readonly reader: Reader;
  private readonly flusher: Flusher;
  private readonly garbage: Garbage;
  private readonly packs: PackTable;
  private readonly log: WriteAheadLog;
  private readonly room: Space;
  private readonly logger: Logger;
  private readonly cache: PageCache;
  private durability: Durability;
  readonly admission: Admission;
  private readonly health: StoreHealth;
  private readonly loop: FlushLoop;
  private readonly storedWaits: StoredWaits;
  private readonly sharing: Sharing;
  private readonly changes: Changes;
  private readonly history: ShareHistory | null;
  private readonly shipped: Shipped;

  constructor(parts: {
    cache: PageCache;
    history: ShareHistory | null;
    shipped: Shipped;
    files: FileTable;
    packs: PackTable;
    reader: Reader;
    flusher: Flusher;
    garbage: Garbage;
    health: StoreHealth;
    log: WriteAheadLog;
    store: MetadataStore;
    space: Space;
    clock: Clock;
    logger: Logger;
    limits: ContentLimits;
    durability: Durability;
    writeVerifier: Uint8Array;
  }) {
    this.cache = parts.cache;
    this.history = parts.history;
    this.shipped = parts.shipped;
    this.files = parts.files;
    this.reader = parts.reader;
    this.flusher = parts.flusher;
    this.garbage = parts.garbage;
    this.packs = parts.packs;
    this.health = parts.health;
    this.log = parts.log;
    this.room = parts.space;
    this.logger = parts.logger;
    this.durability = parts.durability;
    this.writeVerifier = parts.writeVerifier;
    const { files, log, space, garbage, clock, logger, limits } = parts;
    this.admission = new Admission(files, log, space, garbage, clock, logger, limits, () => this.loop.wake(), parts.history);
    this.storedWaits = new StoredWaits(clock, () => this.loop.wake(), () => files.oldestSequence());
    this.sharing = new Sharing(files, parts.packs, parts.store, this.storedWaits);
    this.loop = new FlushLoop({ ...parts, admission: this.admission, storedWaits: this.storedWaits }, limits);
    this.changes = new Changes({ ...parts, admission: this.admission, loop: this.loop, storedWaits: this.storedWaits });
  }

  /** What recovery left unstored, the oldest of it made at `oldest`, is on its way from here on. */
  start(oldest: Time | null): void {
    this.flusher.started(oldest);
    this.loop.schedule();
  }

  overlay(row: Inode): Inode {
    const file = this.files.get(row.id);
    if (file === undefined || file.sequence <= row.contentSequence) return row;
    return row.with({
      size: file.size,
      used: Math.min(file.size - file.pending.holes, row.used + file.unstoredBytes),
      mtime: file.sequence > row.mtimeSequence ? file.mtime : row.mtime,
      ctime: file.ctime.isAfter(row.ctime) ? file.ctime : row.ctime,
      change: Math.max(row.change, file.change),
    });
  }

  read(inode: Inode, offset: number, length: number): Maybe<ContentRead | FsError> {
    const file = this.files.of(inode);
    const end = Math.min(offset + length, file.size);
    const span = childSpan("cache.read");
    const read = span === null ? this.reader.read(file, offset, end, offset + length >= file.size) : this.tracedRead(span, file, offset, end, offset + length >= file.size);
    if (file.pages.size === 0) file.settle();
    return read;
  }

  /** As the reader's, with whether memory had it all. */
  private tracedRead(span: Span, file: FileState, offset: number, end: number, toEnd: boolean): Maybe<ContentRead | FsError> {
    return spanned(span, () => {
      const read = this.reader.read(file, offset, end, toEnd);
      span.set("dittofs.cache.hit", !(read instanceof Promise));
      return read;
    });
  }

  admit(length: number): Maybe<FsError | null> {
    return waited("cache.admission", this.admission.admit(length));
  }

  write(inode: Inode, offset: number, payload: readonly Uint8Array[], length: number, at: Time): Inode | FsError {
    return this.changes.write(inode, offset, payload, length, at);
  }

  truncate(inode: Inode, size: number, at: Time): Inode | FsError {
    return this.changes.truncate(inode, size, at);
  }

  punch(inode: Inode, offset: number, length: number, at: Time): Inode | FsError {
    return this.changes.punch(inode, offset, length, at);
  }

  clone(inode: Inode, offset: number, from: ContentReferences, at: Time): Inode | FsError {
    return this.changes.clone(inode, offset, from, at);
  }

  references(inode: Inode, offset: number, length: number): Maybe<ContentReferences | FsError> {
    return this.sharing.references(inode.id, offset, offset + length);
  }

  allocated(inode: Inode, offset: number, end: number, limit: number): Maybe<readonly ByteRange[]> {
    return this.sharing.allocated(inode.id, offset, Math.min(end, inode.size), limit);
  }

  durable(id: FileId): Maybe<FsError | null> {
    // What is stored need not be published.
    if (this.durability === Durability.remote && this.history !== null) return this.history.published(storedWaitMs);
    const file = this.files.get(id);
    if (file === undefined || !file.isUnstored || file.gone) return null;
    if (this.durability === Durability.remote) return this.storedWaits.stored(file);
    const survivesPower = this.durability !== Durability.writeback;
    const logged = survivesPower ? this.log.durable(file.sequence) : this.log.written(file.sequence);
    if (file.unsynced.size === 0) return waited("cache.log.sync", after(logged));
    const waits: Maybe<void>[] = [logged];
    for (const [pack, size] of file.unsynced) {
      if (pack.file !== null) waits.push(survivesPower ? pack.file.durable(size) : pack.file.written());
    }
    return waited("cache.log.sync", Promise.all(waits).then(() => null));
  }

  sequence(): number {
    return this.log.sequence;
  }

  forget(id: FileId): void {
    this.changes.forget(id);
  }

  async space(): Promise<{ readonly free: number; readonly total: number; readonly available: number } | null> {
    await this.room.read();
    const total = this.room.totalBytes;
    if (total === null) return null;
    const free = Math.max(0, this.room.freeBytes - this.files.dirtyBytes);
    return { free, total, available: Math.max(0, free - this.room.reserveBytes) };
  }

  /** As they are at present. */
  get limits(): ContentLimits {
    return this.loop.limits;
  }

  /** How flushes went. */
  get flushes(): FlushStats {
    return this.loop.flushes;
  }

  /** Stores everything accepted so far, however long that takes, or as far as it came when `givenUp` says so. */
  drain(givenUp?: () => boolean): Promise<void> {
    return this.loop.drain(givenUp);
  }

  /** Bytes in pages that nothing but the log holds. */
  get dirtyBytes(): number {
    return this.files.dirtyBytes;
  }

  /** Bytes accepted but not stored yet. */
  get unstoredBytes(): number {
    return this.files.dirtyBytes + this.files.pendingBytes;
  }

  /** How long the oldest change has waited for the block store, in ms (since the start, where it is older); null: everything is there. */
  get oldestUnstoredMs(): number | null {
    return this.files.oldestUnstoredMs();
  }

  /** What keeps content from being stored or read at present; null: nothing that is known. */
  get storeError(): string | null {
    return this.health.error;
  }

  get storeErrorMs(): StoreHealth["errorMs"] {
    return this.health.errorMs;
  }

  /** Other bounds from now on: the share's part of what all shares have together changed. */
  setLimits(limits: ContentLimits, cacheBytes: number): void {
    this.loop.limits = limits;
    this.cache.pool.resize(cacheBytes);
    this.admission.setLimits(limits);
    this.loop.schedule();
  }

  /** What an acknowledgement means from now on, also for those who wait for one. */
  setDurability(durability: Durability): void {
    if (durability === this.durability) return;
    this.durability = durability;
    this.storedWaits.waitInstead((file) => this.durable(file.id));
  }

  /** The last change accepted, and the oldest that is not stored yet: beyond the last where everything is. */
  get progress(): { readonly accepted: number; readonly oldest: number } {
    return { accepted: this.log.sequence, oldest: this.files.oldestSequence() };
  }

  /** Stores what it can. What the stores won't take now stays in the log, and the next start goes on with it. */
  async close(): Promise<void> {
    await this.loop.close();
    if (this.files.unstored.size > 0) {
      this.logger.warn({ files: this.files.unstored.size, bytes: this.unstoredBytes }, "stopping with content that could not be stored; it stays in the log");
    }
    this.storedWaits.end();
    await this.flusher.idle();
    await this.garbage.close();
    this.changes.close();
    await this.log.close();
    this.packs.spares.close();
    this.shipped.closed = true;
  }
}

function after(done: Maybe<void>): Maybe<null> {
  return done instanceof Promise ? done.then(() => null) : null;
}
