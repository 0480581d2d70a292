import { afterAll, describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { systemClock } from "#base/clock.ts";
import { type DirectReceive, linuxDirectReceive } from "#base/direct-receive.ts";
import { TransportError } from "#blocks/s3/http/message.ts";
import { ConnectionPool } from "#blocks/s3/http/pool.ts";
import { RangeSink } from "#blocks/s3/range-sink.ts";
import { SeededRandom, seedFor } from "../../../support/seeded-random.ts";
import { contentOf } from "../../cache/disk/kit.ts";
import { failureOf } from "./kit.ts";

/** Bodies that are received straight into where they go. */

const kernel = linuxDirectReceive();
const settings = { connectionsMax: 16, connectTimeoutMs: 20_000, stallTimeoutMs: 20_000, ca: null, insecure: false, clock: systemClock };
const object = contentOf(3, 9 * 2 ** 20);

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

/** Answers each request for a range of the object, in the pieces that `send` makes of it. */
async function serve(send: (socket: Socket, head: string, body: Uint8Array) => void): Promise<{ readonly secure: false; readonly host: string; readonly port: number }> {
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const [, from = "0", last = "0"] = /range: bytes=(\d+)-(\d+)/.exec(text) ?? [];
      text = "";
      const body = object.subarray(Number(from), Number(last) + 1);
      send(socket, `HTTP/1.1 206 Partial Content\r\netag: x\r\ncontent-length: ${body.byteLength}\r\ncontent-range: bytes ${from}-${last}/${object.byteLength}\r\n\r\n`, body);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { secure: false, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

const whole = (socket: Socket, head: string, body: Uint8Array) => {
  socket.write(head);
  socket.write(body);
};

async function got(pool: ConnectionPool, to: Awaited<ReturnType<typeof serve>>, offset: number, length: number, came?: (bytes: number) => void): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  const sink = new RangeSink("key", offset, target, came);
  const answer = await pool.send(to, { method: "GET", target: "/key", headers: { range: sink.range }, body: null, sink });
  expect([answer.status, sink.complete]).toEqual([206, true]);
  return target;
}

describe.skipIf(kernel === null)("a body received directly (skipped where there is no recv of Linux)", () => {
  const system = kernel as DirectReceive;

  test("is what was sent, however it comes and however many come at a time; how much is there is told in order", async () => {
    const random = new SeededRandom(seedFor("direct bodies", "DIRECT_BODIES_SEED"));
    const to = await serve((socket, head, body) => {
      socket.write(head.slice(0, 20));
      const first = random.below(body.byteLength + 1);
      socket.write(head.slice(20));
      socket.write(body.subarray(0, first), () => socket.write(body.subarray(first)));
    });
    let direct = 0;
    const receiver: DirectReceive = {
      receive(fd, into, length) {
        const bytes = random.below(4) === 0 ? 0 : system.receive(fd, into, 1 + random.below(length));
        direct += bytes;
        return bytes;
      },
    };
    const pool = new ConnectionPool({ ...settings, receiver });
    let all = 0;
    const client = async () => {
      for (let i = 0; i < 6; i++) {
        const offset = random.below(object.byteLength - 1);
        const length = 1 + random.below(object.byteLength - offset);
        let before = 0;
        const bytes = await got(pool, to, offset, length, (came) => {
          expect(came).toBeGreaterThan(before);
          before = came;
        });
        all += length;
        expect(before).toBe(length);
        expect(Buffer.compare(bytes, object.subarray(offset, offset + length))).toBe(0);
      }
    };
    await Promise.all(Array.from({ length: 8 }, client));
    expect(direct).toBeGreaterThan(all / 10);
    pool.close();
  });

  test("comes through Bun for the smaller part where many come at a time, and all of it where there is no other way", async () => {
    const to = await serve(whole);
    for (const receiver of [system, null]) {
      let direct = 0;
      const counting = receiver === null ? null : { receive: (fd: number, into: Uint8Array, length: number) => {
        const bytes = receiver.receive(fd, into, length);
        direct += bytes;
        return bytes;
      } };
      const pool = new ConnectionPool({ ...settings, receiver: counting });
      const answers = await Promise.all(Array.from({ length: 8 }, () => got(pool, to, 0, object.byteLength)));
      for (const bytes of answers) expect(Buffer.compare(bytes, object)).toBe(0);
      if (receiver === null) expect(direct).toBe(0);
      else expect(direct).toBeGreaterThan(4 * object.byteLength);
      pool.close();
    }
  });

  test("ends where it said it would: what follows is no part of it, and the connection of no use", async () => {
    const ports = new Set<number>();
    const to = await serve((socket, head, body) => {
      ports.add(socket.remotePort ?? 0);
      socket.write(head);
      socket.write(Buffer.concat([body, Buffer.from("HTTP/1.1 200 OK\r\n\r\nmore")]));
    });
    const pool = new ConnectionPool(settings);
    for (let i = 0; i < 3; i++) expect(Buffer.compare(await got(pool, to, 0, object.byteLength), object)).toBe(0);
    expect(ports.size).toBe(3);
    pool.close();
  });

  test("whose length is said to be more than its range is refused as such, when all of the range is there", async () => {
    const to = await serve((socket, head, body) => {
      socket.write(head.replace(/content-length: \d+/, `content-length: ${body.byteLength + 10}`));
      socket.write(body, () => socket.write("0123456789"));
    });
    const pool = new ConnectionPool({ ...settings, receiver: system });
    for (const length of [1, 100, 700_000]) {
      const failure = await failureOf(got(pool, to, 0, length));
      expect(failure).toBeInstanceOf(TransportError);
      expect(failure.message).toBe("the body is longer than its range");
    }
    pool.close();
  });

  test("that is cut fails, and nothing is written into its place once nobody waits for it", async () => {
    const to = await serve((socket, head, body) => {
      socket.write(head);
      socket.end(body.subarray(0, body.byteLength >> 1));
    });
    const pool = new ConnectionPool(settings);
    expect(await failureOf(got(pool, to, 0, object.byteLength))).toBeInstanceOf(TransportError);
    const target = new Uint8Array(object.byteLength);
    const sink = new RangeSink("key", 0, target, () => sink.cancel());
    const failure = await failureOf(pool.send(to, { method: "GET", target: "/key", headers: { range: sink.range }, body: null, sink }));
    expect(failure).toBeInstanceOf(TransportError);
    expect(target.subarray(sink.done).every((byte) => byte === 0)).toBe(true);
    expect(sink.done).toBeLessThan(object.byteLength >> 1);
    pool.close();
  });
});

test("another object under the key is an error where what came of the first may be in use, and a new beginning where it isn't", () => {
  const head = (etag: string, from: number) => ({ status: 206, reason: "", headers: { etag, "content-range": `bytes ${from}-9/10` } });
  const target = new Uint8Array(10);
  const given = new RangeSink("key", 0, target, () => {});
  given.begin(head("a", 0));
  given.take(Buffer.from("abc"));
  expect(() => given.begin(head("b", 3))).toThrow("object key changed while it was read");
  expect(() => given.begin(head("b", 3))).not.toThrow(TransportError);
  expect(given.done).toBe(3);
  const kept = new RangeSink("key", 0, target);
  kept.begin(head("a", 0));
  kept.take(Buffer.from("abc"));
  expect(() => kept.begin(head("b", 3))).toThrow(TransportError);
  expect(kept.done).toBe(0);
});
