import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { status } from "@grpc/grpc-js";
import { spawn } from "bun";
import { join } from "node:path";
import { Admin, request } from "../../support/admin.ts";
import { Certificates } from "../../support/certificates.ts";
import { NfsClient, Stable } from "../../support/nfs-client.ts";
import { OtlpReceiver } from "../../support/otlp-receiver.ts";
import { Scrape } from "../../support/scrape.ts";
import { binaryPath, Server, temporaryDirectory } from "../../support/server.ts";
import { until } from "../../support/wait.ts";

/** The compiled server and its collector: whom it follows, and what becomes of requests while the collector is away. */

const minuteMs = 60_000;
const directory = temporaryDirectory("collector");
let receiver: OtlpReceiver;

beforeAll(async () => {
  receiver = await OtlpReceiver.start();
});

afterAll(() => {
  receiver.stop();
  directory.remove();
});

function start(name: string, env: Readonly<Record<string, string>>): Promise<Server> {
  return Server.start({ dataDir: join(directory.path, name), port: 0, env: { DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: receiver.endpoint, ...env } });
}

async function dittofs(args: readonly string[], env: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly out: string; readonly err: string }> {
  const running = spawn([binaryPath(), ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: { ...Bun.env, ...env } });
  const [out, err, status] = await Promise.all([new Response(running.stdout).text(), new Response(running.stderr).text(), running.exited]);
  return { status, out, err };
}

describe("calls of the REST interface", () => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const parent = "00f067aa0ba902b7";
  let server: Server;
  let admin: Admin;

  beforeAll(async () => {
    // Of what no caller asks for, nothing is followed.
    server = await start("rest", { DITTOFS_TELEMETRY_SAMPLE_RATE: "0" });
    admin = await Admin.at(server);
  }, 3 * minuteMs);
  afterAll(() => server.stop());

  const users = (traceparent: string) => request(server.apiUrl, "GET", "/api/v1/users/admin", undefined, { authorization: `Bearer ${admin.token}`, traceparent });

  test(
    "go on with their caller's trace where that is recorded, as spans of their routes",
    async () => {
      receiver.spans.length = 0;
      expect((await users(`00-${trace}-${parent}-01`)).status).toBe(200);
      for (const not of [`00-${trace}-${parent}-00`, "00-nonsense", ""]) expect((await users(not)).status).toBe(200);
      const refused = await request(server.apiUrl, "GET", "/api/v1/users/nobody-there", undefined, { traceparent: `00-${trace}-${parent}-01` });
      expect(refused.status).toBe(401);
      const spans = await receiver.wait("both", () => (receiver.spans.length >= 2 ? receiver.spans : null));
      expect(spans).toHaveLength(2);
      expect(spans[0]).toMatchObject({ trace, parent, name: "GET /api/v1/users/{username}", kind: 2, status: 0, attributes: { "http.request.method": "GET", "http.route": "/api/v1/users/{username}", "http.response.status_code": "200", "network.peer.address": "127.0.0.1" } });
      expect(spans[1]).toMatchObject({ trace, parent, status: 0, attributes: { "http.response.status_code": "401" } });
      expect(Buffer.concat(receiver.messages).includes("nobody-there")).toBe(false);
    },
    3 * minuteMs,
  );

  test(
    "of the command line are followed where it is told to, or is in a trace itself",
    async () => {
      receiver.spans.length = 0;
      const env = { DITTOFS_SERVER: server.apiUrl, DITTOFS_TOKEN: admin.token };
      expect(await dittofs(["user", "list"], env)).toMatchObject({ status: 0, err: "" });
      const traced = await dittofs(["user", "list", "--trace"], env);
      const [, said] = /^trace ([0-9a-f]{32})\n$/.exec(traced.err) ?? [];
      expect([traced.status, said]).toEqual([0, expect.any(String)]);
      expect(await dittofs(["share", "list"], { ...env, TRACEPARENT: `00-${trace}-${parent}-01` })).toMatchObject({ status: 0, err: "" });
      const [first, second] = await receiver.wait("both", () => (receiver.spans.length >= 2 ? receiver.spans : null));
      expect(first).toMatchObject({ trace: said, name: "GET /api/v1/users" });
      expect(second).toMatchObject({ trace, parent, name: "GET /api/v1/shares" });
    },
    3 * minuteMs,
  );
});

test(
  "at a rate of 0.01 about one of a hundred requests is followed, whole",
  async () => {
    const server = await start("rate", { DITTOFS_TELEMETRY_SAMPLE_RATE: "0.01", DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: "1000000" });
    const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
    receiver.spans.length = 0;
    const root = await nfs.mount("/export");
    const total = 30_000;
    for (let i = 0; i < total; i += 100) await Promise.all(Array.from({ length: 100 }, () => nfs.getattr(root)));
    nfs.close();
    // What is not sent yet is sent by a stop.
    expect(await server.stop()).toBe(0);
    const followed = receiver.named("nfs.GETATTR");
    const sigma = Math.sqrt(total * 0.01 * 0.99);
    expect(Math.abs(followed.length - total * 0.01)).toBeLessThan(5 * sigma);
    for (const span of followed) expect(receiver.childrenOf(span).map(({ name }) => name)).toEqual(["vfs.getattr"]);
  },
  3 * minuteMs,
);

test(
  "what the bound on traces passes over is counted and said; what is followed is what the receiver gets",
  async () => {
    const server = await start("bound", { DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: "7", DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" });
    const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
    receiver.spans.length = 0;
    const root = await nfs.mount("/export");
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 100 }, () => nfs.getattr(root)));
    await server.printed(/WARN: more requests were drawn than telemetry\.max_traces_per_second .*\}/);
    const requests = Number(/more requests were drawn .*"requests":(\d+)/.exec(server.output)?.[1]);
    const found = await Scrape.at(server.metricsUrl);
    nfs.close();
    expect(await server.stop()).toBe(0);
    const begun = receiver.spans.filter(({ kind }) => kind === 2);
    // Seven a second, for as long as it took.
    expect(begun.length).toBeGreaterThanOrEqual(7);
    expect(begun.length).toBeLessThan(500);
    expect(found.value("dittofs_traces_followed_total")).toBe(begun.length);
    // One mount beside the look-ups of attributes.
    expect(found.value("dittofs_traces_passed_over_total")).toBe(1001 - begun.length);
    expect(requests).toBeGreaterThan(0);
    expect(requests).toBeLessThanOrEqual(1001 - begun.length);
  },
  3 * minuteMs,
);

test(
  "while the collector is away requests are served, the log says so once, and once when it is back",
  async () => {
    const server = await start("away", { DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0", DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: "1000000" });
    receiver.spans.length = 0;
    const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
    const root = await nfs.mount("/export");
    const { handle } = await nfs.create(root, "file", { mode: 0o644 });
    await receiver.wait("CREATE", () => receiver.named("nfs.CREATE")[0]);
    // Its answer has to have arrived, too: what nobody answered is sent again.
    await until("the answer for all of it", 10_000, async () => {
      const now = await Scrape.at(server.metricsUrl);
      return now.value("dittofs_spans_waiting") === 0 && now.value("dittofs_spans_exported_total") === receiver.spans.length ? true : null;
    });
    receiver.stop();
    // More than is kept.
    for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 100 }, () => nfs.write(handle!, 0, Buffer.alloc(100), Stable.unstable)));
    await nfs.commit(handle!);
    await server.printed(/collector of traces .* does not take them/);
    await server.printed(/WARN: spans are dropped for want of room: .*telemetry\.endpoint.*"kept":8192/);
    const away = await Scrape.at(server.metricsUrl);
    expect(away.value("dittofs_spans_waiting")).toBe(8192);
    const droppedSpans = away.value("dittofs_spans_dropped_total", { reason: "full" });
    // A WRITE is two spans at least.
    expect(droppedSpans).toBeGreaterThanOrEqual(2 * 10_000 - 8192);
    expect(away.has("dittofs_spans_dropped_total", { reason: "refused" })).toBe(true);
    const before = away.value("dittofs_spans_exported_total");
    expect(receiver.spans.length).toBe(before);
    receiver.spans.length = 0;
    await receiver.start();
    await server.printed(/collector of traces takes them again \{.*"dropped":\d+/);
    await receiver.wait("a WRITE from before", () => receiver.named("nfs.WRITE")[0]);
    await nfs.getattr(root);
    await receiver.wait("a GETATTR from after", () => receiver.named("nfs.GETATTR")[0]);
    nfs.close();
    const after = await until("everything to be sent", 20_000, async () => {
      const scrape = await Scrape.at(server.metricsUrl);
      return scrape.value("dittofs_spans_waiting") === 0 ? scrape : null;
    });
    expect(after.value("dittofs_spans_exported_total") - before).toBe(receiver.spans.length);
    expect(server.output.match(/collector of traces/g)).toHaveLength(2);
    expect(Number(/takes them again \{.*"dropped":(\d+)/.exec(server.output)?.[1])).toBe(after.value("dittofs_spans_dropped_total", { reason: "full" }));
    receiver.stop();
    const begun = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - begun).toBeLessThan(20_000);
    await receiver.start();
  },
  3 * minuteMs,
);

test(
  "spans that the collector refuses, and those it leaves no room for, are counted to the span",
  async () => {
    const server = await start("dropped", { DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0", DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: "1000000" });
    const settled = (what: string, is: (now: Scrape) => boolean): Promise<Scrape> => until(what, 40_000, async () => ((now) => (is(now) ? now : null))(await Scrape.at(server.metricsUrl)));
    const waiting = (spans: number) => (now: Scrape) => now.value("dittofs_spans_waiting") === spans;
    receiver.spans.length = 0;
    const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
    const root = await nfs.mount("/export");
    await receiver.wait("MNT", () => receiver.spans[0]);
    const before = await settled("the mount to be sent", waiting(0));
    expect(before.value("dittofs_spans_exported_total")).toBe(receiver.spans.length);
    // A GETATTR is two spans: the call, and what is done for it.
    receiver.answers = status.INVALID_ARGUMENT;
    await Promise.all(Array.from({ length: 20 }, () => nfs.getattr(root)));
    await settled("them to be refused", (now) => waiting(0)(now) && now.value("dittofs_spans_dropped_total", { reason: "refused" }) > 0);
    // It may come to its senses.
    receiver.answers = status.UNAVAILABLE;
    for (let i = 0; i < 50; i++) await Promise.all(Array.from({ length: 100 }, () => nfs.getattr(root)));
    const full = await settled("all that is kept", (now) => waiting(8192)(now) && now.value("dittofs_spans_dropped_total", { reason: "full" }) >= 2 * 5000 - 8192);
    expect(full.value("dittofs_spans_dropped_total", { reason: "refused" })).toBe(2 * 20);
    expect(full.value("dittofs_spans_dropped_total", { reason: "full" })).toBe(2 * 5000 - 8192);
    expect(full.value("dittofs_traces_followed_total") - before.value("dittofs_traces_followed_total")).toBe(5020);
    receiver.answers = status.OK;
    receiver.spans.length = 0;
    const after = await settled("what was kept to be sent", waiting(0));
    expect(after.value("dittofs_spans_exported_total") - before.value("dittofs_spans_exported_total")).toBe(8192);
    expect(receiver.spans.length).toBe(8192);
    expect(after.value("dittofs_spans_dropped_total", { reason: "refused" })).toBe(2 * 20);
    expect(after.value("dittofs_spans_dropped_total", { reason: "full" })).toBe(2 * 5000 - 8192);
    nfs.close();
    await server.stop();
  },
  2 * minuteMs,
);

test(
  "over TLS a collector is spoken to whose authority is trusted, and no other",
  async () => {
    const certificates = new Certificates(directory.path);
    certificates.authority("authority");
    certificates.signed("collector", "authority");
    const secure = await OtlpReceiver.start({ cert: certificates.read("collector.pem"), key: certificates.read("collector.key") });
    const env = { DITTOFS_TELEMETRY_ENDPOINT: secure.endpoint, DITTOFS_TELEMETRY_INSECURE: "false" };
    for (const trusted of [false, true]) {
      const server = await start(`tls-${trusted}`, { ...env, ...(trusted ? { NODE_EXTRA_CA_CERTS: certificates.path("authority.pem") } : {}) });
      const nfs = await NfsClient.connect({ port: server.port, credentials: { uid: 0, gid: 0 } });
      await nfs.getattr(await nfs.mount("/export"));
      if (trusted) await secure.wait("GETATTR", () => secure.named("nfs.GETATTR")[0]);
      else await server.printed(/collector of traces .* does not take them/);
      nfs.close();
      await server.stop();
      expect(secure.asked > 0).toBe(trusted);
    }
    secure.stop();
  },
  3 * minuteMs,
);

test.each([
  ["telemetry.endpoint", { DITTOFS_TELEMETRY_ENDPOINT: "http://otel:4317" }, /telemetry\.endpoint: "http:\/\/otel:4317".*allowed: HOST:PORT/],
  ["telemetry.sample_rate", { DITTOFS_TELEMETRY_SAMPLE_RATE: "2" }, /telemetry\.sample_rate: "2" is too much; allowed: a number from 0 to 1/],
])("a wrong %s keeps a server from starting, by key and value", async (_, env, said) => {
  const { status, err } = await dittofs(["start", "--data-dir", join(directory.path, "refused")], { ...env });
  expect(status).not.toBe(0);
  expect(err).toMatch(said);
});
