import type { Time } from "#base/time.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { Links } from "#telemetry/tracing/index.ts";
import type { Page, PageBuffer } from "./pages/index.ts";
import { PendingExtents } from "./pending.ts";
import type { OpenPackRef } from "./pack-table.ts";

/**
 * Dirty bytes of one page as a flush took them. The buffer is held until a pack has the bytes, so that a write meanwhile goes to
 * a copy; null from then on.
 */
export interface FlushPiece {
  readonly page: Page;
  buffer: PageBuffer | null;
  /** Within the page. */
  readonly start: number;
  readonly end: number;
}

/** A piece's buffer is held no more. */
export function letGo(piece: FlushPiece): void {
  piece.buffer?.release();
  piece.buffer = null;
}

/** A consistent cut of a file at a sequence number, on its way into the store. */
export interface FlushCut {
  readonly sequence: number;
  readonly size: number;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly cutTo: number;
  readonly pieces: readonly FlushPiece[];
  readonly pending: PendingExtents["list"];
  readonly dirtyBytes: number;
  readonly followed: Links | null;
}

/** What the file-state owner does when a state has nothing left to say. */
export interface StateOwner {
  idle(file: FileState): void;
}

/**
 * What memory knows of a file's content beyond the store: accepted but unstored changes, and pages. Dirty bytes of pages win over
 * pending extents, these over stored extents; of stored extents, bytes from `cutTo` on are cut. Flushes of a file are serial.
 */
export class FileState {
  readonly id: FileId;
  private readonly owner: StateOwner;
  readonly pages = new Map<number, Page>();
  readonly dirtyPages = new Set<Page>();
  readonly pending = new PendingExtents();
  /** Size and times with every accepted change; they speak while `sequence` is above the row's contentSequence. */
  size: number;
  mtime: Time;
  ctime: Time;
  change = 0;
  /** Log sequence of the last accepted change; 0: none. */
  sequence = 0;
  /** Log sequence of the oldest change that no cut has taken; 0: none. */
  firstSequence = 0;
  /** Stored bytes from here on were truncated away; -1: none. */
  cutTo = -1;
  /** Bytes in dirty ranges that no cut has taken. */
  dirtyBytes = 0;
  /** Of small writes to what it had already, since it is in memory. */
  rewrittenBytes = 0;
  /** Of small writes lately that wrote nothing over, and what the share had been written before the first of them (`rewriting.ts`). */
  writtenBytes = 0;
  writtenFrom = 0;
  /** Open packs that bytes of this file lie in, with the size they must be synced to. */
  readonly unsynced = new Map<OpenPackRef, number>();
  /** The cut on its way into the store. */
  flushing: FlushCut | null = null;
  /** First sequence of the cut being stored; the log may not forget it before. */
  flushingFirst = 0;
  /** When the oldest change of the cut being stored came, monotonic ms. */
  flushingSinceMs = 0;
  /** Rises with every change of what lies below the pages: a fill that waited meanwhile starts over. */
  lowerVersion = 0;
  /** Operations that hold this state across an allocation or a wait. */
  busy = 0;
  /** Requests whose changes no cut has taken, as far as they are followed. */
  followed: Links | null = null;
  /** No link is left. */
  gone = false;
  /** When the oldest change that no cut has taken came, monotonic ms. */
  dirtySinceMs = 0;

  constructor(owner: StateOwner, inode: Inode) {
    this.owner = owner;
    this.id = inode.id;
    this.size = inode.size;
    this.mtime = inode.mtime;
    this.ctime = inode.ctime;
  }

  get isUnstored(): boolean {
    return this.firstSequence !== 0 || this.flushing !== null;
  }

  /** Bytes accepted that the row does not count yet. */
  get unstoredBytes(): number {
    return this.dirtyBytes + this.pending.bytes + (this.flushing === null ? 0 : this.flushing.dirtyBytes);
  }

  /** Oldest log record of this file that the log must keep; 0: none. */
  get oldestSequence(): number {
    return this.flushing !== null ? this.flushingFirst : this.firstSequence;
  }

  /** When its oldest unstored change came, monotonic ms. */
  get unstoredSinceMs(): number {
    return this.flushing !== null ? this.flushingSinceMs : this.dirtySinceMs;
  }

  /** Stored bytes from here on must read as if they were not there. */
  get storedEnd(): number {
    const flushCut = this.flushing === null ? -1 : this.flushing.cutTo;
    if (this.cutTo < 0) return flushCut < 0 ? Number.MAX_SAFE_INTEGER : flushCut;
    return flushCut < 0 ? this.cutTo : Math.min(this.cutTo, flushCut);
  }

  /** Takes everything unstored as one consistent cut; newer changes begin a new one. */
  takeCut(): FlushCut {
    const pieces: FlushPiece[] = [];
    const pages = [...this.dirtyPages].sort((a, b) => a.index - b.index);
    for (const page of pages) {
      const ranges = page.dirty.take();
      page.flushing = true;
      for (let i = 0; i < ranges.count; i++) {
        page.buffer.retain();
        pieces.push({ page, buffer: page.buffer, start: ranges.start(i), end: ranges.end(i) });
      }
    }
    this.dirtyPages.clear();
    const { sequence, size, mtime, ctime, cutTo, dirtyBytes, followed } = this;
    const cut: FlushCut = { sequence, size, mtime, ctime, cutTo, pieces, pending: [...this.pending.list], dirtyBytes, followed };
    this.flushing = cut;
    this.followed = null;
    this.flushingFirst = this.firstSequence;
    this.flushingSinceMs = this.dirtySinceMs;
    this.firstSequence = 0;
    this.cutTo = -1;
    this.dirtyBytes = 0;
    return cut;
  }

  /** The cut is not on its way any more: its changes are the oldest that no cut has taken. */
  putBack(cut: FlushCut): void {
    this.flushing = null;
    this.followed = Links.both(cut.followed, this.followed);
    this.firstSequence = this.flushingFirst;
    this.dirtySinceMs = this.flushingSinceMs;
    if (cut.cutTo >= 0) this.cutStoredAt(cut.cutTo);
  }

  /** Stored bytes from `size` on are truncated away. */
  cutStoredAt(size: number): void {
    this.cutTo = this.cutTo < 0 ? size : Math.min(this.cutTo, size);
  }

  pageEvicted(): void {
    this.settle();
  }

  /** Lets go of a state that holds nothing. */
  settle(): void {
    if (this.pages.size === 0 && this.busy === 0 && !this.isUnstored) this.owner.idle(this);
  }
}
