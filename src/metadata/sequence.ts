import { assert } from "#base/assert.ts";

/**
 * The share's rising sequence: ids, cookies and change numbers. Numbers below `limit` are reserved durably, so that a crash
 * continues above it and none is handed out twice. `reserve` is asked for a new limit when the numbers run out.
 */
export class Sequence {
  private next: number;
  /** Numbers below are set aside durably. */
  limit: number;
  private readonly reserve: () => number;

  /** `reserve` returns the new limit, above the old one, once it is durable. */
  constructor(next: number, limit: number, reserve: () => number) {
    this.next = next;
    this.limit = limit;
    this.reserve = reserve;
  }

  draw(): number {
    if (this.next >= this.limit) this.limit = this.reserve();
    const drawn = this.next;
    assert(drawn < this.limit && drawn < Number.MAX_SAFE_INTEGER, "the share's sequence ran out of numbers");
    this.next = drawn + 1;
    return drawn;
  }

  /** The next `draw` gives this: what was drawn is drawn again. */
  goTo(next: number): void {
    this.next = next;
  }

  /** The number the next `draw` gives. */
  peek(): number {
    return this.next;
  }

  /** Numbers that are left of the durable reservation. */
  left(): number {
    return this.limit - this.next;
  }

  /** A higher limit has become durable. */
  raise(limit: number): void {
    if (limit > this.limit) this.limit = limit;
  }
}
