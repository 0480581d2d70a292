import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { StreamEnded } from "../../../src/api/client/index.ts";
import { eventsOf } from "../../../src/api/client/events.ts";
import { contract } from "../../../src/api/contract/index.ts";
import { limits } from "../../../src/api/server/limits.ts";
import type { Live, LiveFigures } from "../../../src/control/live.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { type FakeControl, fakeControl, fakeRuntime, fakeUser, idleFigures } from "../../support/fake-control.ts";
import { until, within } from "../../support/wait.ts";

/** Figures come when a test says so. */
class HandLive implements Live {
  readonly following: { readonly seconds: number; readonly told: (figures: LiveFigures) => void }[] = [];
  figures = async (seconds: number) => ({ ...idleFigures, intervalMs: seconds * 1000 });
  follow(seconds: number, told: (figures: LiveFigures) => void) {
    const entry = { seconds, told };
    this.following.push(entry);
    return { end: () => void this.following.splice(this.following.indexOf(entry), this.following.includes(entry) ? 1 : 0) };
  }
  tell(clientsTotal: number): void {
    for (const { told } of [...this.following]) told({ ...idleFigures, clientsTotal });
  }
}

let control: FakeControl;
let live: HandLive;
let server: TestApi;
const revoked = new Set<string>();

beforeAll(async () => {
  const fake = fakeControl();
  const { logins } = fake;
  control = { ...fake, logins: { ...logins, authenticate: (token) => logins.authenticate(revoked.has(token) ? "nothing" : token) } };
  for (const role of ["admin", "operator", "user"] as const) control.rows.users.add(role, fakeUser(role, { role }));
  live = new HandLive();
  server = await serveApi(control, { ...fakeRuntime(), live });
});
afterAll(() => server.listener.stop(0));
beforeEach(() => revoked.clear());

const followed = (count: number) => until(`${count} followers`, 5000, () => (live.following.length === count ? true : null));
const next = <T>(stream: AsyncGenerator<T>) => within("the next event", 5000, stream.next());
const follow = (token = "access.operator", seconds = 1) => server.client(token).follow(contract.system.stats, { query: { interval: seconds } });

test("JSON is one answer, for the interval that is asked for", async () => {
  expect(await server.client("access.operator").call(contract.system.stats)).toMatchObject({ interval_ms: 1000, clients_total: 0, total: { operations: 0, latency_ms: null } });
  expect(await server.client("access.operator").call(contract.system.stats, { query: { interval: 30 } })).toMatchObject({ interval_ms: 30_000 });
  await expect(server.client("access.operator").call(contract.system.stats, { query: { interval: 31 } })).rejects.toMatchObject({ code: "invalid_request" });
  await expect(server.client("access.user").call(contract.system.stats)).rejects.toMatchObject({ code: "forbidden" });
});

test("an answer whose caller goes away is waited for no longer", async () => {
  const asked = Promise.withResolvers<void>();
  const figures = (): Promise<LiveFigures> => {
    asked.resolve();
    return new Promise(() => {});
  };
  const own = await serveApi(control, { ...fakeRuntime(), live: { figures, follow: () => ({ end() {} }) } });
  const caller = new AbortController();
  const answer = fetch(`${own.listener.url}/api/v1/stats?interval=20`, { headers: { authorization: "Bearer access.operator" }, signal: caller.signal });
  answer.catch(() => {});
  await within("the call", 5000, asked.promise);
  caller.abort();
  await within("the end of the call", 5000, own.api.close());
  await own.listener.stop(0);
});

describe("a stream", () => {
  test("gives what comes until its reader has enough", async () => {
    const stream = follow("access.operator", 2);
    const first = next(stream);
    await followed(1);
    expect(live.following[0]?.seconds).toBe(2);
    live.tell(1);
    expect((await first).value).toMatchObject({ clients_total: 1, total: { operations: 0 } });
    const second = next(stream);
    live.tell(2);
    expect((await second).value).toMatchObject({ clients_total: 2 });
    await stream.return(undefined);
    await followed(0);
  });

  test("has the headers of one, and events of one line each", async () => {
    const response = await server.raw("GET", "/api/v1/stats", { token: "access.admin", headers: { accept: "text/html, text/event-stream;q=0.9" } });
    expect([response.status, response.headers.get("content-type"), response.headers.get("cache-control"), response.headers.get("content-length")]).toEqual([200, "text/event-stream", "no-store", null]);
    await followed(1);
    live.tell(7);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const text = new TextDecoder().decode((await within("an event", 5000, reader.read())).value);
    expect(text).toStartWith("data: {");
    expect(text.split("\n")).toHaveLength(3);
    await reader.cancel();
    await followed(0);
  });

  test("ends, with the reason, when its caller logs out or may no longer", async () => {
    const stream = follow();
    const first = next(stream);
    await followed(1);
    live.tell(1);
    await first;
    revoked.add("access.operator");
    const end = next(stream);
    end.catch(() => {});
    live.tell(2);
    await expect(end).rejects.toBeInstanceOf(StreamEnded);
    await expect(end).rejects.toMatchObject({ code: "invalid_token" });
    await followed(0);
  });

  test("is refused to who may not, and nobody watches for them", async () => {
    await expect(next(follow("access.user"))).rejects.toMatchObject({ code: "forbidden" });
    await expect(next(follow("nobody's"))).rejects.toMatchObject({ status: 401 });
    expect(live.following).toHaveLength(0);
  });

  test("of one user there are so many, and room for others", async () => {
    const open = Array.from({ length: limits.eventStreamsPerUserMax }, () => follow());
    const waiting = open.map((stream) => stream.next());
    await followed(open.length);
    await expect(next(follow())).rejects.toMatchObject({ code: "busy" });
    const other = follow("access.admin");
    const first = next(other);
    await followed(open.length + 1);
    live.tell(1);
    expect((await first).value).toMatchObject({ clients_total: 1 });
    await Promise.all(waiting);
    await Promise.all([...open, other].map((stream) => stream.return(undefined)));
    await followed(0);
  });

  test("whose reader takes nothing misses events, and holds up nobody", async () => {
    const { hostname, port } = new URL(server.listener.url);
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({ hostname, port: Number(port), socket: { open: (it) => it.pause(), data() {}, close: () => closed.resolve() } });
    socket.write("GET /api/v1/stats HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer access.admin\r\naccept: text/event-stream\r\n\r\n");
    await followed(1);
    const before = process.memoryUsage().rss;
    const long = "x".repeat(256 * 1024);
    for (let i = 0; i < 400; i++) {
      for (const { told } of live.following) told({ ...idleFigures, shares: [{ name: long, operations: 0, failures: 0, readBytes: 0, writtenBytes: 0, waiting: 0, latency: null, dirtyBytes: 0, unstoredBytes: 0, oldestUnstoredMs: null, storeError: null }] });
      await Promise.resolve();
      await new Promise((turn) => setImmediate(turn));
    }
    // What was garbage at once goes back in a while; a hundred MiB that are kept for the reader stay.
    await until("the memory", 10_000, () => {
      Bun.gc(true);
      return process.memoryUsage().rss - before < 60 * 2 ** 20 || null;
    });
    const other = follow("access.operator");
    const first = next(other);
    await followed(2);
    live.tell(3);
    expect((await first).value).toMatchObject({ clients_total: 3 });
    await other.return(undefined);
    socket.terminate();
    await followed(0);
  });
});

test("streams end when the server stops, and it waits for no more", async () => {
  const own = await serveApi(control, { ...fakeRuntime(), live });
  const stream = own.client("access.admin").follow(contract.system.stats);
  const end = next(stream);
  end.catch(() => {});
  await followed(1);
  await within("the stop", 5000, own.listener.stop(60_000));
  await expect(end).rejects.toMatchObject({ code: "unavailable" });
  expect(live.following).toHaveLength(0);
});

test("events are taken apart wherever they are cut", async () => {
  const text = ": a comment\r\n\r\nevent: end\ndata: one\ndata:two\nid: 7\n\ndata: é\r\rdata\n\nunfinished: x\ndata: never";
  const expected = [
    { type: "end", data: "one\ntwo" },
    { type: "message", data: "é" },
    { type: "message", data: "" },
  ];
  const bytes = new TextEncoder().encode(text);
  for (let cut = 0; cut <= bytes.length; cut++) {
    async function* pieces() {
      yield bytes.subarray(0, cut);
      yield bytes.subarray(cut);
    }
    expect(await Array.fromAsync(eventsOf(pieces()))).toEqual(expected);
  }
});

test("an event of many lines is bounded as one of a single long line is", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    const line = new TextEncoder().encode(`data: ${"x".repeat(2 ** 20)}\n`);
    for (let i = 0; i < 20; i++) yield line;
  }
  await expect(eventsOf(endless()).next()).rejects.toThrow("an event longer than");
});
