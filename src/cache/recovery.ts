import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Time } from "#base/time.ts";
import { PackState } from "#model/change-set.ts";
import type { FsCode } from "#model/fs-error.ts";
import { MissingObjectError } from "#model/block-store.ts";
import type { Inode } from "#model/inode.ts";
import type { FileId, PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { FileTable, LaidRun } from "./file-table.ts";
import type { ContentTap } from "#model/history.ts";
import { LeftOut, systemFiles, type LogDamage, type LogRecord, type LostRecord } from "./log/index.ts";
import { lostBytes } from "./lost-bytes.ts";
import { OpenPackRef, type PackTable } from "./pack-table.ts";
import { listOpenPacks, packKey, payloadCrc, spareName } from "./packs/index.ts";

/** What a start found in the log. */
export interface Recovered {
  readonly records: number;
  /** Records whose change the store did not have yet. */
  readonly replayed: number;
  readonly replayedBytes: number;
  /** Pointers whose payload was not on the disk: never acknowledged. */
  readonly unfinished: number;
  readonly tornBytes: number;
  /** Whole records in the torn tail: a power cut leaves some at times, and so does a disk that damages what was acknowledged. */
  readonly tornWhole: number;
  /** What the disk did to records that were synced; null: nothing that is known. */
  readonly damage: LogDamage | null;
}

/** A range of a file that can't be read since the disk damaged the log. */
export interface LostRange {
  readonly file: FileId;
  readonly offset: number;
  readonly length: number;
}

/** So many of them are told to the log. */
const lostRangesMax = 100;

/** Reads payloads in pieces of this to check them. */
const checkBytes = 1024 * 1024;

/**
 * Accepts the log's records again, in order, those the store already covers left out: contentSequence says which. Acts on pages
 * and pending extents exactly as the clients' calls did; the flusher then stores them.
 */
export class Replay {
  private readonly files: FileTable;
  private readonly packs: PackTable;
  private readonly store: MetadataStore;
  /** Is told of records after this one that are applied. */
  private readonly tap: ContentTap | null;
  private readonly tellAfter: number;
  private readonly inodes = new Map<FileId, Inode | null>();
  private readonly directory: string;
  private readonly clock: Clock;
  private readonly leftOut: LeftOut;
  /** The first of those that can't be read any more. */
  readonly lost: LostRange[] = [];
  /** Damaged records that were left out: the store has their change, or the file is gone. */
  lostLeftOut = 0;
  private records = 0;
  private replayed = 0;
  private replayedBytes = 0;
  private unfinished = 0;
  /** When the oldest change was made that the store did not have yet; null: there was none. */
  oldest: Time | null = null;

  /** `directory`: where the log lies. */
  constructor(directory: string, files: FileTable, packs: PackTable, store: MetadataStore, clock: Clock, tap: ContentTap | null = null, tellAfter = 0) {
    this.directory = directory;
    this.clock = clock;
    this.tap = tap;
    this.tellAfter = tellAfter;
    this.files = files;
    this.packs = packs;
    this.store = store;
    this.leftOut = new LeftOut(systemFiles, directory, store.identity.instance);
  }

  /** To be done before any pack is stored: what this start left out, no later one takes for written. */
  keepLeftOut(): Promise<void> {
    return this.leftOut.keep();
  }

  get result(): Omit<Recovered, "tornBytes" | "tornWhole" | "damage"> {
    const { records, replayed, replayedBytes, unfinished } = this;
    return { records, replayed, replayedBytes, unfinished };
  }

  accept(record: LogRecord | LostRecord): Maybe<void> {
    if (record.kind !== "lost") this.records++;
    if (this.leftOut.has(record.sequence)) this.leftOut.add(record.sequence);
    const inode = this.inodes.get(record.file);
    if (inode !== undefined) return this.apply(record, inode);
    const stored = this.store.inode(record.file);
    if (stored instanceof Promise) return stored.then((row) => this.applyFirst(record, row));
    return this.applyFirst(record, stored);
  }

  private applyFirst(record: LogRecord | LostRecord, inode: Inode | null): Maybe<void> {
    this.inodes.set(record.file, inode);
    return this.apply(record, inode);
  }

  private apply(record: LogRecord | LostRecord, inode: Inode | null): Maybe<void> {
    // One without a name may be open still: an open that outlives the server finds what was written through it.
    if (inode === null || record.sequence <= inode.contentSequence) {
      if (record.kind === "lost") this.lostLeftOut++;
      return;
    }
    if (record.kind === "pointer") return this.point(record, inode);
    if (record.kind === "clone") return this.clone(record, inode);
    if (record.kind === "lost") return this.lose(record, inode);
    const file = this.files.of(inode);
    if (record.kind === "write") this.files.writeToPages(file, record.offset, [record.data], record.length);
    else if (record.kind === "punch") this.files.lay(file, record.offset, [{ length: record.length, pack: null, packOffset: 0 }], record.sequence);
    else if (record.newSize < file.size) this.files.cutAt(file, record.newSize);
    this.done(record, inode);
  }

  private async point(record: LogRecord & { kind: "pointer" }, inode: Inode): Promise<void> {
    const pack = await packOf(record.pack, this.packs, this.store);
    if (pack === null || this.leftOut.has(record.sequence) || !(await this.matches(record, pack))) {
      if (pack !== null) this.leftOut.add(record.sequence);
      this.unfinished++;
      return;
    }
    const file = this.files.of(inode);
    this.files.writeToPack(file, record.offset, null, record.length, pack, record.packOffset, record.sequence);
    this.done(record, inode);
  }

  private async matches(record: LogRecord & { kind: "pointer" }, pack: OpenPackRef): Promise<boolean> {
    if (record.packOffset + record.length > (pack.file?.size ?? pack.stored?.size ?? 0)) return false;
    if (pack.file !== null) return (await this.crcOf(record)) === record.payloadCrc;
    // A pack is put only after every payload of it was written and synced, or found wrong by a start that noted it: one that is stored has this
    // one. Reading it again would ask a bucket that may be away, and to leave the record out then would lose what was acknowledged.
    if (!this.leftOut.isDamaged) return true;
    const crc = await this.crcOf(record);
    if (crc === "jukebox") throw new Error(`the log's list of writes that were left out, ${this.directory}/left-out, is damaged, and the block store, which could tell them, is away: start again when it is back`);
    return typeof crc === "string" || crc === record.payloadCrc;
  }

  /** The CRC-32 of what is there, or why it can't be read. */
  private async crcOf({ pack, packOffset, length }: LogRecord & { kind: "pointer" }): Promise<number | FsCode> {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < length; at += checkBytes) {
      const piece = new Uint8Array(Math.min(checkBytes, length - at));
      try {
        const error = await this.packs.read(pack, packOffset + at, piece);
        if (error !== null) return error.code;
      } catch (error) {
        if (error instanceof MissingObjectError) return "io";
        throw error;
      }
      pieces.push(piece);
    }
    return payloadCrc(pieces);
  }

  /**
   * The packs of a clone were stored before its record was made, and are kept until that is stored too, or its file has no name any more. So
   * one that is missing is damage, and to go on without it would be to lose what was acknowledged.
   */
  private async clone(record: LogRecord & { kind: "clone" }, inode: Inode): Promise<void> {
    const runs: LaidRun[] = [];
    for (const { length, pack, packOffset } of record.runs) {
      const ref = pack === 0 ? null : await packOf(pack, this.packs, this.store);
      if (pack !== 0 && ref === null) {
        if (inode.links > 0) throw new Error(this.damage(record, pack));
        this.unfinished++;
        return;
      }
      runs.push({ length, pack: ref, packOffset });
    }
    this.files.lay(this.files.of(inode), record.offset, runs, record.sequence);
    this.done(record, inode);
  }

  /** What a damaged record wrote is not what lay there before: nothing is read there until something else is written. */
  private async lose(record: LostRecord, inode: Inode): Promise<void> {
    const { file, sequence, offset, length, newSize, mtime } = record;
    if (length === 0) return;
    if (this.lost.length < lostRangesMax) this.lost.push({ file, offset, length });
    const runs = await lostBytes(this.store, this.packs, this.clock, length);
    const state = this.files.of(inode);
    this.files.lay(state, offset, runs, sequence);
    state.pending.lost = true;
    this.done({ kind: "clone", file, sequence, offset, newSize, mtime, runs: runs.map((run) => ({ ...run, pack: run.pack?.id ?? (0 as PackId) })) }, inode);
  }

  private damage({ sequence, file, offset }: LogRecord & { kind: "clone" }, pack: PackId): string {
    return (
      `the log in ${this.directory} is damaged, or of another time than the share's metadata: its record ${sequence} has file ${file} share bytes of pack ${pack} from offset ${offset} on, and there is no such pack. ` +
      "Put back the metadata and the block store that belong to it; or move that directory away to go on without all that was written and not stored yet"
    );
  }

  private done(record: LogRecord, inode: Inode): void {
    const file = this.files.of(inode);
    const mtime = record.sequence > inode.mtimeSequence ? record.mtime : inode.mtime;
    // A record's own size counts bytes of earlier writes too, which may have been left out: size never goes without data.
    const size = record.kind === "truncate" ? record.newSize : record.kind === "punch" ? file.size : Math.max(file.size, record.offset + lengthOf(record));
    this.files.accept(file, record.sequence, size, mtime, record.mtime.isAfter(file.ctime) ? record.mtime : file.ctime);
    this.replayed++;
    if (this.oldest === null || this.oldest.isAfter(record.mtime)) this.oldest = record.mtime;
    if (this.tap !== null && record.sequence > this.tellAfter) tell(this.tap, record);
    if (record.kind === "write" || record.kind === "pointer") this.replayedBytes += record.length;
  }
}

function lengthOf(record: LogRecord & { kind: "write" | "pointer" | "clone" }): number {
  if (record.kind !== "clone") return record.length;
  return record.runs.reduce((sum, { length }) => sum + length, 0);
}

/** The data of a record is good only until the next is read. */
function tell(tap: ContentTap, record: LogRecord): void {
  const { file, sequence, newSize, mtime } = record;
  if (record.kind === "truncate") return tap.truncated(file, sequence, newSize, mtime);
  const { offset } = record;
  if (record.kind === "clone") return tap.cloned(file, sequence, offset, record.runs, newSize, mtime);
  const { length } = record;
  if (record.kind === "punch") return tap.punched(file, sequence, offset, length, newSize, mtime);
  if (record.kind === "write") tap.wrote(file, sequence, offset, [record.data.slice()], length, newSize, mtime);
  else tap.pointed(file, sequence, offset, length, newSize, mtime, record.pack, record.packOffset, record.payloadCrc);
}

/** Deletes pack files of an earlier run that no record needs. */
export async function removeLeftovers(packs: PackTable, logger: Logger): Promise<void> {
  for (const name of await readdir(packs.directory)) if (spareName.test(name)) await rm(join(packs.directory, name), { force: true });
  for (const id of await listOpenPacks(packs.directory)) {
    if (packs.open.has(id)) continue;
    const file = await packs.reopen(id);
    if (file === null) continue;
    logger.debug({ pack: id, bytes: file.size }, "removing a pack that was begun and never needed");
    await file.abandon();
  }
}

async function packOf(id: PackId, packs: PackTable, store: MetadataStore): Promise<OpenPackRef | null> {
  const open = packs.open.get(id);
  if (open !== undefined) return open;
  const file = await packs.reopen(id);
  const row = await store.pack(id);
  if (file !== null) {
    // Files may refer to it already: a power cut brings back the name of one that was stored.
    const ref = new OpenPackRef(id, row?.key ?? packKey(store.identity.instance, id), file);
    packs.open.set(id, ref);
    return ref;
  }
  if (row === null) return null;
  const { key, size, frames } = row;
  const ref = new OpenPackRef(id, key, null);
  const stored = frames.length > 0 ? { key, size, frames } : await packs.fromObject(id, key);
  if (stored === null) return null;
  ref.stored = stored;
  ref.adopted = row.state === PackState.live;
  packs.open.set(id, ref);
  return ref;
}
