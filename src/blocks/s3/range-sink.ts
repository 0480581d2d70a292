import type { Came } from "#model/block-store.ts";
import { Failure, type ResponseHead, type ResponseSink, TransportError } from "./http/message.ts";

/** Fills a target from the answers of one or several requests for a range of one object, each from where the last one stopped. */
export class RangeSink implements ResponseSink {
  readonly #key: string;
  readonly #offset: number;
  readonly #target: Uint8Array;
  readonly #came: Came | null;
  #etag: string | null = null;
  /** Bytes that have come. */
  done = 0;
  #cancelled = false;
  /** Bytes of the present answer yet to come. */
  #left = 0;

  constructor(key: string, offset: number, target: Uint8Array, came: Came | null = null) {
    this.#came = came;
    this.#key = key;
    this.#offset = offset;
    this.#target = target;
  }

  get complete(): boolean {
    return this.done === this.#target.byteLength;
  }

  /** The Range header of the next request. */
  get range(): string {
    return `bytes=${this.#offset + this.done}-${this.#offset + this.#target.byteLength - 1}`;
  }

  /** From now on nothing is written into the target, whatever still comes. */
  cancel(): void {
    this.#cancelled = true;
  }

  begin(head: ResponseHead): void {
    if (this.#cancelled) throw new TransportError(Failure.closed, "nobody waits for the answer any more");
    const etag = head.headers["etag"] ?? "";
    // Another object under the same key: what came of the first is no part of it.
    if (this.#etag !== null && this.#etag !== etag) {
      // Somebody may read what came of it already: that must not change.
      if (this.#came !== null && this.done > 0) throw new Error(`object ${this.#key} changed while it was read`);
      this.#etag = null;
      this.done = 0;
      throw new TransportError(Failure.cut, `object ${this.#key} changed while it was read`);
    }
    this.#etag = etag;
    const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(head.headers["content-range"] ?? "");
    if (head.status !== 206 || match === null) throw new TransportError(Failure.malformed, `asked for a range, the server answered with status ${head.status} and none`);
    const [from, last] = [Number(match[1]), Number(match[2])];
    const end = this.#offset + this.#target.byteLength;
    if (from !== this.#offset + this.done || last >= end) throw new TransportError(Failure.malformed, `asked for ${this.range}, the server answered with another range`);
    if (last !== end - 1) throw new RangeError(`object ${this.#key} ends at ${match[3]}, before ${end}`);
    this.#left = last - from + 1;
  }

  take(bytes: Uint8Array): void {
    if (this.#cancelled) throw new TransportError(Failure.closed, "nobody waits for the answer any more");
    if (bytes.byteLength > this.#left) throw new TransportError(Failure.malformed, "the body is longer than its range");
    this.#target.set(bytes, this.done);
    this.took(bytes.byteLength);
  }

  room(): Uint8Array | null {
    return this.#cancelled ? null : this.#target.subarray(this.done, this.done + this.#left);
  }

  took(bytes: number): void {
    this.done += bytes;
    this.#left -= bytes;
    this.#came?.(this.done);
  }
}
