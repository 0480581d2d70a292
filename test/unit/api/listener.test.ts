import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { type TLSSocket, connect } from "node:tls";
import { systemClock } from "../../../src/base/clock.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { ConnectError, createClient } from "../../../src/api/client/index.ts";
import { contract } from "../../../src/api/contract/index.ts";
import { type Api, type ApiListener, ListenError, type TlsFiles, createApi, listenApi } from "../../../src/api/server/index.ts";
import { CertificateError } from "../../../src/api/server/certificate.ts";
import { limits } from "../../../src/api/server/limits.ts";
import type { ControlPlane } from "../../../src/control/services.ts";
import { Certificates } from "../../support/certificates.ts";
import { fakeControl, fakeProfiles, fakeRuntime, fakeUser } from "../../support/fake-control.ts";
import { RawConnection } from "../../support/raw-connection.ts";
import { until } from "../../support/wait.ts";
import { temporary } from "../../support/temporary.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { LogLines } from "../../support/log-lines.ts";

const directory = temporary("tls");
const made = new Certificates(directory);
const opened: ApiListener[] = [];

beforeAll(() => {
  made.authority("root");
  made.authority("stranger");
  for (const name of ["one", "two", "client"]) made.signed(name, "root");
  made.signed("intruder", "stranger");
});
afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.stop(0);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function control(): ControlPlane {
  const fake = fakeControl();
  fake.rows.users.add("admin", fakeUser("admin", { role: "admin" }));
  return fake;
}

function use(name: string): TlsFiles {
  copyFileSync(made.path(`${name}.pem`), made.path("server.pem"));
  copyFileSync(made.path(`${name}.key`), made.path("server.key"));
  return { certFile: made.path("server.pem"), keyFile: made.path("server.key"), clientCa: null };
}

async function listen(tls: TlsFiles | null, more: { readonly clock?: ManualClock; readonly control?: ControlPlane; readonly port?: number; readonly connectionsMax?: number } = {}) {
  const log = new LogLines();
  const clock = more.clock ?? systemClock;
  const about = { version: "0.0.0-test", startedAt: 0, pid: 1, dataDir: "/srv/dittofs" };
  const api = createApi({ control: more.control ?? control(), runtime: fakeRuntime(), profiles: fakeProfiles(), clock, random: systemRandom, logger: log, about, tls: tls !== null, hosts: null });
  let inHand = 0;
  let most = 0;
  const counted: Api = {
    ...api,
    close: () => api.close(),
    async fetch(request, peer) {
      most = Math.max(most, ++inHand);
      // As long as a call that asks a database: what is sent after it has arrived by then.
      for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
      return api.fetch(request, peer).finally(() => inHand--);
    },
  };
  const listener = await listenApi({ host: "127.0.0.1", port: more.port ?? 0, tls, api: counted, clock, logger: log, connectionsMax: more.connectionsMax ?? 64 });
  opened.push(listener);
  return { listener, log, inHandMax: () => most };
}

function dial(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port, ca: made.read("root.pem") }, () => resolve(socket));
    socket.on("error", reject);
  });
}

/** The name in the certificate a new connection is shown. */
async function shown(port: number): Promise<string> {
  const socket = await dial(port);
  const name = socket.getPeerCertificate().subject.CN;
  socket.destroy();
  return String(name);
}

const eventually = (what: string, probe: () => boolean): Promise<true> => until(what, 5000, () => probe() || null);

const client = (listener: ApiListener, tls: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly insecure?: boolean } = { ca: made.read("root.pem") }) =>
  createClient({ baseUrl: listener.url, timeoutMs: 20_000, clock: systemClock, tls });

describe("a certificate", () => {
  test("is served, and browsers are told to stay with it", async () => {
    const { listener } = await listen(use("one"));
    expect((await client(listener).call(contract.health.live)).status).toBe("healthy");
    const response = await fetch(`${listener.url}/health`, { tls: { ca: made.read("root.pem") } });
    expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000");
    // Shorter than any name the router expects there.
    const short = await fetch(`${listener.url}/health`, { tls: { ca: made.read("root.pem") }, headers: { host: "x" } });
    expect(short.status).toBe(200);
  });

  test("that is replaced is served to new connections within the polling's interval, and no call in hand is cut", async () => {
    const clock = new ManualClock();
    const plane = control();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const { listener, log } = await listen(use("one"), { clock, control: { ...plane, health: () => held.then(() => null) } });
    await eventually("the first look at the files", () => clock.pending > 0);
    const slow = client(listener).call(contract.health.live);
    await eventually("the call in hand", () => clock.pending > 1);
    use("two");
    clock.pass(limits.certificatePollMs);
    await eventually("the reload", () => log.lines.some((line) => line.includes("serves the new certificate")));
    expect(await shown(listener.port)).toBe("two");
    release();
    expect((await slow).status).toBe("healthy");
    use("one");
    await eventually("the next look at the files", () => clock.pending > 0);
    clock.pass(limits.certificatePollMs);
    await eventually("the second reload", () => log.lines.filter((line) => line.includes("serves the new certificate")).length === 2);
    expect(await shown(listener.port)).toBe("one");
  });

  test("is read again when asked, and not changed where the files didn't", async () => {
    const { listener, log } = await listen(use("one"));
    expect(await listener.reloadCertificate()).toBe(true);
    expect(log.lines).toEqual([]);
    use("two");
    expect(await listener.reloadCertificate()).toBe(true);
    expect(await shown(listener.port)).toBe("two");
  });

  const broken: readonly [string, () => void, RegExp][] = [
    ["is garbage", () => writeFileSync(made.path("server.pem"), "garbage"), /holds no certificate in PEM form/],
    ["has another key", () => copyFileSync(made.path("two.key"), made.path("server.key")), /is not the one of the certificate/],
    ["is gone", () => rmSync(made.path("server.pem")), /cannot read the certificate file/],
    ["has a key that is garbage", () => writeFileSync(made.path("server.key"), "garbage"), /holds no private key/],
  ];
  test.each(broken)("that %s is refused, and the old one served on", async (_, breakIt, reason) => {
    const { listener, log } = await listen(use("one"));
    breakIt();
    expect(await listener.reloadCertificate()).toBe(false);
    expect(log.lines.join()).toMatch(reason);
    expect(await shown(listener.port)).toBe("one");
    use("two");
    expect(await listener.reloadCertificate()).toBe(true);
    expect(await shown(listener.port)).toBe("two");
  });

  test.each(broken)("that %s is an error at start", async (_, breakIt, reason) => {
    const files = use("one");
    breakIt();
    await expect(listen(files)).rejects.toThrow(CertificateError);
    await expect(listen(files)).rejects.toThrow(reason);
  });

  test("that nobody vouches for is refused by the client with advice", async () => {
    const { listener } = await listen(use("one"));
    await expect(client(listener, {}).call(contract.health.live)).rejects.toThrow(/is not trusted .*--cacert/);
    expect((await client(listener, { insecure: true }).call(contract.health.live)).status).toBe("healthy");
  });
});

describe("a client authority", () => {
  const files = () => ({ ...use("one"), clientCa: made.path("root.pem") });
  const ca = () => made.read("root.pem");

  test("lets those in whose certificate it signed, and nobody else", async () => {
    const { listener } = await listen(files());
    expect((await client(listener, { ca: ca(), cert: made.read("client.pem"), key: made.read("client.key") }).call(contract.health.live)).status).toBe("healthy");
    await expect(client(listener, { ca: ca() }).call(contract.health.live)).rejects.toThrow(ConnectError);
    await expect(client(listener, { ca: ca() }).call(contract.health.live)).rejects.toThrow(/--client-cert/);
    await expect(client(listener, { ca: ca(), cert: made.read("intruder.pem"), key: made.read("intruder.key") }).call(contract.health.live)).rejects.toThrow(ConnectError);
  });

  test("is asked for after a change of certificate, too", async () => {
    const { listener } = await listen(files());
    use("two");
    expect(await listener.reloadCertificate()).toBe(true);
    expect((await client(listener, { ca: ca(), cert: made.read("client.pem"), key: made.read("client.key") }).call(contract.health.live)).status).toBe("healthy");
    await expect(client(listener, { ca: ca() }).call(contract.health.live)).rejects.toThrow(ConnectError);
  });
});

describe("a port", () => {
  test.each([false, true])("that is taken is an error that says so (TLS: %p)", async (secure) => {
    const first = await listen(secure ? use("one") : null);
    const again = listen(secure ? use("one") : null, { port: first.listener.port });
    await expect(again).rejects.toThrow(ListenError);
    await expect(again).rejects.toThrow(/something else does\. Stop it, or set controlplane\.port/);
  });

  test("nobody listens on is told by the client with the address and what to check", async () => {
    const { listener } = await listen(null);
    const { url } = listener;
    await listener.stop(0);
    await expect(createClient({ baseUrl: url, timeoutMs: 5000, clock: systemClock }).call(contract.health.live)).rejects.toThrow(`cannot connect to ${url}: nothing listens there. Is the server running`);
  });
});

describe("connections", () => {
  const get = Buffer.from("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
  const closed = (connections: readonly RawConnection[]): number[] => connections.flatMap((each, i) => (each.open ? [] : [i]));
  const answer = (connection: RawConnection): Promise<void> => connection.wait("an answer", 5000, () => connection.bytes().includes("200 OK"));

  async function crowd(port: number, count: number, sent?: Buffer): Promise<RawConnection[]> {
    const all: RawConnection[] = [];
    for (let i = 0; i < count; i++) {
      const connection = await RawConnection.open(port);
      if (sent !== undefined) {
        connection.send(sent);
        await answer(connection);
      }
      all.push(connection);
    }
    return all;
  }

  test.each([false, true])("are no more than the bound: the oldest that never made a call goes first (TLS: %p)", async (secure) => {
    const { listener } = await listen(secure ? use("one") : null, { connectionsMax: 8 });
    const silent = await crowd(listener.port, 20);
    await eventually("the excess is closed", () => closed(silent).length === 12);
    expect(closed(silent)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect((await client(listener).call(contract.health.live)).status).toBe("healthy");
    for (const connection of silent) connection.close();
  });

  test("that made a call are closed after the silent ones, and the one longest at rest first", async () => {
    const { listener } = await listen(null, { connectionsMax: 4 });
    const spoke = await crowd(listener.port, 3, get);
    const silent = await crowd(listener.port, 3);
    await eventually("the silent ones are closed", () => closed(silent).length === 2);
    expect(closed(spoke)).toEqual([]);
    const more = await crowd(listener.port, 3, get);
    await eventually("the ones at rest are closed", () => closed(spoke).length === 2);
    expect([closed(spoke), closed(silent), closed(more)]).toEqual([[0, 1], [0, 1, 2], []]);
    for (const connection of [...spoke, ...more]) connection.close();
  });

  test("with a call in hand are never closed for others: what is too much then is", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const clock = new ManualClock();
    const { listener } = await listen(null, { clock, connectionsMax: 3, control: { ...control(), health: () => held.then(() => null) } });
    const busy: RawConnection[] = [];
    for (let i = 0; i < 3; i++) {
      const connection = await RawConnection.open(listener.port);
      connection.send(get);
      busy.push(connection);
      // Each has its time-out, beside the sweep.
      await eventually("a call in hand", () => clock.pending > i + 1);
    }
    const [late] = await crowd(listener.port, 1) as [RawConnection];
    await late.wait("its end", 5000, () => false);
    release();
    for (const connection of busy) await answer(connection);
    for (const connection of busy) connection.close();
  });

  test("whose call waits for the rest of its body make room when nobody else does", async () => {
    const clock = new ManualClock();
    const { listener } = await listen(null, { clock, connectionsMax: 3 });
    const slow: RawConnection[] = [];
    for (let i = 0; i < 3; i++) {
      const connection = await RawConnection.open(listener.port);
      connection.send(Buffer.from("POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"));
      slow.push(connection);
      await eventually("a call in hand", () => clock.pending > i + 1);
    }
    expect((await client(listener, {}).call(contract.health.live)).status).toBe("healthy");
    expect(closed(slow)).toEqual([0]);
    for (const connection of slow) connection.close();
  });

  test("have to make their first call within a time, however slowly they send, and another one in another", async () => {
    const clock = new ManualClock();
    const { listener } = await listen(null, { clock });
    const [drips, rests] = [await RawConnection.open(listener.port), await RawConnection.open(listener.port)];
    rests.send(get);
    await answer(rests);
    for (let ms = 0; ms < limits.firstCallMs; ms += limits.sweepMs) {
      expect(drips.open).toBe(true);
      drips.send(Buffer.from("G"));
      clock.pass(limits.sweepMs);
    }
    await drips.wait("its end", 5000, () => false);
    expect(rests.open).toBe(true);
    for (let ms = 0; ms < limits.idleSec * 1000; ms += limits.sweepMs) clock.pass(limits.sweepMs);
    await rests.wait("its end", 5000, () => false);
  });

  test("that send calls without waiting for answers get them in order, up to a bound", async () => {
    const { listener } = await listen(null);
    const [some] = (await crowd(listener.port, 1)) as [RawConnection];
    some.send(Buffer.concat(["/health", "/nothing", "/health"].map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`))));
    await some.wait("three answers", 5000, () => some.bytes().toString().split("HTTP/1.1 ").length === 4);
    expect(some.bytes().toString().match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404", "HTTP/1.1 200"]);
    some.close();
    const [many] = (await crowd(listener.port, 1)) as [RawConnection];
    many.send(Buffer.concat(Array.from({ length: 4 * limits.pipelinedMax }, () => get)));
    await many.wait("its end", 5000, () => false);
    expect((await client(listener, {}).call(contract.health.live)).status).toBe("healthy");
  });

  test("have one call in hand at a time: answers that nobody takes don't pile up", async () => {
    const { listener, inHandMax } = await listen(null);
    const [one] = (await crowd(listener.port, 1)) as [RawConnection];
    one.send(Buffer.concat(Array.from({ length: 8 }, () => get)));
    await one.wait("eight answers", 5000, () => one.bytes().toString().split("HTTP/1.1 200").length === 9);
    expect(inHandMax()).toBe(1);
    one.close();
  });

  test("that smuggle a path in as a host, or send what is no HTTP, are told so and closed", async () => {
    const { listener } = await listen(null);
    for (const bad of ["GET /health HTTP/1.1\r\nHost: x/api/docs?\r\n\r\n", "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\x16\x03\x01 hello\r\n\r\n", "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]) {
      const [connection] = (await crowd(listener.port, 1)) as [RawConnection];
      connection.send(Buffer.from(bad, "latin1"));
      await connection.wait("its end", 5000, () => false);
      expect(connection.bytes().toString()).toMatch(/^HTTP\/1\.1 400 /);
    }
  });
});

describe("stopping", () => {
  test("answers what is in hand and takes nothing more", async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    let asked = false;
    const plane = control();
    const { listener } = await listen(null, { control: { ...plane, health: () => ((asked = true), held.then(() => null)) } });
    const call = client(listener, {}).call(contract.health.live);
    await eventually("the call in hand", () => asked);
    const stopped = listener.stop(60_000);
    await expect(fetch(`${listener.url}/health`, { keepalive: false })).rejects.toThrow();
    release();
    expect((await call).status).toBe("healthy");
    await stopped;
  });

  test("does not wait past its deadline", async () => {
    const plane = control();
    let asked = false;
    const { listener } = await listen(null, { control: { ...plane, health: () => ((asked = true), new Promise<null>(() => {})) } });
    const call = client(listener, {}).call(contract.health.live);
    await eventually("the call in hand", () => asked);
    const failed = call.catch((error: unknown) => error);
    await listener.stop(20);
    expect(await failed).toBeInstanceOf(ConnectError);
  });
});
