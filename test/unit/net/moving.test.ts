import { describe, expect, test } from "bun:test";
import { streamLimitDefaults } from "#net/index.ts";
import { RawClient, record, reply, turns, until } from "./helpers.ts";
import { bytes, endAfterEach, start, text } from "./servers.ts";

endAfterEach();

const here = (port: number) => ({ bind: "127.0.0.1", port });

describe("a server that moves", () => {
  test("listens at the new place, answers at the old what was asked, and closes there", async () => {
    const { server, port, connect, messages } = start();
    const [busy, idle] = [await connect(), await connect()];
    busy.send(record(bytes("before")));
    await until(() => messages.length === 1 && server.stats.connections === 2);
    const moved = server.move(here(0), 10_000);
    expect(moved).not.toBe(port);
    expect([server.isAt(here(moved)), server.isAt(here(port))]).toEqual([true, false]);
    await idle.untilClosed();
    await expect(RawClient.connect(port)).rejects.toThrow();
    busy.send(record(bytes("after")));
    const client = await RawClient.connect(moved);
    client.send(record(bytes("there")));
    await until(() => messages.length === 2);
    expect(text(messages[1]!.bytes)).toBe("there");
    for (const message of messages) reply(message);
    expect(text(await busy.record())).toBe("before");
    await busy.untilClosed();
    expect(text(await client.record())).toBe("there");
    expect(server.stats).toMatchObject({ connections: 1, accepted: 3, messagesIn: 2 });
    client.close();
  });

  test("cuts off at the deadline what is left at the old place, and nothing else", async () => {
    const { server, clock, connect, messages } = start();
    const old = await connect();
    old.send(record(bytes("never answered")));
    await until(() => messages.length === 1);
    const client = await RawClient.connect(server.move(here(0), 5000));
    await until(() => server.stats.connections === 2);
    clock.pass(4999);
    expect(server.stats.connections).toBe(2);
    clock.pass(1);
    await old.untilClosed();
    await turns(10);
    expect([server.stats.connections, client.closed]).toEqual([1, false]);
    reply(messages[0]!);
    client.close();
  });

  test("stays where it is when the new place is taken, and its clients notice nothing", async () => {
    const taken = start();
    const { server, port, connect, answerAll } = start();
    answerAll((message) => reply(message));
    const client = await connect();
    await until(() => server.stats.connections === 1);
    expect(() => server.move(here(taken.port), 10_000)).toThrow();
    expect(server.isAt(here(port))).toBe(true);
    client.send(record(bytes("still here")));
    expect(text(await client.record())).toBe("still here");
    const other = await connect();
    other.send(record(bytes("as before")));
    expect(text(await other.record())).toBe("as before");
  });

  test("changes the address of one port, where the one includes the other", async () => {
    const { server, port, connect, answerAll } = start({ bind: "0.0.0.0" });
    answerAll((message) => reply(message));
    const before = await connect();
    await until(() => server.stats.connections === 1);
    expect(server.move(here(port), 10_000)).toBe(port);
    await before.untilClosed();
    const client = await connect();
    client.send(record(bytes("there")));
    expect(text(await client.record())).toBe("there");
    await expect(RawClient.connect(port, "127.0.0.2")).rejects.toThrow();
    // And back; not to an address of another machine, nor to one that somebody else has: it goes on listening.
    expect(server.move({ bind: "0.0.0.0", port }, 10_000)).toBe(port);
    (await RawClient.connect(port, "127.0.0.2")).close();
    expect(() => server.move({ bind: "192.0.2.1", port }, 10_000)).toThrow();
    (await RawClient.connect(port, "127.0.0.2")).close();
    server.move(here(port), 10_000);
    const other = start({ bind: "127.0.0.2", port });
    expect(() => server.move({ bind: "0.0.0.0", port }, 10_000)).toThrow();
    (await connect()).close();
    expect([server.isAt(here(port)), other.port]).toEqual([true, port]);
  });

  test("moves only while it listens", async () => {
    const { server } = start();
    await server.stop(0);
    expect(() => server.move(here(0), 0)).toThrow("stopped");
  });
});

describe("limits that change", () => {
  const limits = (messageBytesMax: number, more: object = {}) => ({ ...streamLimitDefaults, messageBytesMax, ...more });

  test("hold for the connections there are", async () => {
    const { server, connect, answerAll } = start({ limits: { messageBytesMax: 100 } });
    answerAll((message) => reply(message));
    const [one, two] = [await connect(), await connect()];
    one.send(record(bytes("x".repeat(100))));
    expect((await one.record())?.length).toBe(100);
    await until(() => server.stats.connections === 2);
    server.setLimits(limits(200));
    for (const client of [one, two]) {
      client.send(record(bytes("y".repeat(200)), 150));
      expect((await client.record())?.length).toBe(200);
    }
    one.send(record(bytes("z".repeat(201))));
    await one.untilClosed();
    expect([two.closed, server.stats.malformed]).toEqual([false, 1]);
  });

  test("of connections: those there are stay, the next is refused; with more of them it is not", async () => {
    const { server, connect, answerAll } = start();
    answerAll((message) => reply(message));
    const clients = [await connect(), await connect()];
    for (const client of clients) {
      client.send(record(bytes("a")));
      await client.record();
    }
    server.setLimits(limits(1000, { connectionsMax: 1 }));
    await (await connect()).untilClosed();
    expect(clients.map((client) => client.closed)).toEqual([false, false]);
    server.setLimits(limits(1000, { connectionsMax: 3 }));
    const third = await connect();
    third.send(record(bytes("b")));
    expect(text(await third.record())).toBe("b");
  });

  test("of unfinished requests: what was held back goes on", async () => {
    const { server, connect, messages } = start({ limits: { unfinishedMax: 1 } });
    const client = await connect();
    client.send(record(bytes("one")));
    client.send(record(bytes("two")));
    await until(() => server.stats.pauses === 1);
    await turns(5);
    expect(messages.length).toBe(1);
    server.setLimits(limits(1000, { unfinishedMax: 2 }));
    await until(() => messages.length === 2);
    for (const message of messages) reply(message);
  });
});

test("a connection knows who it is and what it moved", async () => {
  const { server, clock, connect, answerAll } = start();
  answerAll((message) => reply(message));
  const [one, two] = [await connect(), await connect()];
  await until(() => server.stats.connections === 2);
  clock.pass(1000);
  one.send(record(bytes("hello")));
  await one.record();
  one.send(record(bytes("!")));
  await one.record();
  expect(server.list().map(({ id, address, messagesIn, bytesIn, bytesOut, heardMs }) => ({ id, address, messagesIn, bytesIn, bytesOut, heardMs }))).toEqual([
    { id: 1, address: "127.0.0.1", messagesIn: 2, bytesIn: 14, bytesOut: 14, heardMs: 1000 },
    { id: 2, address: "127.0.0.1", messagesIn: 0, bytesIn: 0, bytesOut: 0, heardMs: 0 },
  ]);
  expect(new Set(server.list().map((connection) => connection.port)).size).toBe(2);
  two.close();
  await until(() => server.list().length === 1);
  await connect();
  await until(() => server.list().length === 2);
  expect(server.list().map(({ id }) => id)).toEqual([1, 3]);
});
