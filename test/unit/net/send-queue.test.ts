import { describe, expect, test } from "bun:test";
import type { GatheredWrite } from "#net/index.ts";
import { SendQueue, type Sink } from "#net/send-queue.ts";

/** A socket that takes as much as it is told to. */
class Kernel implements Sink {
  readonly fd = 3;
  room = Number.POSITIVE_INFINITY;
  closed = false;
  writes = 0;
  readonly taken: number[] = [];

  write(bytes: Uint8Array, from: number, length: number): number {
    if (this.closed) return -1;
    this.writes++;
    const n = Math.min(length, this.room);
    this.room -= n;
    for (let i = 0; i < n; i++) this.taken.push(bytes[from + i]!);
    return n;
  }
}

/** Gathering onto the same kernel. */
class Gather implements GatheredWrite {
  private readonly kernel: Kernel;
  private pieces: Uint8Array[] = [];
  sends = 0;
  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }
  clear(): void {
    this.pieces = [];
  }
  add(bytes: Uint8Array, from: number, to: number): boolean {
    if (this.pieces.length === 3) return false;
    this.pieces.push(bytes.subarray(from, to));
    return true;
  }
  send(): number {
    this.sends++;
    if (this.kernel.closed) return 0;
    const all = new Uint8Array(Buffer.concat(this.pieces));
    const writes = this.kernel.writes;
    const n = this.kernel.write(all, 0, all.length);
    this.kernel.writes = writes;
    return n;
  }
}

const bytes = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i);

for (const gathered of [true, false]) {
  describe(gathered ? "with gathered writes" : "one write a piece", () => {
    const setUp = () => {
      const kernel = new Kernel();
      const gather = gathered ? new Gather(kernel) : null;
      let releases = 0;
      const lender = { release: () => void releases++ };
      return { kernel, gather, queue: new SendQueue(kernel, gather), lender, releases: () => releases };
    };

    test("all is sent in order, whatever the socket takes at a time", () => {
      for (let room = 0; room < 60; room++) {
        const { kernel, queue, lender, releases } = setUp();
        kernel.room = room;
        queue.send(bytes(0, 10), 10);
        queue.sendWithPayload(bytes(10, 10), 10, [bytes(20, 5), bytes(25, 5), bytes(30, 1), bytes(31, 4), bytes(35, 5)], lender);
        queue.send(bytes(40, 10), 10);
        expect(queue.unsentBytes).toBe(50 - Math.min(room, 50));
        expect(releases()).toBe(room >= 40 ? 1 : 0);
        for (let drains = 0; queue.unsentBytes > 0 && drains < 60; drains++) {
          kernel.room = 3;
          queue.drain();
        }
        expect(kernel.taken).toEqual([...bytes(0, 50)]);
        expect(queue.takeSent()).toBe(50);
        expect(queue.takeSent()).toBe(0);
        expect(releases()).toBe(1);
      }
    });

    test("the caller's buffer is the caller's again", () => {
      const { kernel, queue, lender } = setUp();
      kernel.room = 4;
      const mine = bytes(0, 10);
      queue.send(mine, 10);
      mine.fill(99);
      const head = bytes(10, 5);
      queue.sendWithPayload(head, 5, [bytes(15, 5)], lender);
      head.fill(99);
      kernel.room = 100;
      queue.drain();
      expect(kernel.taken).toEqual([...bytes(0, 20)]);
    });

    test("a closed socket: what was lent is given back once, when it is found out or disposed of", () => {
      const { kernel, queue, lender, releases } = setUp();
      kernel.closed = true;
      queue.sendWithPayload(bytes(0, 5), 5, [bytes(5, 5), bytes(10, 5)], lender);
      expect(queue.broken).toBe(true);
      expect(releases()).toBe(1);
      queue.dispose();
      expect(releases()).toBe(1);

      const other = setUp();
      other.kernel.room = 7;
      other.queue.sendWithPayload(bytes(0, 5), 5, [bytes(5, 5), bytes(10, 5)], other.lender);
      other.queue.dispose();
      other.queue.dispose();
      expect(other.releases()).toBe(1);
      expect(other.queue.unsentBytes).toBe(0);
    });

    test("an empty payload is given back", () => {
      const { queue, lender, releases } = setUp();
      queue.sendWithPayload(bytes(0, 5), 5, [], lender);
      expect(releases()).toBe(1);
    });

    test("what is held leaves in order when it is drained, with what is sent behind it", () => {
      const { kernel, gather, queue, lender, releases } = setUp();
      const head = bytes(0, 5);
      queue.hold(head, 5, [bytes(5, 5)], lender);
      head.fill(99);
      queue.hold(bytes(10, 2), 2, [], lender);
      expect([kernel.taken.length, releases(), queue.unsentBytes]).toEqual([0, 0, 12]);
      queue.send(bytes(12, 3), 3);
      queue.drain();
      expect(kernel.taken).toEqual(Array.from({ length: 15 }, (_, i) => i));
      expect([releases(), queue.unsentBytes]).toEqual([2, 0]);
      if (gather !== null) expect(gather.sends).toBe(1);
      queue.hold(bytes(0, 5), 5, [bytes(5, 5)], lender);
      queue.dispose();
      expect([releases(), queue.unsentBytes, kernel.taken.length]).toEqual([3, 0, 15]);
    });

    test("a payload is one system call where gathering is, and each piece's write otherwise", () => {
      const { kernel, gather, queue, lender } = setUp();
      queue.sendWithPayload(bytes(0, 5), 5, [bytes(5, 5), bytes(10, 5)], lender);
      expect(kernel.writes).toBe(gathered ? 0 : 3);
      if (gather !== null) expect(gather.sends).toBe(1);
    });
  });
}
