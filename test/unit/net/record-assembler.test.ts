import { describe, expect, test } from "bun:test";
import { headBytesMin, recordMarking } from "#net/index.ts";
import { RecordAssembler } from "#net/record-assembler.ts";
import { record } from "./helpers.ts";

/** Numbers that follow from a seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

function assemble(stream: Uint8Array, chunkLength: (left: number) => number, max = 2 ** 21): { messages: Uint8Array[]; slicesMax: number; failed: boolean } {
  const assembler = new RecordAssembler(recordMarking, max);
  const messages: Uint8Array[] = [];
  let slicesMax = 0;
  for (let at = 0; at < stream.length; ) {
    const chunk = stream.slice(at, at + Math.max(1, chunkLength(stream.length - at)));
    at += chunk.length;
    for (let i = 0; i < chunk.length; ) {
      i = assembler.take(chunk, i);
      if (assembler.failed) return { messages, slicesMax, failed: true };
      if (!assembler.complete) continue;
      const { head, tail, tailBytes } = assembler;
      const whole = new Uint8Array(Buffer.concat([head, ...tail]));
      expect(head.length).toBeGreaterThanOrEqual(Math.min(whole.length, headBytesMin));
      expect(tailBytes).toBe(whole.length - head.length);
      slicesMax = Math.max(slicesMax, 1 + tail.length);
      messages.push(whole);
      assembler.clear();
    }
  }
  expect(assembler.idle).toBe(true);
  return { messages, slicesMax, failed: false };
}

describe("a record in pieces", () => {
  const payload = Uint8Array.from({ length: 40 }, (_, i) => i);

  test("in one to four fragments, cut at every byte", () => {
    for (const stream of [record(payload), record(payload, 7), record(payload, 0, 0, 40), record(payload, 1, 2, 39)]) {
      for (let cut = 1; cut < stream.length; cut++) {
        const { messages } = assemble(stream, (left) => (left === stream.length ? cut : left));
        expect(messages).toEqual([payload]);
      }
      expect(assemble(stream, () => 1).messages).toEqual([payload]);
    }
  });

  test("random records, fragments and chunks come out as they went in", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = numbers(seed);
      const sent: Uint8Array[] = [];
      const streams: Uint8Array[] = [];
      for (let i = 0; i < 6; i++) {
        const message = new Uint8Array(next(4) === 0 ? next(700_000) : next(3000)).map((_, at) => at * 31 + seed);
        const cuts = Array.from({ length: next(4) }, () => next(message.length + 1)).sort((a, b) => a - b);
        sent.push(message);
        streams.push(record(message, ...cuts));
      }
      const chunkMax = [50, 1500, 70_000, 600_000][next(4)]!;
      const { messages } = assemble(new Uint8Array(Buffer.concat(streams)), () => 1 + next(chunkMax));
      expect({ seed, same: Buffer.compare(Buffer.concat(messages), Buffer.concat(sent)) }).toEqual({ seed, same: 0 });
      expect({ seed, lengths: messages.map((m) => m.length) }).toEqual({ seed, lengths: sent.map((m) => m.length) });
    }
  });

  test("a large record in large chunks is not copied but for its head", () => {
    const stream = record(new Uint8Array(2 ** 20));
    const assembler = new RecordAssembler(recordMarking, 2 ** 21);
    const chunks = [stream.slice(0, 500_000), stream.slice(500_000)];
    for (const chunk of chunks) assembler.take(chunk, 0);
    expect(assembler.complete).toBe(true);
    expect(assembler.head.buffer).toBe(chunks[0]!.buffer);
    expect(assembler.tail[0]!.buffer).toBe(chunks[1]!.buffer);
  });

  test("where the first piece is short, no more than the head is put together", () => {
    const stream = record(Uint8Array.from({ length: 400_000 }, (_, i) => i));
    const assembler = new RecordAssembler(recordMarking, 2 ** 21);
    const chunks = [stream.slice(0, 100), stream.slice(100, 200_000), stream.slice(200_000)];
    for (const chunk of chunks) assembler.take(chunk, 0);
    expect(assembler.head.length).toBe(headBytesMin);
    expect(assembler.tail.map((slice) => slice.buffer)).toEqual([chunks[1]!.buffer, chunks[2]!.buffer]);
    expect(Buffer.compare(Buffer.concat([assembler.head, ...assembler.tail]), stream.subarray(4))).toBe(0);
  });

  test("a sender of single bytes costs buffers, not an object a byte", () => {
    const { slicesMax } = assemble(record(new Uint8Array(200_000)), () => 1);
    expect(slicesMax).toBeLessThan(12);
  });

  test("memory follows what arrived, and a small piece does not keep its large chunk", () => {
    const assembler = new RecordAssembler(recordMarking, 2 ** 30);
    const chunk = new Uint8Array(500_000);
    new DataView(chunk.buffer).setUint32(499_990, 0xa0000000);
    assembler.take(chunk, 499_990);
    expect(assembler.keptBytes).toBeLessThan(1024);
  });

  test("a promise above the maximum fails at once, in one fragment or summed up", () => {
    const header = (value: number) => new Words32(value).bytes;
    expect(assemble(header(0xffffffff), () => 4, 1000).failed).toBe(true);
    expect(assemble(header(0x80000000 | 1001), () => 4, 1000).failed).toBe(true);
    expect(assemble(record(new Uint8Array(1001), 600), () => 5000, 1000).failed).toBe(true);
    expect(assemble(record(new Uint8Array(1000), 600), () => 5000, 1000).failed).toBe(false);
  });
});

class Words32 {
  readonly bytes = new Uint8Array(4);
  constructor(value: number) {
    new DataView(this.bytes.buffer).setUint32(0, value);
  }
}
