import { describe, expect, test } from "bun:test";
import { silentLogger } from "#telemetry/logger.ts";
import { type RawClient, record, reply, turns, until } from "./helpers.ts";
import { bytes, endAfterEach, start, text } from "./servers.ts";

endAfterEach();

describe("what a client may cost a stream server", () => {
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
    expect([server.unfinishedBytes, server.keptBytes]).toEqual([0, 0]);
  });

  test("the bound of unfinished bytes, of a connection and of all", async () => {
    for (const limits of [{ unfinishedBytesMax: 1000 }, { totalUnfinishedBytesMax: 1000, guaranteedUnfinishedBytes: 0 }]) {
      const { connect, messages } = start({ limits });
      const [one, two] = [await connect(), await connect()];
      for (let i = 0; i < 5; i++) one.send(record(new Uint8Array(600)));
      await until(() => messages.length === 2);
      two.send(record(bytes("other")));
      // A connection's own bound is no other's; the one of all is everybody's.
      const allowed = "unfinishedBytesMax" in limits ? 3 : 2;
      await until(() => messages.length === allowed);
      await turns(20);
      expect(messages).toHaveLength(allowed);
      for (let i = 0; i < 6; i++) {
        await until(() => messages.length > i);
        reply(messages[i]!);
      }
      for (let i = 0; i < 5; i++) expect((await one.record())?.length).toBe(600);
      expect(text(await two.record())).toBe("other");
    }
  });

  test("a few who move much do not stop those who ask little", async () => {
    const { connect, messages } = start({ limits: { totalUnfinishedBytesMax: 100_000, guaranteedUnfinishedBytes: 100 } });
    const [big, small] = [await connect(), await connect()];
    for (let i = 0; i < 3; i++) big.send(record(new Uint8Array(60_000)));
    await until(() => messages.length === 2);
    for (const length of [60, 30, 20]) small.send(record(new Uint8Array(length)));
    await until(() => messages.length === 4);
    await turns(20);
    // A third one would be more than is guaranteed, and a large one more than that alone.
    expect(messages.map((message) => message.length)).toEqual([60_000, 60_000, 60, 30]);
    for (let i = 0; i < 6; i++) {
      await until(() => messages.length > i);
      reply(messages[i]!);
    }
    for (const length of [60, 30, 20]) expect((await small.record())?.length).toBe(length);
    for (let i = 0; i < 3; i++) expect((await big.record())?.length).toBe(60_000);
  });

  test("what is held back counts: no number of clients can have more than the total kept", async () => {
    const limits = { unfinishedMax: 1, totalKeptBytesMax: 400_000 };
    const { server, connect, messages } = start({ limits });
    const flood = new Uint8Array(Buffer.concat(Array.from({ length: 100 }, () => record(new Uint8Array(1000)))));
    for (let i = 0; i < 8; i++) {
      const client = await connect();
      client.send(flood);
      await until(() => messages.length > i);
      expect(server.keptBytes).toBeLessThanOrEqual(400_000);
    }
    await until(() => server.stats.evicted > 0);
    for (const message of messages) reply(message);
    expect(server.keptBytes).toBeGreaterThanOrEqual(0);
  });

  test("replies not taken are bounded over all connections: the stalest go, one that reads stays", async () => {
    const { server, clock, connect, answerAll } = start({ limits: { totalUnsentBytesMax: 8 * 2 ** 20, unsentBytesMax: 2 ** 20 } });
    const payload = new Uint8Array(2 ** 20);
    answerAll((message) => reply(message, payload));
    const reader = await connect();
    for (let i = 0; i < 15; i++) {
      const client = await connect();
      client.stopReading();
      for (let n = 0; n < 100; n++) client.send(record(bytes("read")));
      const pauses = server.stats.pauses;
      await until(() => server.stats.pauses > pauses || server.stats.evicted > 0);
      expect(server.unsentBytes).toBeLessThanOrEqual(8 * 2 ** 20);
      clock.pass(1);
      reader.send(record(bytes("read")));
      expect((await reader.record())?.length).toBe(payload.length);
    }
    expect(server.stats.evicted).toBeGreaterThan(0);
    expect(reader.closed).toBe(false);
  });

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
    clock.pass(29_000);
    expect(server.stats.connections).toBe(1);
    clock.pass(10_000);
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
      clock.pass(20_000);
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
    await until(() => server.keptBytes > 0);
    clock.pass(9000);
    slow.send(new Uint8Array(1));
    await until(() => server.stats.bytesIn === 501);
    clock.pass(9000);
    expect(server.stats.connections).toBe(2);
    clock.pass(9000);
    // The one in the middle of a message is gone; one that just says nothing costs nothing and stays.
    expect(server.stats).toMatchObject({ connections: 1, stalled: 1 });
    expect(server.keptBytes).toBe(0);
    await slow.untilClosed();
    expect(idle.closed).toBe(false);
    expect(messages).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  test("messages begun take bounded memory over all connections: the stalest go", async () => {
    const { server, clock, connect, answerAll } = start({ limits: { totalKeptBytesMax: 300_000 } });
    answerAll((message) => reply(message));
    const part = record(new Uint8Array(200_000)).subarray(0, 60_000);
    const some: RawClient[] = [];
    for (let i = 0; i < 8; i++) {
      const client = await connect();
      some.push(client);
      const before = server.stats.bytesIn;
      client.send(part);
      await until(() => server.stats.bytesIn === before + part.length);
      clock.pass(1);
      expect(server.keptBytes).toBeLessThanOrEqual(300_000);
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
    expect(server.keptBytes).toBe(0);
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
    const said: object[] = [];
    const logger = { ...silentLogger, warn: (fields: object) => said.push(fields) };
    const { server, connect, answerAll } = start({ logger, limits: { connectionsMax: 2 } });
    answerAll((message) => reply(message));
    for (let i = 0; i < 2; i++) {
      const client = await connect();
      client.send(record(bytes("hello")));
      await client.record();
    }
    await (await connect()).untilClosed();
    expect(server.stats).toMatchObject({ connections: 2, refused: 1 });
    expect(said).toEqual([{ client: "127.0.0.1", connectionsMax: 2 }]);
  });
});
