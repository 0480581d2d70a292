import { type Framing, headerBytes } from "./framing.ts";

/** A message begins with at least this many contiguous bytes, or all of it: enough for everything but a payload. */
export const headBytesMin = 8 * 1024;
/** A message up to this size that came in pieces is copied into one buffer. */
const joinBytesMax = 32 * 1024;
/** A piece from this size on is kept as it came, unless it is a small part of a large chunk, which it would keep alive. */
const sliceBytesMin = 16 * 1024;
const sliceShareMin = 4;
/** Smaller pieces are gathered in buffers that grow from the one size to the other. */
const gatherBytesMin = 512;
const gatherBytesMax = 64 * 1024;

/**
 * Puts together one message that does not lie whole in a received chunk. Memory follows what has arrived, never what a header
 * promises; a sender of single bytes costs buffers, not an object a byte.
 */
export class RecordAssembler {
  /** The header was refused, or promises more than the maximum: the stream can't go on. */
  failed = false;
  /** A whole message is in `head` and `tail`; `clear` before the next `take`. */
  complete = false;
  /** Memory kept for the message begun. */
  keptBytes = 0;
  head: Uint8Array = nothing;
  tail: readonly Uint8Array[] = noSlices;
  tailBytes = 0;

  /** May change between two calls of `take`. */
  messageBytesMax: number;
  private readonly framing: Framing;
  private headerHave = 0;
  private header = 0;
  private inFragment = false;
  private isLast = false;
  private fragmentLeft = 0;
  /** Bytes of the message begun that have arrived. */
  total = 0;
  private parts: Uint8Array[] | null = null;
  private gather: Uint8Array | null = null;
  private gathered = 0;
  private gatherSize = gatherBytesMin;

  constructor(framing: Framing, messageBytesMax: number) {
    this.framing = framing;
    this.messageBytesMax = messageBytesMax;
  }

  /** Nothing of a message has arrived yet. */
  get idle(): boolean {
    return this.headerHave === 0 && !this.inFragment && this.total === 0 && !this.midRecord;
  }
  /** Bytes of the fragment begun that have not arrived; 0 where none is known to come. */
  get lacking(): number {
    return this.inFragment ? this.fragmentLeft : 0;
  }
  /** Fragments came, the last one didn't, and they were all empty. */
  private midRecord = false;

  /** Takes bytes of `chunk` from `at` up to the end of the chunk or of the message; gives the position after them. */
  take(chunk: Uint8Array, at: number): number {
    for (;;) {
      if (!this.inFragment) {
        while (this.headerHave < headerBytes && at < chunk.length) {
          this.header = (this.header << 8) | chunk[at++]!;
          this.headerHave++;
        }
        if (this.headerHave < headerBytes) return at;
        this.headerHave = 0;
        const length = this.framing.lengthOf(this.header);
        if (length < 0 || this.total + length > this.messageBytesMax) {
          this.failed = true;
          return at;
        }
        this.isLast = this.framing.isLast(this.header);
        this.fragmentLeft = length;
        this.inFragment = true;
        this.midRecord = true;
      }
      const length = Math.min(this.fragmentLeft, chunk.length - at);
      if (length > 0) {
        this.append(chunk, at, at + length);
        at += length;
        this.fragmentLeft -= length;
      }
      if (this.fragmentLeft > 0) return at;
      this.inFragment = false;
      if (this.isLast) {
        this.finish();
        return at;
      }
    }
  }

  /** Forgets the message, whole or not. */
  clear(): void {
    this.complete = false;
    this.keptBytes = 0;
    this.head = nothing;
    this.tail = noSlices;
    this.tailBytes = 0;
    this.inFragment = false;
    this.midRecord = false;
    this.total = 0;
    this.parts = null;
    this.gather = null;
    this.gathered = 0;
    this.gatherSize = gatherBytesMin;
  }

  private append(chunk: Uint8Array, from: number, to: number): void {
    const length = to - from;
    this.total += length;
    if (length >= sliceBytesMin && length * sliceShareMin >= chunk.length) {
      this.seal();
      this.parts ??= [];
      this.parts.push(chunk.subarray(from, to));
      this.keptBytes += length;
      return;
    }
    while (from < to) {
      if (this.gather === null) {
        this.gather = new Uint8Array(Math.max(Math.min(to - from, gatherBytesMax), this.gatherSize));
        this.gatherSize = Math.min(this.gather.length * 2, gatherBytesMax);
        this.keptBytes += this.gather.length;
      }
      const n = Math.min(to - from, this.gather.length - this.gathered);
      this.gather.set(chunk.subarray(from, from + n), this.gathered);
      this.gathered += n;
      from += n;
      if (this.gathered === this.gather.length) this.seal();
    }
  }

  private seal(): void {
    if (this.gather === null) return;
    this.parts ??= [];
    this.parts.push(this.gather.subarray(0, this.gathered));
    this.gather = null;
    this.gathered = 0;
  }

  private finish(): void {
    this.seal();
    this.complete = true;
    const parts = this.parts;
    if (parts === null) return;
    const first = parts[0]!;
    if (parts.length === 1) {
      this.head = first;
      return;
    }
    if (this.total > joinBytesMax && first.length >= headBytesMin) {
      this.head = first;
      this.tail = parts.slice(1);
      this.tailBytes = this.total - first.length;
      return;
    }
    const headLength = this.total <= joinBytesMax ? this.total : headBytesMin;
    const head = new Uint8Array(headLength);
    const tail: Uint8Array[] = [];
    let at = 0;
    for (const part of parts) {
      const n = Math.min(part.length, headLength - at);
      if (n > 0) head.set(n === part.length ? part : part.subarray(0, n), at);
      at += n;
      if (n < part.length) tail.push(part.subarray(n));
    }
    this.head = head;
    this.tail = tail;
    this.tailBytes = this.total - headLength;
  }
}

const nothing = new Uint8Array(0);
const noSlices: readonly Uint8Array[] = [];
