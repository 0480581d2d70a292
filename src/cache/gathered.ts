import type { Extent } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackedFile, ShareHistory } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { type FileState, type FlushCut, type FlushPiece, letGo } from "./file-state.ts";
import { followAlso } from "./followed.ts";
import type { OpenPackRef } from "./pack-table.ts";
import { pageBytes } from "./pages/index.ts";
import { PendingExtents } from "./pending.ts";

/** Bytes, and slices of them, copied into packs by one write and between two turns of the event loop. */
const gatheredBytes = 2 * 1024 * 1024;
const gatheredSlices = 1024;

/** A file's cut on its way into the store, with where its dirty bytes are by now. */
export interface Job {
  readonly file: FileState;
  readonly cut: FlushCut;
  readonly extents: Extent[];
}

/** Dirty bytes of several files and places that go into a pack by one write. */
export class Gathered {
  length = 0;
  private slices: Uint8Array[] = [];
  /** The stretch of memory that the next slice will be: small files that came together lie one behind the other. */
  private memory: Uint8Array | null = null;
  private from = 0;
  private to = 0;
  private pieces: FlushPiece[] = [];
  private runs: { readonly job: Job; readonly offset: number; readonly length: number; readonly at: number }[] = [];

  get isFull(): boolean {
    return this.length >= gatheredBytes || this.slices.length >= gatheredSlices - 1;
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
      this.take(piece);
      this.pieces.push(piece);
      this.length += piece.end - piece.start;
      next++;
    } while (next < pieces.length && !this.isFull);
    this.runs.push({ job, offset, length: this.length - at, at });
    return next;
  }

  private take({ buffer, start, end }: FlushPiece): void {
    const { slab, slot, bytes } = buffer as NonNullable<typeof buffer>;
    const at = slot * bytes.length + start;
    if (slab.memory !== this.memory || at !== this.to) {
      this.endSlice();
      this.memory = slab.memory;
      this.from = at;
    }
    this.to = at + end - start;
  }

  private endSlice(): void {
    if (this.memory !== null) this.slices.push(this.memory.subarray(this.from, this.to));
    this.memory = null;
  }

  /** Has the thread pool write everything, then lets go of the buffers and tells each job where its bytes are. */
  async appendTo(pack: OpenPackRef): Promise<FsError | null> {
    this.endSlice();
    const start = await (pack.file as NonNullable<OpenPackRef["file"]>).appendAside(this.slices, this.length);
    if (start instanceof FsError) return start;
    for (const { job, offset, length, at } of this.runs) {
      job.extents.push({ offset, length, pack: pack.id, packOffset: start + at });
      followAlso(pack, job.cut.followed);
    }
    for (const piece of this.pieces) letGo(piece);
    this.slices = [];
    this.pieces = [];
    this.runs = [];
    this.length = 0;
    return null;
  }
}

/** Tells the history where dirty bytes are now. Packs that it points to are kept as those are that log records point to. */
export function tellPacked(history: ShareHistory, jobs: readonly Job[], packs: ReadonlySet<OpenPackRef>): void {
  const files = new Map<FileId, PackedFile>();
  let last = 0;
  for (const { file, cut, extents } of jobs) {
    if (extents.length === 0) continue;
    files.set(file.id, { sequence: cut.sequence, extents });
    last = Math.max(last, cut.sequence);
  }
  if (files.size === 0 || !history.packed(files)) return;
  for (const pack of packs) pack.lastSequence = Math.max(pack.lastSequence, last);
}

/** The pack of an extent that stores nothing. */
const hole = 0 as PackId;

/** The cut's new extents without overlaps, in order: dirty bytes lie over pending ones. */
export function layered(cut: FlushCut, dirty: readonly Extent[]): readonly Extent[] {
  if (cut.pending.length === 0) return dirty;
  const below = new PendingExtents();
  below.list = [...cut.pending];
  for (const extent of dirty) below.cut(extent.offset, extent.offset + extent.length);
  const kept = below.list.map(({ offset, length, pack, packOffset }): Extent => ({ offset, length, pack: pack?.id ?? hole, packOffset }));
  return dirty.length === 0 ? kept : [...kept, ...dirty].sort((a, b) => a.offset - b.offset);
}
