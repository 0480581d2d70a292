import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { systemClock } from "#base/clock.ts";
import { type HttpRequest, type ResponseHead, TransportError } from "#blocks/s3/http/message.ts";
import { AnswerParser } from "#blocks/s3/http/parser.ts";
import { ConnectionPool } from "#blocks/s3/http/pool.ts";
import { after, until } from "../../../support/wait.ts";
import { failureOf } from "./kit.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

function parse(text: string, cuts: readonly number[] = [], method = "GET"): AnswerParser {
  const parser = new AnswerParser(method, null);
  const bytes = Buffer.from(text, "latin1");
  let from = 0;
  for (const to of [...cuts, bytes.byteLength]) {
    // A buffer that is used again: nothing may be kept of it.
    const piece = Buffer.from(bytes.subarray(from, to));
    parser.take(piece);
    piece.fill(0xee);
    from = to;
  }
  return parser;
}

const answers: readonly (readonly [string, string])[] = [
  ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nhello", "hello"],
  ["HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", ""],
  ["HTTP/1.1 204 No Content\r\n\r\n", ""],
  ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", "abc0123456789"],
];

describe("an HTTP answer", () => {
  test("is the same wherever it is cut", () => {
    for (const [text, body] of answers) {
      for (let at = 0; at <= text.length; at++) {
        const parser = parse(text, [at]);
        expect([parser.done, parser.reusable, Buffer.from(parser.answer.body).toString()]).toEqual([true, true, body]);
      }
      const single = parse(text, Array.from({ length: text.length }, (_, i) => i));
      expect([single.done, Buffer.from(single.answer.body).toString()]).toEqual([true, body]);
      for (let length = 0; length < text.length; length++) {
        const cut = parse(text.slice(0, length));
        expect(cut.done).toBe(false);
        expect(() => cut.end()).toThrow(TransportError);
      }
    }
  });

  test("without a length ends with its connection, which is of no use then", () => {
    const parser = parse("HTTP/1.1 200 OK\r\n\r\nhel");
    parser.take(Buffer.from("lo"));
    expect(parser.done).toBe(false);
    parser.end();
    expect([parser.done, parser.reusable, Buffer.from(parser.answer.body).toString()]).toEqual([true, false, "hello"]);
  });

  test("to HEAD has no body whatever its length says", () => {
    expect(parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", [], "HEAD").done).toBe(true);
  });

  test("that closes, or has bytes after its end, leaves a connection of no use", () => {
    for (const text of ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 x\r\n\r\nHTTP"])
      expect([parse(text).done, parse(text).reusable]).toEqual([true, false]);
  });

  test("joins headers of one name, whatever their case", () => {
    const { headers } = parse("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 0\r\n\r\n").answer;
    expect(headers["x-a"]).toBe("1, 2");
  });

  test("that is none is refused, and so is one without bounds", () => {
    const wrong = [
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`,
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(2000)}`,
    ];
    for (const text of wrong) expect(() => parse(text)).toThrow(TransportError);
    const long = new AnswerParser("GET", null);
    long.take(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"));
    const piece = Buffer.alloc(1024 * 1024);
    expect(() => {
      for (let i = 0; i < 40; i++) long.take(piece);
    }).toThrow("too long");
  });

  test("of an error is never given to the sink of the body", () => {
    const heads: ResponseHead[] = [];
    const parser = new AnswerParser("GET", { begin: (head) => void heads.push(head), take: () => heads.push({ status: 0, reason: "", headers: {} }) });
    parser.take(Buffer.from("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"));
    expect(heads).toEqual([]);
    expect(Buffer.from(parser.answer.body).toString()).toBe("none");
  });
});

function get(target: string): HttpRequest {
  return { method: "GET", target, headers: {}, body: null, sink: null };
}

const settings = { connectionsMax: 3, connectTimeoutMs: 20_000, stallTimeoutMs: 20_000, ca: null, insecure: false, clock: systemClock };

describe("a pool of connections", () => {
  test("uses them again, opens no more than it may, and serves those who wait in their order", async () => {
    const ports = new Set<number>();
    const order: string[] = [];
    let held: (() => void)[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request, own) {
        ports.add(own.requestIP(request)?.port ?? 0);
        // Three at a time are answered together.
        await new Promise<void>((resolve) => {
          held.push(resolve);
          if (held.length < 3) return;
          for (const answer of held) answer();
          held = [];
        });
        return new Response(new URL(request.url).pathname);
      },
    });
    const pool = new ConnectionPool(settings);
    const to = { secure: false, host: "127.0.0.1", port: server.port ?? 0 };
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const answer = await pool.send(to, get(`/${i}`));
        expect(Buffer.from(answer.body).toString()).toBe(`/${i}`);
        order.push(`${i}`);
      }),
    );
    expect(ports.size).toBe(3);
    expect(order.map((_, i) => Math.floor(Number(order[i]) / 3))).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    expect(pool.busy).toBe(0);
    pool.close();
    expect((await failureOf(pool.send(to, get("/")))).message).toContain("closed");
    await server.stop(true);
  });

  test("gives a place back that a failed request had", async () => {
    const pool = new ConnectionPool({ ...settings, connectionsMax: 1 });
    for (let i = 0; i < 3; i++) expect(await failureOf(pool.send({ secure: false, host: "127.0.0.1", port: 1 }, get("/")))).toBeInstanceOf(TransportError);
    expect(pool.busy).toBe(0);
    pool.close();
  });

  test("gives up on an answer that goes on and on, blank by blank, and not on one that ends", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket.on("error", () => {})));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const to = { secure: false, host: "127.0.0.1", port: (server.address() as AddressInfo).port };
    const clock = new ManualClock();
    const pool = new ConnectionPool({ ...settings, stallTimeoutMs: 20_000, clock });
    for (const ends of [true, false]) {
      const answer = pool.send(to, get("/")).then(
        ({ body }) => Buffer.from(body).toString().trim(),
        (error: Error) => error.message,
      );
      let outcome: string | null = null;
      void answer.then((text) => (outcome = text));
      const socket = await until("a connection", 5_000, () => sockets.pop() ?? null);
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      for (let minute = 0; minute < 11 && outcome === null; minute++) {
        for (let i = 0; i < 6; i++) {
          socket.write(" ");
          // Two that are late, one after the other, would be a connection that stalls.
          await after(10);
          await clock.passInTurns(10_000);
        }
        if (ends && minute === 8) socket.end("done");
        await after(2);
      }
      expect(await answer).toBe(ends ? "done" : "the answer did not end within 600000 ms");
    }
    pool.close();
    server.close();
  });

  test("refuses a header with a line break in it", async () => {
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    const pool = new ConnectionPool(settings);
    const request = { ...get("/"), headers: { "x-a": "1\r\nx-b: 2" } };
    expect((await failureOf(pool.send({ secure: false, host: "127.0.0.1", port: server.port ?? 0 }, request))).message).toContain("line break");
    pool.close();
    await server.stop(true);
  });
});
