import { describe, expect, test } from "bun:test";
import { linuxGatheredWrite } from "#net/gathered-write.ts";
import { stopStalledMs } from "#net/stop-stalled.ts";
import { collector, RawClient, record, reply, turns, until } from "./helpers.ts";
import { bytes, endAfterEach, start, text } from "./servers.ts";

endAfterEach();

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

  test("what was received is collected before there is much of it", async () => {
    let collections = 0;
    const { server, connect, answerAll } = start({ receiver: null, collect: () => collections++ });
    answerAll((message) => reply(message, bytes("done")));
    const client = await connect();
    const sent = record(new Uint8Array(2 ** 20));
    const upTo = async (mebibytes: number): Promise<void> => {
      while (server.stats.bytesIn < mebibytes * 2 ** 20) {
        client.send(sent);
        expect(text(await client.record())).toBe("done");
      }
    };
    await upTo(31);
    expect(collections).toBe(0);
    await upTo(34);
    expect(collections).toBe(1);
    await upTo(67);
    expect(collections).toBe(2);
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
    expect(server.keptBytes).toBe(0);
    other.send(record(bytes("still here")));
    expect(text(await other.record())).toBe("still here");
  });

  test("who takes no answers and sends what costs the connection leaves none of them to the kernel, which would keep them for minutes", async () => {
    const { server, connect, answerAll } = start({ limits: { unsentBytesMax: 2 ** 30 } });
    answerAll((message) => reply(message, new Uint8Array(24 * 2 ** 20)));
    const client = await connect();
    client.stopReading();
    client.send(record(bytes("much")));
    await until(() => server.list()[0]?.waitsForClient === "receive");
    const { socket } = server.list()[0]! as unknown as { socket: Record<"end" | "terminate", () => void> };
    const left: string[] = [];
    for (const how of ["end", "terminate"] as const) {
      const original = socket[how].bind(socket);
      socket[how] = () => (left.push(how), original());
    }
    client.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
    await until(() => server.stats.connections === 0);
    expect([left, server.unsentBytes, server.stats.malformed]).toEqual([["terminate"], 0, 1]);
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

  test("payloads asked for together leave together, as far as so much may wait", async () => {
    const real = linuxGatheredWrite();
    if (real === null) return expect(process.platform).not.toBe("linux");
    let sends = 0;
    const gather = { clear: () => real.clear(), add: (of: Uint8Array, from: number, to: number) => real.add(of, from, to), send: (fd: number) => (sends++, real.send(fd)) };
    const { server, connect, answerAll } = start({ gather, limits: { heldBytesMax: 32_768 } });
    const payload = new Uint8Array(10_000).fill(3);
    let lent = 0;
    answerAll((message) => {
      message.from.beginMessage();
      lent++;
      message.from.endMessageWithPayload([payload], payload.length, 0, { release: () => void lent-- });
      message.from.requestDone(message.length);
    });
    const client = await connect();
    const ask = async (times: number): Promise<void> => {
      sends = 0;
      client.send(new Uint8Array(Buffer.concat(Array.from({ length: times }, () => record(bytes("read"))))));
      for (let i = 0; i < times; i++) expect((await client.record())?.length).toBe(payload.length);
    };
    await ask(3);
    expect(sends).toBe(1);
    await ask(7);
    expect(sends).toBe(3);
    expect([lent, server.list()[0]!.unsentBytes]).toEqual([0, 0]);
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
    clock.pass(4999);
    expect(server.stats.connections).toBe(1);
    clock.pass(1);
    await stopping;
    await client.untilClosed();
    reply(messages[0]!);
  });

  test("a client that takes no replies is cut off early; one that reads on, however slowly, gets all of them", async () => {
    const { server, clock, connect, answerAll } = start();
    const length = 8 << 20;
    const payload = new Uint8Array(length).fill(7);
    answerAll((message) => {
      message.from.beginMessage();
      message.from.endMessageWithPayload([payload], length, 0, { release: () => {} });
      message.from.requestDone(message.length);
    });
    const [deaf, slow] = [await connect(), await connect()];
    for (const client of [deaf, slow]) {
      client.stopReading();
      client.send(record(bytes("much")));
    }
    await until(() => server.list().filter((connection) => connection.waitsForClient === "receive").length === 2);
    clock.pass(60);
    let stopped = false;
    const stopping = server.stop(15_000).then(() => (stopped = true));
    clock.pass(stopStalledMs - 1);
    expect(server.stats.connections).toBe(2);
    slow.startReading();
    const reading = slow.record();
    await until(() => server.stats.connections === 1 || server.list()[1]!.progressMs > 60);
    clock.pass(1);
    await until(() => server.list().every((connection) => connection.address !== "" && connection.id !== 1));
    expect((await reading)?.length).toBe(length);
    await slow.untilClosed();
    await stopping;
    expect([stopped, server.stats.stalled]).toEqual([true, 1]);
  });

  test("a client that takes a little at a time is not cut off, although the socket has no room again for long", async () => {
    const { server, clock, port, answerAll } = start();
    const length = 16 << 20;
    const payload = new Uint8Array(length).fill(7);
    answerAll((message) => {
      message.from.beginMessage();
      message.from.endMessageWithPayload([payload], length, 0, { release: () => {} });
      message.from.requestDone(message.length);
    });
    let received = 0;
    let closed = false;
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data(of, chunk) {
          received += chunk.length;
          of.pause();
        },
        close: () => void (closed = true),
      },
    });
    socket.pause();
    socket.write(record(bytes("much")));
    await until(() => server.list().some((connection) => connection.waitsForClient === "receive"));
    await turns(200);
    clock.pass(60);
    const stopping = server.stop(3_600_000);
    while (received < length && !closed) {
      const before = received;
      socket.resume();
      await until(() => received > before || closed);
      await turns(5);
      clock.pass(stopStalledMs / 2);
    }
    expect([received > length, server.stats.stalled]).toEqual([true, 0]);
    await stopping;
  });

  test("a client that reads nothing does not delay a stop where the kernel has its replies", async () => {
    const { server, connect, answerAll } = start();
    answerAll((message) => reply(message));
    const client = await connect();
    client.stopReading();
    client.send(record(bytes("little")));
    await until(() => server.stats.messagesOut === 1);
    await server.stop(3_600_000);
    client.startReading();
    expect(text(await client.record())).toBe("little");
  });

  test("a port that is taken is an error of the start", async () => {
    const { port } = start();
    expect(() => collector({ port })).toThrow();
  });
});
