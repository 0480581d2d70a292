import fs from "node:fs";
import type { Clock, Timer } from "./clock.ts";

export interface ReusedMemoryOptions {
  /** The size of every piece. */
  readonly pieceBytes: number;
  /** Who wants less gets memory of just that length, which is not kept: a whole piece would hold too much for it. */
  readonly wantedBytesMin?: number;
  /** Pieces kept for the next who want one; `Infinity`: as many as were in use at once. */
  readonly keptMax: number;
  /** Pieces that nobody takes in this time are let go of; without it they are kept for good. */
  readonly idle?: { readonly clock: Clock; readonly ms: number };
  /** The next fresh piece is touched by the thread pool before it is asked for. */
  readonly touchedAhead?: boolean;
}

/** Reads as zeros without end. */
const zeros = "/dev/zero";
let zerosDescriptor: number | null = null;

/**
 * Memory in pieces of one size, used again and again. The first touch of each page of fresh memory costs the kernel more than to
 * copy a page's worth of bytes does, in a virtual machine many times as much: as much as to encrypt it, or a third of the time in
 * which it is received. The piece given back last is taken first: it may be in the CPU's cache.
 */
export class ReusedMemory {
  keptMax: number;
  /** Pieces that were fresh, not used again. */
  made = 0;
  private readonly pieceBytes: number;
  private readonly wantedBytesMin: number;
  private readonly idle: { readonly clock: Clock; readonly ms: number } | null;
  private readonly touchedAhead: boolean;
  private kept: Uint8Array[] = [];
  private taken = 0;
  private watching: Timer | null = null;
  private touched: Uint8Array | null = null;
  private touching = false;

  constructor(options: ReusedMemoryOptions) {
    this.pieceBytes = options.pieceBytes;
    this.wantedBytesMin = options.wantedBytesMin ?? 0;
    this.keptMax = options.keptMax;
    this.idle = options.idle ?? null;
    this.touchedAhead = options.touchedAhead ?? false;
  }

  /** `bytes` bytes, whatever is in them; more than a piece has is not kept afterwards. */
  take(bytes: number): Uint8Array {
    if (bytes < this.wantedBytesMin || bytes > this.pieceBytes) return new Uint8Array(bytes);
    this.taken++;
    const piece = this.kept.pop() ?? this.fresh();
    return bytes === this.pieceBytes ? piece : piece.subarray(0, bytes);
  }

  /** Takes back what `take` gave; nobody reads or writes it any more. */
  give(bytes: Uint8Array): void {
    if (bytes.buffer.byteLength !== this.pieceBytes || this.kept.length >= this.keptMax) return;
    this.kept.push(bytes.byteLength === this.pieceBytes ? bytes : new Uint8Array(bytes.buffer));
    if (this.watching === null && this.idle !== null) this.watch(this.idle.clock, this.idle.ms);
  }

  /** What is given back from now on is let go of. */
  close(): void {
    this.watching?.cancel();
    this.kept = [];
    this.keptMax = 0;
  }

  private watch(clock: Clock, ms: number): void {
    const { taken } = this;
    this.watching = clock.after(ms, () => {
      this.watching = null;
      if (this.taken === taken) this.kept = [];
      else this.watch(clock, ms);
    });
  }

  private fresh(): Uint8Array {
    this.made++;
    const piece = this.touched ?? new Uint8Array(this.pieceBytes);
    this.touched = null;
    if (this.touchedAhead && !this.touching) this.touch();
    return piece;
  }

  private touch(): void {
    const piece = new Uint8Array(this.pieceBytes);
    // A read writes every byte. Where it fails, the piece is as good as one that was never touched.
    const done = (): void => {
      this.touching = false;
      this.touched = piece;
    };
    this.touching = true;
    try {
      zerosDescriptor ??= fs.openSync(zeros, "r");
      fs.read(zerosDescriptor, piece, 0, this.pieceBytes, null, done);
    } catch {
      done();
    }
  }
}
