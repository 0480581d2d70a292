import { describe, expect, test } from "bun:test";
import { giveBack, lend } from "#base/lent-memory.ts";
import { type DirectReceive, linuxDirectReceive } from "#base/direct-receive.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { type RawClient, record, reply, until } from "./helpers.ts";
import { bytes, endAfterEach, start, text } from "./servers.ts";

endAfterEach();

const mebibyte = 2 ** 20;
const system = linuxDirectReceive();

function filled(length: number, seed: number): Uint8Array {
  const all = new Uint8Array(length);
  for (let i = 0; i < length; i++) all[i] = (i * 31 + seed + (i >>> 8)) & 0xff;
  return all;
}

if (system === null) console.log("skipped: large messages received directly: there is no recv(2) to be called here");
// Only where the kernel is asked directly: the reason is printed.
describe.skipIf(system === null)("large messages received directly", () => {
  const kernel = system as DirectReceive;

  test("arrive whole, among small ones and in fragments, and much of them comes directly", async () => {
    let direct = 0;
    const receiver: DirectReceive = {
      receive(fd, into, length) {
        const got = kernel.receive(fd, into, length);
        direct += got;
        return got;
      },
    };
    const { connect, messages } = start({ receiver, limits: { messageBytesMax: 4 * mebibyte } });
    const client = await connect();
    const payloads = [filled(mebibyte + 116, 1), bytes("small"), filled(2 * mebibyte, 2), filled(mebibyte, 3), bytes("last")];
    for (const payload of payloads) client.send(payload.length === mebibyte ? record(payload, 700_000, 700_003) : record(payload));
    await until(() => messages.length === payloads.length);
    for (const [i, payload] of payloads.entries()) expect(Buffer.compare(messages[i]!.bytes, payload)).toBe(0);
    for (const message of messages) reply(message, bytes("done"));
    for (let i = 0; i < payloads.length; i++) expect(text(await client.record())).toBe("done");
    expect(direct).toBeGreaterThan(mebibyte);
  });

  test("a client that is alone is received from for longer than one beside which another asks little", async () => {
    const longestTurn = async (idle: number): Promise<number> => {
      const turns: number[] = [];
      let turnBytes = 0;
      let left = 16;
      // Nothing ever has to be waited for: after the beginning of each message its rest.
      const receiver: DirectReceive = {
        receive(_, into, length) {
          if (length < 16 * 1024 && left-- <= 0) return 0;
          if (length < 16 * 1024) new DataView(into.buffer, into.byteOffset).setUint32(0, 0x80000000 + mebibyte);
          if (turnBytes === 0)
            setImmediate(() => {
              turns.push(turnBytes);
              turnBytes = 0;
            });
          turnBytes += length;
          return length;
        },
      };
      let seen = 0;
      const handler = {
        message(from: { requestDone(bytes: number): void }, _: Uint8Array, at: number, end: number, tail: readonly Uint8Array[], tailBytes: number): void {
          seen++;
          giveBack(tail);
          from.requestDone(end - at + tailBytes);
        },
      };
      const { connect } = start({ receiver, limits: { messageBytesMax: 4 * mebibyte }, handler });
      const client = await connect();
      for (let i = 0; i < idle; i++) await connect();
      client.send(record(filled(mebibyte, 1)).subarray(0, 64 * 1024));
      await until(() => seen === 17);
      return Math.max(...turns);
    };
    // Two turns may end in one round of the event loop.
    const alone = await longestTurn(0);
    expect(alone).toBeLessThan(9 * mebibyte);
    expect(alone).toBeGreaterThan(1.5 * (await longestTurn(1)));
  });

  test("in whatever pieces they come, and memory given back meanwhile is used again for others only", async () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new SeededRandom(seed);
      // As little as the kernel has at times, and nothing at others.
      const receiver: DirectReceive = { receive: (fd, into, length) => (random.below(5) === 0 ? 0 : kernel.receive(fd, into, 1 + random.below(length))) };
      const wrong: number[] = [];
      let seen = 0;
      const payloads = Array.from({ length: 12 }, (_, i) => filled(random.below(3) === 0 ? random.below(20_000) : random.below(2 * mebibyte), seed * 100 + i));
      const { connect } = start({
        receiver,
        limits: { messageBytesMax: 4 * mebibyte },
        handler: {
          message(from, head, at, end, tail, tailBytes) {
            const whole = Buffer.concat([head.subarray(at, end), ...tail]);
            if (Buffer.compare(whole, payloads[seen++]!) !== 0) wrong.push(seen);
            giveBack(tail);
            from.requestDone(end - at + tailBytes);
          },
        },
      });
      const client = await connect();
      for (const payload of payloads) client.send(record(payload));
      await until(() => seen === payloads.length);
      expect(wrong).toEqual([]);
    }
  });

  test("a connection reset while its bytes are received directly is noticed, and the next gets what is its own", async () => {
    for (let call = 1; call <= 12; call++) {
      let calls = 0;
      let client: RawClient | null = null;
      const receiver: DirectReceive = {
        receive(fd, into, length) {
          if (++calls === call) client!.close();
          return kernel.receive(fd, into, Math.min(length, 150_000));
        },
      };
      const seen = new Map<number, number>();
      const wrong: number[] = [];
      const { server, connect } = start({
        receiver,
        limits: { messageBytesMax: 8 * mebibyte },
        handler: {
          message(from, head, at, end, tail, tailBytes) {
            const number = seen.get(from.id) ?? 0;
            seen.set(from.id, number + 1);
            const own = from.id === 1 ? filled(mebibyte, number) : filled(2 * mebibyte, 7);
            if (Buffer.compare(Buffer.concat([head.subarray(at, end), ...tail]), own) !== 0) wrong.push(from.id);
            giveBack(tail);
            from.requestDone(end - at + tailBytes);
          },
        },
      });
      client = await connect();
      for (let i = 0; i < 3; i++) client.send(record(filled(mebibyte, i)));
      await until(() => calls >= call || seen.get(1) === 3);
      if (calls < call) client.close();
      await until(() => server.stats.connections === 0);
      expect([server.keptBytes, server.unfinishedBytes]).toEqual([0, 0]);
      // Another, which most likely has the same number now, gets what is its own.
      const next = await connect();
      client = next;
      calls = 100;
      next.send(record(filled(2 * mebibyte, 7)));
      await until(() => seen.get(2) === 1);
      expect(wrong).toEqual([]);
    }
  });

  test("past the bound of unfinished requests nothing more is received", async () => {
    const { connect, messages } = start({ limits: { unfinishedMax: 2, messageBytesMax: 4 * mebibyte } });
    const client = await connect();
    for (let i = 0; i < 6; i++) client.send(record(filled(mebibyte, i)));
    for (let i = 0; i < 6; i++) {
      await until(() => messages.length > i);
      expect(messages.length).toBeLessThanOrEqual(i + 2);
      expect(Buffer.compare(messages[i]!.bytes, filled(mebibyte, i))).toBe(0);
      reply(messages[i]!, bytes("done"));
    }
    for (let i = 0; i < 6; i++) expect(text(await client.record())).toBe("done");
  });
});

test("a client that stops in the middle of a large message costs no more than the time for that", async () => {
  const { server, clock, connect } = start({ limits: { messageBytesMax: 16 * mebibyte, messageStalledMs: 10_000, unsentStalledMs: 10_000 } });
  const client = await connect();
  client.send(record(filled(12 * mebibyte, 1)).subarray(0, 11 * mebibyte));
  await until(() => server.stats.bytesIn === 11 * mebibyte);
  // It was paused for others' turns, and is read again.
  await until(() => !server.list()[0]!.paused);
  expect(server.stats.pauses).toBeGreaterThan(0);
  for (let i = 0; i < 8; i++) clock.pass(5_000);
  expect(server.stats).toMatchObject({ connections: 0, stalled: 1 });
  expect(server.keptBytes).toBe(0);
  await client.untilClosed();
});

test("no small part of a piece is kept for a message that comes in many fragments: it is counted by its bytes", async () => {
  const pieceBytes = lend(1).buffer.byteLength;
  const shares: number[] = [];
  const { connect } = start({
    limits: { messageBytesMax: 8 * mebibyte },
    handler: {
      message(from, _head, at, end, tail, tailBytes) {
        for (const slice of tail) if (slice.buffer.byteLength === pieceBytes || slice.buffer.byteLength === mebibyte) shares.push(slice.length / slice.buffer.byteLength);
        from.requestDone(end - at + tailBytes);
      },
    },
  });
  const client = await connect();
  const cuts = Array.from({ length: 20 }, (_, i) => 700_000 + i * 50_000);
  client.send(record(filled(2_600_000, 1), ...cuts));
  await until(() => shares.length > 0);
  expect(Math.min(...shares)).toBeGreaterThanOrEqual(1 / 4);
});

test("a client that is gone in the middle of a large message is noticed", async () => {
  const { server, connect } = start({ limits: { messageBytesMax: 8 * mebibyte } });
  const client = await connect();
  client.send(record(filled(4 * mebibyte, 1)).subarray(0, 3 * mebibyte));
  await until(() => server.keptBytes > mebibyte);
  client.close();
  await until(() => server.stats.connections === 0);
  expect(server.keptBytes).toBe(0);
});

test("lent memory is used again once it is given back, and never before", () => {
  const first = lend(mebibyte);
  const second = lend(mebibyte);
  expect(first.buffer).not.toBe(second.buffer);
  giveBack([first.subarray(10, 20), new Uint8Array(5)]);
  giveBack([first.subarray(30, 40)]);
  const third = lend(mebibyte);
  expect(third.buffer).toBe(first.buffer);
  expect(lend(mebibyte).buffer).not.toBe(first.buffer);
});
