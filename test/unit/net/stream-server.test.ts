import { afterEach, describe, expect, test } from "bun:test";
import type { StreamServer } from "#net/index.ts";
import { collector, RawClient, record, reply, turns, until } from "./helpers.ts";

const started: StreamServer<null>[] = [];
const clients: RawClient[] = [];
function start(options: Parameters<typeof collector>[0] = {}) {
  const made = collector(options);
  started.push(made.server);
  return { ...made, connect: async () => clients[clients.push(await RawClient.connect(made.port)) - 1]! };
}
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of started.splice(0)) await server.stop(0);
});

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());
const bytes = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

describe("a stream server", () => {
  test("answers records whole, in fragments, empty, cut anywhere", async () => {
    const { connect, answerAll } = start();
    answerAll((message) => reply(message));
    const client = await connect();
    client.send(record(bytes("one")));
    client.send(record(bytes("second"), 0, 3, 3));
    client.send(record(new Uint8Array(0)));
    expect(text(await client.record())).toBe("one");
    expect(text(await client.record())).toBe("second");
    expect(text(await client.record())).toBe("");
    for (const byte of record(bytes("third"), 2)) {
      client.send(Uint8Array.of(byte));
      await turns(2);
    }
    expect(text(await client.record())).toBe("third");
  });

  test("the replies of a data event leave in one write", async () => {
    const { server, connect, answerAll } = start();
    let writes = 0;
    answerAll((message) => {
      const socket = (message.from as unknown as { socket: { write(...a: unknown[]): number } }).socket;
      if (!Object.hasOwn(socket, "write")) {
        const write = socket.write.bind(socket);
        socket.write = (...a) => (writes++, write(...a));
      }
      reply(message);
    });
    const client = await connect();
    client.send(new Uint8Array(Buffer.concat(Array.from({ length: 50 }, (_, i) => record(bytes(`call ${i}`))))));
    for (let i = 0; i < 50; i++) expect(text(await client.record())).toBe(`call ${i}`);
    expect(server.stats.messagesOut).toBe(50);
    expect(writes).toBe(1);
  });

  test("so do replies that became ready in one turn", async () => {
    const { connect, messages } = start();
    const client = await connect();
    for (let i = 0; i < 20; i++) client.send(record(bytes(`call ${i}`)));
    await until(() => messages.length === 20);
    let writes = 0;
    const socket = (messages[0]!.from as unknown as { socket: { write(...a: unknown[]): number } }).socket;
    const write = socket.write.bind(socket);
    socket.write = (...a) => (writes++, write(...a));
    for (const message of messages) reply(message);
    expect(writes).toBe(0);
    for (let i = 0; i < 20; i++) expect(text(await client.record())).toBe(`call ${i}`);
    expect(writes).toBe(1);
  });

  test("a header that promises too much costs the connection, and nobody else's", async () => {
    const { server, connect, answerAll } = start();
    answerAll((message) => reply(message));
    const other = await connect();
    for (const header of [[0xff, 0xff, 0xff, 0xff], [0x7f, 0xff, 0xff, 0xff], [0x80, 0x11, 0, 1]]) {
      const client = await connect();
      client.send(Uint8Array.from(header));
      await client.untilClosed();
    }
    expect(server.stats.malformed).toBe(3);
    expect(server.partialBytes).toBe(0);
    other.send(record(bytes("still here")));
    expect(text(await other.record())).toBe("still here");
  });

  test("past the bound of unfinished requests nothing more is read, and all are answered in the end", async () => {
    const { server, connect, messages } = start({ limits: { unfinishedMax: 4 } });
    const client = await connect();
    client.send(new Uint8Array(Buffer.concat(Array.from({ length: 30 }, (_, i) => record(bytes(`${i}`))))));
    await until(() => messages.length === 4);
    await turns(20);
    expect(messages).toHaveLength(4);
    expect(server.stats.pauses).toBe(1);
    // A large message sent meanwhile stays with the kernel, not with us.
    client.send(record(new Uint8Array(2 ** 20)));
    for (let i = 0; i < 31; i++) {
      await until(() => messages.length > i);
      expect(messages.length).toBeLessThanOrEqual(i + 4);
      reply(messages[i]!, bytes(`answer ${i}`));
    }
    for (let i = 0; i < 31; i++) expect(text(await client.record())).toBe(`answer ${i}`);
    expect([server.unfinishedBytes, server.partialBytes]).toEqual([0, 0]);
  });

  test("the bound of unfinished bytes, of a connection and of all", async () => {
    for (const limits of [{ unfinishedBytesMax: 1000 }, { totalUnfinishedBytesMax: 1000 }]) {
      const { connect, messages } = start({ limits });
      const [one, two] = [await connect(), await connect()];
      for (let i = 0; i < 5; i++) one.send(record(new Uint8Array(600)));
      await until(() => messages.length === 2);
      two.send(record(bytes("other")));
      await turns(20);
      // A connection's own bound is no other's; the one of all is everybody's.
      expect(messages).toHaveLength("unfinishedBytesMax" in limits ? 3 : 2);
      for (let i = 0; i < 6; i++) {
        await until(() => messages.length > i);
        reply(messages[i]!);
      }
      for (let i = 0; i < 5; i++) expect((await one.record())?.length).toBe(600);
      expect(text(await two.record())).toBe("other");
    }
  });

  for (const gather of [undefined, null]) {
    test(`borrowed payloads arrive whole, padded, and are given back (${gather === null ? "without" : "with"} gathering)`, async () => {
      const { connect, answerAll } = start(gather === null ? { gather } : {});
      let borrowed = 0;
      const slices = Array.from({ length: 17 }, (_, i) => new Uint8Array(i === 16 ? 4095 : 65_536).fill(i + 1));
      const length = 16 * 65_536 + 4095;
      answerAll((message) => {
        const out = message.from.beginMessage();
        out.bytes.set(bytes("head"), out.length);
        out.length += 4;
        borrowed++;
        message.from.endMessageWithPayload(slices, length, 1, { release: () => void borrowed-- });
        message.from.requestDone(message.length);
      });
      const client = await connect();
      const expected = new Uint8Array(Buffer.concat([bytes("head"), ...slices, new Uint8Array(1)]));
      for (let i = 0; i < 8; i++) client.send(record(bytes("read")));
      for (let i = 0; i < 8; i++) expect(Buffer.compare((await client.record())!, expected)).toBe(0);
      await until(() => borrowed === 0);
    });
  }

  test("a client that never reads is not read from, loses its connection in time, and payloads come back", async () => {
    const { server, clock, connect, messages, answerAll } = start({
      limits: { unsentBytesMax: 2 ** 20, unsentStalledMs: 30_000, messageStalledMs: 30_000 },
    });
    let borrowed = 0;
    let lent = 0;
    const slice = new Uint8Array(2 ** 20);
    answerAll((message) => {
      message.from.beginMessage();
      borrowed++;
      lent++;
      message.from.endMessageWithPayload([slice], slice.length, 0, { release: () => void borrowed-- });
      message.from.requestDone(message.length);
    });
    const client = await connect();
    client.stopReading();
    for (let i = 0; i < 2000; i++) client.send(record(bytes("read")));
    await until(() => server.stats.pauses > 0);
    await turns(50);
    // What the kernel did not take is bounded by the limit and one reply.
    const unsent = messages.length * (slice.length + 4) - server.stats.bytesOut;
    expect(messages.length).toBeLessThan(200);
    expect(unsent).toBeLessThanOrEqual(2 ** 20 + slice.length + 4);
    expect(lent).toBe(messages.length);
    clock.advance(29_000);
    expect(server.stats.connections).toBe(1);
    clock.advance(10_000);
    expect(server.stats).toMatchObject({ connections: 0, stalled: 1 });
    expect(borrowed).toBe(0);
    client.startReading();
    await client.untilClosed();
  });

  test("a slow reader that gets on keeps its connection", async () => {
    const { server, clock, connect, answerAll } = start({ limits: { unsentStalledMs: 30_000 } });
    const payload = new Uint8Array(2 ** 20);
    answerAll((message) => reply(message, payload));
    const client = await connect();
    client.stopReading();
    for (let i = 0; i < 20; i++) client.send(record(bytes("read")));
    await until(() => server.stats.pauses > 0);
    for (let read = 0; read < 20; ) {
      clock.advance(20_000);
      client.startReading();
      // The client's kernel holds some megabytes: the server sees progress only when these have been read.
      for (const before = server.stats.bytesOut; read < 20 && server.stats.bytesOut === before; read++) {
        expect((await client.record())?.length).toBe(payload.length);
      }
      client.stopReading();
    }
    expect(server.stats).toMatchObject({ connections: 1, stalled: 0 });
  });

  test("a message that never ends costs its sender the connection in time", async () => {
    const { server, clock, connect, messages } = start({ limits: { messageStalledMs: 10_000, unsentStalledMs: 10_000 } });
    const [slow, idle] = [await connect(), await connect()];
    slow.send(record(new Uint8Array(1000)).subarray(0, 500));
    await until(() => server.partialBytes > 0);
    clock.advance(9000);
    slow.send(new Uint8Array(100));
    await until(() => server.stats.bytesIn === 600);
    clock.advance(9000);
    expect(server.stats.connections).toBe(2);
    clock.advance(9000);
    // The one in the middle of a message is gone; one that just says nothing costs nothing and stays.
    expect(server.stats).toMatchObject({ connections: 1, stalled: 1 });
    expect(server.partialBytes).toBe(0);
    await slow.untilClosed();
    expect(idle.closed).toBe(false);
    expect(messages).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  test("messages begun take bounded memory over all connections: the stalest go", async () => {
    const { server, clock, connect, answerAll } = start({ limits: { totalPartialBytesMax: 300_000 } });
    answerAll((message) => reply(message));
    const part = record(new Uint8Array(200_000)).subarray(0, 60_000);
    const some: RawClient[] = [];
    for (let i = 0; i < 8; i++) {
      const client = await connect();
      some.push(client);
      const before = server.stats.bytesIn;
      client.send(part);
      await until(() => server.stats.bytesIn === before + part.length);
      clock.advance(1);
      expect(server.partialBytes).toBeLessThanOrEqual(300_000);
    }
    await until(() => server.stats.evicted > 0);
    for (const client of some.slice(0, server.stats.evicted)) await client.untilClosed();
    // Those that got on last can finish.
    const last = some[7]!;
    last.send(record(new Uint8Array(200_000)).subarray(60_000));
    expect((await last.record())?.length).toBe(200_000);
  });

  test("half-open connections: hundreds cost little, and at the limit the oldest that never spoke makes room", async () => {
    const { server, connect, answerAll } = start({ limits: { connectionsMax: 301 } });
    answerAll((message) => reply(message));
    const speaker = await connect();
    speaker.send(record(bytes("hello")));
    expect(text(await speaker.record())).toBe("hello");
    const silent: RawClient[] = [];
    for (let i = 0; i < 300; i++) {
      const client = await connect();
      // Half of them begin a message.
      if (i % 2 === 1) client.send(Uint8Array.of(0x80, 0));
      silent.push(client);
    }
    await until(() => server.stats.accepted === 301);
    expect(server.partialBytes).toBe(0);
    for (let i = 0; i < 10; i++) {
      const late = await connect();
      late.send(record(bytes(`late ${i}`)));
      expect(text(await late.record())).toBe(`late ${i}`);
    }
    expect(server.stats).toMatchObject({ connections: 301, evicted: 10, refused: 0 });
    for (const client of silent.slice(0, 10)) await client.untilClosed();
    speaker.send(record(bytes("still here")));
    expect(text(await speaker.record())).toBe("still here");
  });

  test("where everybody spoke, the newcomer is refused", async () => {
    const { server, connect, answerAll } = start({ limits: { connectionsMax: 2 } });
    answerAll((message) => reply(message));
    for (let i = 0; i < 2; i++) {
      const client = await connect();
      client.send(record(bytes("hello")));
      await client.record();
    }
    await (await connect()).untilClosed();
    expect(server.stats).toMatchObject({ connections: 2, refused: 1 });
  });

  test("a connection that died: answers go nowhere, payloads come back, counts go to zero", async () => {
    const { server, connect, messages } = start();
    const client = await connect();
    for (let i = 0; i < 3; i++) client.send(record(bytes("call")));
    await until(() => messages.length === 3);
    client.close();
    await until(() => server.stats.connections === 0);
    let released = 0;
    reply(messages[0]!);
    for (const message of messages.slice(1)) {
      message.from.beginMessage();
      message.from.endMessageWithPayload([new Uint8Array(100_000)], 100_000, 0, { release: () => void released++ });
      message.from.requestDone(message.length);
    }
    expect(released).toBe(2);
    expect(server.unfinishedBytes).toBe(0);
  });
});

describe("stopping", () => {
  test("answers what was asked, takes no more, and closes", async () => {
    const { server, connect, messages, port } = start();
    const [busy, idle] = [await connect(), await connect()];
    busy.send(record(bytes("before")));
    await until(() => messages.length === 1);
    let stopped = false;
    const stopping = server.stop(10_000).then(() => (stopped = true));
    await idle.untilClosed();
    busy.send(record(bytes("after")));
    await turns(20);
    expect([messages.length, stopped]).toEqual([1, false]);
    expect(RawClient.connect(port)).rejects.toThrow();
    reply(messages[0]!);
    expect(text(await busy.record())).toBe("before");
    await busy.untilClosed();
    await stopping;
  });

  test("after the deadline whatever is left is cut off", async () => {
    const { server, clock, connect, messages } = start();
    const client = await connect();
    client.send(record(bytes("never answered")));
    await until(() => messages.length === 1);
    const stopping = server.stop(5000);
    clock.advance(4999);
    expect(server.stats.connections).toBe(1);
    clock.advance(1);
    await stopping;
    await client.untilClosed();
    reply(messages[0]!);
  });

  test("a port that is taken is an error of the start", async () => {
    const { port } = start();
    expect(() => collector({ port })).toThrow();
  });
});
