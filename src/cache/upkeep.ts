import type { Clock } from "#base/clock.ts";
import { type BlockStore, DamagedObjectError } from "#model/block-store.ts";
import type { Extent, Pack } from "#model/change-set.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Content } from "./content.ts";
import type { FileTable } from "./file-table.ts";
import type { Garbage } from "./garbage.ts";
import type { KnownBytes } from "./repack.ts";
import type { Unreferenced } from "./unreferenced.ts";
import type { PackTable } from "./pack-table.ts";
import { trailerBytes } from "./packs/format.ts";
import { frameBytes, isKeyOfPack, packKey, readFooter } from "./packs/index.ts";
import { pageBytes } from "./pages/index.ts";

/** How long `settle` waits for the block store. */
const settleMs = 15_000;

/** A block store that holds copies on the local disk. */
interface Copies {
  copy(key: string, offset: number, target: Uint8Array): Promise<boolean>;
}

/** What those who check and repair a share ask of its content while it is served. */
export class Upkeep {
  private readonly content: Content;
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly garbage: Garbage;
  private readonly store: MetadataStore;
  private readonly blocks: BlockStore;
  private readonly copies: Copies | null;
  private readonly clock: Clock;

  /** Segments of the log in which the disk damaged what had been synced, set aside. */
  readonly damagedLog: () => readonly string[];

  constructor(parts: { damagedLog: () => readonly string[]; content: Content; files: FileTable; packs: PackTable; garbage: Garbage; store: MetadataStore; blocks: BlockStore; copies: BlockStore; clock: Clock }) {
    this.damagedLog = parts.damagedLog;
    this.content = parts.content;
    this.files = parts.files;
    this.packs = parts.packs;
    this.garbage = parts.garbage;
    this.store = parts.store;
    this.blocks = parts.blocks;
    this.copies = "copy" in parts.copies ? (parts.copies as unknown as Copies) : null;
    this.clock = parts.clock;
  }

  /** A pack of this process, which is being filled or put, or which log records may point to. */
  isOpen(id: PackId): boolean {
    return this.packs.open.has(id);
  }

  isKeyOf(key: string, id: PackId): boolean {
    return isKeyOfPack(key, this.store.identity.instance, id);
  }

  /** Bytes of the object of a pack with so much payload. */
  objectBytes(size: number): number {
    return size + Math.ceil(size / frameBytes) * 4 + trailerBytes;
  }

  /** What the footer of a pack's object says, read from the store itself; null: there is no such whole object. */
  async fromObject(id: PackId): Promise<Pick<Pack, "key" | "size" | "frames"> | null> {
    try {
      return await this.readObject(id);
    } catch (error) {
      if (error instanceof DamagedObjectError) return null;
      throw error;
    }
  }

  private async readObject(id: PackId): Promise<Pick<Pack, "key" | "size" | "frames"> | null> {
    const { instance } = this.store.identity;
    const row = await this.store.pack(id);
    const key = row !== null && this.isKeyOf(row.key, id) ? row.key : await this.onlyKeyOf(id);
    const bytes = key === null ? null : await this.blocks.size(key);
    const footer = key === null || bytes === null ? null : await readFooter((offset, length) => this.blocks.get(key, offset, length), bytes, instance, id, key);
    return key === null || footer === null ? null : { key, ...footer };
  }

  /**
   * The key of a pack's object where no row says it. Null: there is none, or several, since after an older metadata was put back a number may have
   * been given twice, and which of the two a file refers to can't be told.
   */
  private async onlyKeyOf(id: PackId): Promise<string | null> {
    let only: string | null = null;
    for await (const { key } of this.blocks.list(packKey(this.store.identity.instance, id))) {
      if (!this.isKeyOf(key, id)) continue;
      if (only !== null) return null;
      only = key;
    }
    return only;
  }

  /** Stores everything accepted so far, as far as the block store takes it in some seconds. */
  async settle(): Promise<void> {
    const untilMs = this.clock.monotonicMs() + settleMs;
    await this.content.drain(() => this.clock.monotonicMs() > untilMs);
  }

  /** Bytes of an object as the local disk has a copy of them, not verified; false: it has not all. */
  copy(key: string, offset: number, target: Uint8Array): Promise<boolean> {
    return this.copies?.copy(key, offset, target) ?? Promise.resolve(false);
  }

  /** What memory has of a stored extent: only of a file without anything newer, for there the pages are what a verified read or a client gave. */
  pages(id: FileId, { offset, length }: Extent, target: Uint8Array): Promise<boolean> {
    const file = this.files.get(id);
    if (file === undefined || file.isUnstored || file.gone) return Promise.resolve(false);
    for (let at = offset; at < offset + length; ) {
      const index = Math.floor(at / pageBytes);
      const from = at - index * pageBytes;
      const to = Math.min(pageBytes, offset + length - index * pageBytes);
      const page = file.pages.get(index);
      if (page === undefined || !page.valid.covers(from, to)) return Promise.resolve(false);
      target.set(page.buffer.bytes.subarray(from, to), at - offset);
      at += to - from;
    }
    return Promise.resolve(true);
  }

  /** See `Garbage.unreferenced`. */
  unreferenced(): AsyncGenerator<Unreferenced> {
    return this.garbage.unreferenced();
  }

  /** See `Garbage.pass`. */
  collect(): Promise<{ readonly deleted: number; readonly bytes: number }> {
    return this.garbage.pass();
  }

  /** See `Garbage.replace`. */
  replace(pieces: readonly KnownBytes[]): Promise<boolean> {
    return this.garbage.replace(pieces);
  }

  /** A pack's row was made anew: what is remembered of the old one is not right. */
  forgetPack(id: PackId): void {
    if (!this.packs.open.has(id)) this.packs.forget(id);
  }
}
