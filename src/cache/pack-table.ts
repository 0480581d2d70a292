import type { Maybe } from "#base/brand.ts";
import { type BlockStore, type HoldsCopies, MissingObjectError, type SynchronousReads } from "#model/block-store.ts";
import type { Pack } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Links } from "#telemetry/tracing/index.ts";
import type { BufferPool, LendsPages, PageBuffer } from "./pages/index.ts";
import { isFull, systemFiles } from "./log/file-ops.ts";
import { FullDirectory } from "./log/full-directory.ts";
import { isPassing, type StoreHealth } from "./store-health.ts";
import { createPack, frameBytes, type OpenPack, type PackOptions, packKey, PackSpares, readFooter, reopenPack, verifyFrames } from "./packs/index.ts";

/** A pack in the block store: what a verified read needs of its row. */
interface StoredPack {
  readonly key: string;
  readonly size: number;
  readonly frames: Uint8Array;
}

/** A pack that was made by this process: a file first, an object later; pending extents hold on to it through both. */
export class OpenPackRef {
  readonly id: PackId;
  key: string;
  file: OpenPack | null;
  stored: StoredPack | null = null;
  /** Log sequence of the last record that points here. */
  lastSequence = 0;
  /** Bytes of large writes that count as in its file (`FileTable.filedBytes`). */
  filed = 0;
  /** Its row says that it is live, so extents may refer to it. */
  adopted = false;
  /** Flushes and repackings under way that refer to it; while there are any it is neither settled nor given up. */
  holders = 0;
  /** Requests whose bytes it has, as far as they are followed. */
  followed: Links | null = null;

  constructor(id: PackId, key: string, file: OpenPack | null) {
    this.id = id;
    this.key = key;
    this.file = file;
  }
}
export type PackRef = OpenPackRef;

const storedPacksMax = 16_384;
/** How long a read goes on trying while the store is away; whoever asked was told to come back by then. */
const readTriesMs = 10_000;
/** Pause between two such tries. */
const readRetryMs = 500;
/** Tries of a read whose bytes are wrong, or that fails for a reason that doesn't pass by itself. */
const readTriesMax = 2;

/** Every pack bytes are read from: open files, and the rows of stored ones (cached). Reads are verified against their frames. */
export class PackTable {
  readonly directory: string;
  readonly spares: PackSpares;
  readonly open = new Map<PackId, OpenPackRef>();
  private readonly rows = new Map<PackId, StoredPack>();
  private readonly synchronous: SynchronousReads | null;
  private readonly copies: HoldsCopies | null;
  private readonly lender: LendsPages | null;
  /** Answers of the store's up to which its health is told. */
  private answersSeen = 0;
  private readonly store: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly logger: Logger;
  private readonly options: PackOptions;
  private readonly health: StoreHealth;
  private readonly full: FullDirectory;

  constructor(directory: string, store: MetadataStore, blocks: BlockStore, logger: Logger, options: PackOptions, health: StoreHealth) {
    this.health = health;
    this.spares = new PackSpares(directory, options.files ?? systemFiles, options.clock, logger);
    this.options = { ...options, spares: this.spares };
    this.directory = directory;
    this.full = new FullDirectory(directory, "a pack of content on its way into the block store", options.clock, logger);
    this.store = store;
    this.blocks = blocks;
    this.logger = logger;
    this.synchronous = "getNow" in blocks ? (blocks as unknown as SynchronousReads) : null;
    this.copies = "prefetch" in blocks ? (blocks as unknown as HoldsCopies) : null;
    this.lender = "lendFrom" in blocks ? (blocks as unknown as LendsPages) : null;
  }

  /** A fresh pack to write to. */
  create(): OpenPackRef | FsError {
    const { instance } = this.store.identity;
    const id = this.store.draw() as PackId;
    try {
      const ref = new OpenPackRef(id, packKey(instance, id), createPack(this.directory, id, instance, this.options));
      this.open.set(id, ref);
      this.full.worked();
      return ref;
    } catch (error) {
      if (!isFull(error)) throw error;
      this.full.refused(error);
      return FsError.of("noSpace");
    }
  }

  /** A pack file that an earlier run left; null where there is none. */
  reopen(id: PackId): Promise<OpenPack | null> {
    return reopenPack(this.directory, id, this.store.identity.instance, this.options);
  }

  /** What the footer of a pack's object says, for a pack whose row does not know yet; null where there is no such whole object. */
  async fromObject(id: PackId, key: string): Promise<StoredPack | null> {
    const { instance } = this.store.identity;
    const bytes = await this.blocks.size(key);
    if (bytes === null) return null;
    const footer = await readFooter((offset, length) => this.blocks.get(key, offset, length), bytes, instance, id, key);
    return footer === null ? null : { key, ...footer };
  }

  /** A stored pack's row became known. */
  remember(pack: Pick<Pack, "id" | "key" | "size" | "frames">): void {
    if (this.rows.size >= storedPacksMax) {
      const oldest = this.rows.keys().next();
      if (!oldest.done) this.rows.delete(oldest.value);
    }
    this.rows.set(pack.id, { key: pack.key, size: pack.size, frames: pack.frames });
  }

  /** No pending extent can refer to a stored pack any more: its row is all that is needed from here on. */
  settle(pack: OpenPackRef): void {
    if (pack.stored !== null) this.remember({ id: pack.id, ...pack.stored });
    this.open.delete(pack.id);
  }

  forget(id: PackId): void {
    this.rows.delete(id);
    this.open.delete(id);
  }

  /**
   * Fills `target` with the pack's bytes from `offset` on. Errors: io where the bytes are missing or damaged (logged), jukebox where
   * the store is away.
   */
  read(id: PackId, offset: number, target: Uint8Array): Maybe<FsError | null> {
    const open = this.open.get(id);
    if (open?.file) {
      open.file.readSync(offset, target);
      return null;
    }
    const stored = open?.stored ?? this.rows.get(id);
    if (stored !== undefined) return this.readStored(id, stored, offset, target);
    return this.readUnknown(id, offset, target);
  }

  private async readUnknown(id: PackId, offset: number, target: Uint8Array): Promise<FsError | null> {
    const row = await this.store.pack(id);
    if (row === null) throw new MissingObjectError(`of pack ${id}`);
    this.remember(row);
    return this.readStored(id, row, offset, target);
  }

  private readStored(id: PackId, pack: StoredPack, offset: number, target: Uint8Array): Maybe<FsError | null> {
    const from = offset - (offset % frameBytes);
    const to = Math.min(Math.ceil((offset + target.length) / frameBytes) * frameBytes, pack.size);
    const whole = from === offset && to === offset + target.length;
    const frames = whole ? target : new Uint8Array(to - from);
    if (this.synchronous?.getNow(pack.key, from, frames) && verifyFrames(frames, from, pack.size, pack.frames)) {
      this.health.isFound(pack.key, from);
      if (!whole) target.set(frames.subarray(offset - from, offset - from + target.length));
      return null;
    }
    return this.readSlowly(id, pack, offset, target, from, frames);
  }

  /** Whether the block store is slow to answer: then it is worth while to say early what will be read, and to put early what is written. */
  get areFar(): boolean {
    return this.copies !== null;
  }

  /** The range will be read soon. False where nothing can be done about it just now. */
  prefetch(id: PackId, offset: number, length: number): Maybe<boolean> {
    const { copies } = this;
    const open = this.open.get(id);
    if (copies === null || open?.file) return true;
    const stored = open?.stored ?? this.rows.get(id);
    if (stored !== undefined) return copies.prefetch(stored.key, ...wholeFrames(offset, length, stored.size));
    return this.prefetchUnknown(copies, id, offset, length);
  }

  /** What is read ahead comes into this pool's pages. */
  lendFrom(pool: BufferPool): void {
    this.lender?.lendFrom(pool);
  }

  /** Resolves when a range that was read ahead has come into pages, or won't; null where there is nothing to wait for. */
  coming(id: PackId, offset: number, length: number): Promise<unknown> | null {
    const stored = this.storedNow(id);
    if (this.lender === null || stored === null) return null;
    const [from, bytes] = wholeFrames(offset, length, stored.size);
    return this.lender.coming(stored.key, from, from + bytes);
  }

  /** The pages that a range which begins with a frame was read ahead into, verified and each retained; null where it is to be read as any other. */
  take(id: PackId, offset: number, length: number): readonly PageBuffer[] | null {
    const stored = this.storedNow(id);
    if (this.lender === null || stored === null || offset % frameBytes !== 0) return null;
    const [from, bytes] = wholeFrames(offset, length, stored.size);
    const pages = this.lender.take(stored.key, from, from + bytes);
    if (pages === null) return null;
    for (let i = 0; i < pages.length; i++) {
      const at = from + i * frameBytes;
      const frame = (pages[i] as PageBuffer).bytes.subarray(0, Math.min(frameBytes, from + bytes - at));
      if (verifyFrames(frame, at, stored.size, stored.frames)) this.health.isFound(stored.key, at);
      else return this.refuse(id, stored, at, pages);
    }
    const { answers } = this.copies as HoldsCopies;
    if (answers !== this.answersSeen) this.health.worked("read");
    this.answersSeen = answers;
    return pages;
  }

  private refuse(id: PackId, { key }: StoredPack, at: number, pages: readonly PageBuffer[]): null {
    for (let i = 0; i < pages.length; i++) (pages[i] as PageBuffer).release();
    this.copies?.distrust(key, at, frameBytes);
    this.logger.warn({ pack: id, key, offset: at }, "content that was read ahead does not match its checksum; it is read again");
    return null;
  }

  /** What a read of a stored pack needs, if it is at hand and the pack's bytes are in the store alone. */
  private storedNow(id: PackId): StoredPack | null {
    const open = this.open.get(id);
    return open?.file ? null : (open?.stored ?? this.rows.get(id) ?? null);
  }

  private async prefetchUnknown(copies: HoldsCopies, id: PackId, offset: number, length: number): Promise<boolean> {
    const row = await this.store.pack(id);
    if (row === null) return true;
    this.remember(row);
    return copies.prefetch(row.key, ...wholeFrames(offset, length, row.size));
  }

  /** An extent says that an object is there, and it stays away. */
  missing(error: MissingObjectError): FsError {
    this.logger.error({ key: error.key }, "stored content is missing");
    this.health.isLost(error.key, null);
    return FsError.of("io");
  }

  private async readSlowly(
    id: PackId,
    pack: StoredPack,
    offset: number,
    target: Uint8Array,
    from: number,
    frames: Uint8Array,
  ): Promise<FsError | null> {
    const untilMs = this.options.clock.monotonicMs() + readTriesMs;
    let reason: unknown = "the bytes don't match their checksum";
    // The first may be of a copy that says nothing of what the store has.
    for (let tries = this.copies === null ? 0 : -1; tries < readTriesMax; ) {
      const answers = this.copies?.answers;
      try {
        await this.blocks.get(pack.key, from, frames.length, frames);
      } catch (error) {
        if (error instanceof MissingObjectError) throw error;
        if (isPassing(error)) {
          this.health.failed("read", error);
          if (this.options.clock.monotonicMs() >= untilMs) return FsError.of("jukebox");
          await new Promise<void>((resolve) => this.options.clock.after(readRetryMs, resolve));
          continue;
        }
        reason = error;
        tries++;
        continue;
      }
      if (this.copies === null || this.copies.answers !== answers) this.health.worked("read");
      if (verifyFrames(frames, from, pack.size, pack.frames)) {
        this.health.isFound(pack.key, from);
        if (frames !== target) target.set(frames.subarray(offset - from, offset - from + target.length));
        return null;
      }
      tries++;
      const copied = this.copies?.distrust(pack.key, from, frames.length) ?? false;
      this.logger.warn({ pack: id, key: pack.key, offset: from, length: frames.length, copied }, "content that was read does not match its checksum; it is read again");
    }
    this.logger.error({ pack: id, key: pack.key, offset: from, length: frames.length, reason }, "stored content is damaged");
    this.health.isLost(pack.key, from);
    return FsError.of("io");
  }
}

/** Offset and length of the frames a range lies in. */
function wholeFrames(offset: number, length: number, size: number): [number, number] {
  const from = offset - (offset % frameBytes);
  return [from, Math.min(Math.ceil((offset + length) / frameBytes) * frameBytes, size) - from];
}
