import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Server as TcpServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { type Clock, systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import type { Logger } from "#telemetry/logger.ts";
import { childSpan, currentSpan, instrument, Kind, Links, linksMax, openTracing, type OpenTracing, outside, spanned, tracer, waited } from "#telemetry/tracing/index.ts";
import { closeMsMax, spansMax } from "#telemetry/tracing/export-queue.ts";
import { Losses } from "#telemetry/tracing/losses.ts";
import { OtlpReceiver } from "../../../support/otlp-receiver.ts";
import { SeededRandom } from "../../../support/seeded-random.ts";
import { until } from "../../../support/wait.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const endpointOfNobody = "127.0.0.1:1";

/** Keeps what is logged. */
class Lines implements Logger {
  readonly lines: string[] = [];
  readonly fields: Readonly<Record<string, unknown>>[] = [];
  /** On whose behalf each is. */
  readonly spans: unknown[] = [];
  readonly debug = (): void => {};
  readonly info = (fields: object, message: string): void => this.keep(fields, `info ${message}`);
  readonly warn = (fields: object, message: string): void => this.keep(fields, `warn ${message}`);
  readonly error = (fields: object, message: string): void => this.keep(fields, `error ${message}`);
  private keep(fields: object, line: string): void {
    this.lines.push(line);
    this.fields.push({ ...fields });
    this.spans.push(currentSpan());
  }
  child(): Logger {
    return this;
  }
}

/** Goes on by a microsecond at least whenever it is looked at: two looks at the machine's may find the same time. */
function neverStanding(): () => Time {
  let last = systemClock.now();
  return () => {
    const now = systemClock.now();
    const next = last.nsec + 1_000 < 1e9 ? new Time(last.sec, last.nsec + 1_000) : new Time(last.sec + 1, 0);
    last = now.sec > next.sec || (now.sec === next.sec && now.nsec > next.nsec) ? now : next;
    return last;
  };
}

/** What a busy machine may hold this process up for meanwhile. */
const heldUpMs = 6_000;

/** The machine's clock, its waits a hundred times shorter. */
const hurried: Clock = { ...systemClock, now: neverStanding(), after: (ms, run) => systemClock.after(ms === closeMsMax ? ms : ms / 100, run) };

describe("tracing", () => {
  let receiver: OtlpReceiver;
  let tracing: OpenTracing | null = null;
  let logged: Lines;

  async function open(sampleRate = 1, endpoint = receiver.endpoint, perSecondMax = 1_000_000): Promise<OpenTracing> {
    tracing = await openTracing({ endpoint, insecure: true, sampleRate, perSecondMax, version: "9.9", clock: hurried, random: new SeededRandom(1), logger: logged });
    return tracing;
  }

  const begin = (name: string) => tracer!.begin(name, Kind.server, {});

  beforeEach(async () => {
    receiver = await OtlpReceiver.start();
    logged = new Lines();
  });

  afterEach(async () => {
    await tracing?.close();
    tracing = null;
    receiver.stop();
  });

  test("is nothing while it is off", () => {
    expect(tracer).toBeNull();
    expect(currentSpan()).toBeNull();
    expect(childSpan("x")).toBeNull();
    expect(outside(() => 5)).toBe(5);
    expect(waited("x", 5)).toBe(5);
  });

  test("spans reach a receiver of OTLP with names, times, kinds, attributes, status, links and their parents", async () => {
    await open();
    const one = begin("one");
    const other = begin("other");
    const links = new Links();
    links.add(other);
    const result = await spanned(one, async () => {
      const child = childSpan("child", { number: 7, word: "w", yes: true }, Kind.client)!;
      await spanned(child, async () => {
        await waited("wait", new Promise((resolve) => setImmediate(resolve)));
        throw Object.assign(new Error("/secret/name"), { code: "ENOENT" });
      }).catch(() => {});
      const batch = tracer!.together("batch", {}, null, links, "serves");
      batch.end();
      return 3;
    });
    other.end();
    expect(result).toBe(3);
    await tracing!.close();
    const [root, child, wait, batch, linked] = ["one", "child", "wait", "batch", "other"].map((name) => receiver.named(name)[0]!);
    expect(receiver.resource).toMatchObject({ "service.name": "dittofs", "service.version": "9.9" });
    expect(root).toMatchObject({ parent: "", kind: 2, status: 0 });
    expect(child).toMatchObject({ parent: root!.id, trace: root!.trace, kind: 3, status: 2, statusMessage: "", attributes: { number: "7", word: "w", yes: true, "error.type": "ENOENT" } });
    expect(wait).toMatchObject({ parent: child!.id, trace: root!.trace });
    expect(batch!.trace).not.toBe(root!.trace);
    expect(batch).toMatchObject({ parent: "", links: [{ trace: linked!.trace, id: linked!.id, attributes: { "dittofs.link": "serves" } }], attributes: { "dittofs.links": "1" } });
    expect(root!.startNs <= child!.startNs && child!.endNs <= root!.endNs && root!.startNs < root!.endNs).toBe(true);
    expect(Buffer.concat(receiver.messages).includes("secret")).toBe(false);
    expect(tracing!.stats).toEqual({ exported: 5, full: 0, refused: 0, waiting: 0, followed: 2, passedOver: 0 });
  });

  test("values arrive as they are, whatever their kind and length, and a trace of another process goes on", async () => {
    await open();
    const remote = { traceId: "0123456789abcdef0123456789abcdef", spanId: "fedcba9876543210", sampled: true };
    const values = { zero: 0, large: 2 ** 40 + 1, most: Number.MAX_SAFE_INTEGER, below: -5, part: 1.5, no: false, empty: "", accents: "déjà vu", "schlüssel": "k" };
    const span = tracer!.begin("ein schöner Name", Kind.internal, { ...values, exact: "x".repeat(127), longer: "y".repeat(128), cut: "ß".repeat(300) }, remote);
    for (let i = 0; i < 100; i++) span.set(`many ${i}`, i);
    span.end();
    await tracing!.close();
    const [found] = receiver.spans;
    expect(found).toMatchObject({ name: "ein schöner Name", kind: 1, trace: remote.traceId, parent: remote.spanId });
    expect(found!.attributes).toMatchObject({ zero: "0", large: String(2 ** 40 + 1), most: String(Number.MAX_SAFE_INTEGER), below: "-5", part: 1.5, no: false, empty: "", accents: "déjà vu", "schlüssel": "k", exact: "x".repeat(127), longer: "y".repeat(128), cut: "ß".repeat(256) });
    expect(Object.keys(found!.attributes)).toHaveLength(64);
    expect(Math.abs(Number(found!.startNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  test("the current span is that of each continuation, and none once it has ended", async () => {
    await open();
    const [first, second] = [begin("first"), begin("second")];
    const gate = Promise.withResolvers<void>();
    const follow = async () => {
      const before = currentSpan();
      await gate.promise;
      return [before, currentSpan(), outside(() => currentSpan())];
    };
    const [a, b, nobody] = [first.run(follow), second.run(follow), follow()];
    expect(currentSpan()).toBeNull();
    second.run(() => gate.resolve());
    expect(await a).toEqual([first, first, null]);
    expect(await b).toEqual([second, second, null]);
    expect(await nobody).toEqual([null, null, null]);
    const late = first.run(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return currentSpan();
    });
    first.end();
    first.end();
    expect(tracer!.live).toBe(1);
    expect(await late).toBeNull();
    second.end();
    expect(tracer!.live).toBe(0);
  });

  test("a synchronous method stays synchronous, keeps its defaults, and is a span of the current one alone", async () => {
    await open();
    class Files {
      private readonly base = 10;
      read(id: number, name: string, more = 5): number {
        return this.base + id + name.length + more;
      }
    }
    const files = new Files();
    const seen: unknown[] = [];
    instrument(files, "files", { read: [["id", 0], ["name", 1]] }, { share: "/a" }, (_, result) => seen.push(result));
    expect(files.read(1, "ab")).toBe(18);
    expect(seen).toEqual([]);
    const root = begin("root");
    expect(root.run(() => files.read(1, "ab"))).toBe(18);
    root.end();
    expect(seen).toEqual([18]);
    await tracing!.close();
    // What is no number, as a name, is never an attribute.
    expect(receiver.named("files.read")).toMatchObject([{ parent: receiver.named("root")[0]!.id, attributes: { id: "1", share: "/a" } }]);
    expect(receiver.named("files.read")[0]!.attributes["name"]).toBeUndefined();
  });

  test("links are bounded, and how many there were is said", async () => {
    await open();
    const links = new Links();
    const spans = Array.from({ length: linksMax + 10 }, (_, i) => begin(`s${i}`));
    for (const span of spans) links.add(span);
    links.add(spans[0]!);
    const more = new Links();
    more.merge(links);
    const batch = tracer!.together("batch", {}, null, more, "serves");
    batch.end();
    const later = new Links();
    later.addServed(batch);
    expect([links.count, more.count, later.count]).toEqual([linksMax + 10, linksMax + 10, linksMax + 10]);
    for (const span of spans) span.end();
    await tracing!.close();
    expect(receiver.named("batch")[0]).toMatchObject({ attributes: { "dittofs.links": String(linksMax + 10) } });
    expect(receiver.named("batch")[0]!.links).toHaveLength(linksMax);
  });

  test.each([0.01, 0.3])("follows the part %p of the requests, at random", async (rate) => {
    await open(rate);
    const total = 100_000;
    const gaps = new Map<number, number>();
    let hits = 0;
    for (let i = 0, last = 0; i < total; i++) {
      if (!tracer!.samples()) continue;
      hits++;
      gaps.set(i - last, (gaps.get(i - last) ?? 0) + 1);
      last = i;
    }
    const sigma = Math.sqrt(total * rate * (1 - rate));
    expect(Math.abs(hits - total * rate)).toBeLessThan(5 * sigma);
    // Not every n-th: one right behind another is as likely as ever.
    expect(gaps.get(1)! / hits).toBeGreaterThan(rate / 2);
    expect(gaps.get(1)! / hits).toBeLessThan(rate * 2);
  });

  test("all or none are followed where that is asked for", async () => {
    await open(1);
    for (let i = 0; i < 100; i++) expect(tracer!.samples()).toBe(true);
    await tracing!.close();
    await open(0);
    for (let i = 0; i < 100; i++) expect(tracer!.samples()).toBe(false);
  });

  test("in a second never more are followed than the bound says, and in the next as many again", async () => {
    const clock = new ManualClock();
    tracing = await openTracing({ endpoint: receiver.endpoint, insecure: true, sampleRate: 0.5, perSecondMax: 100, version: "9.9", clock, random: new SeededRandom(1), logger: logged });
    const followed = (): number => Array.from({ length: 1_000 }, () => tracer!.samples()).filter(Boolean).length;
    expect([followed(), followed()]).toEqual([100, 0]);
    const { passedOver } = tracing.stats;
    expect(Math.abs(passedOver - 900)).toBeLessThan(100);
    expect(logged.lines).toEqual([]);
    await clock.passInTurns(999);
    expect(followed()).toBe(0);
    await clock.passInTurns(1);
    expect(logged.lines).toEqual([expect.stringMatching(/^warn more requests were drawn than telemetry\.max_traces_per_second/)]);
    const told = logged.fields[0]!["requests"] as number;
    expect(told).toBe(tracing.stats.passedOver);
    expect(followed()).toBe(100);
    // As long as it goes on that is said now and then, with how many they were.
    const beyond = tracing.stats.passedOver - told;
    await clock.passInTurns(600_000);
    expect(logged.fields[1]).toMatchObject({ requests: beyond, perSecondMax: 100, sampleRate: 0.5 });
    await clock.passInTurns(3_600_000);
    expect(logged.lines).toHaveLength(2);
  });

  test("what was drawn beyond the bound is told on behalf of no request", async () => {
    await open(1, receiver.endpoint, 1);
    const span = begin("a request");
    span.run(() => {
      while (tracer!.samples());
    });
    await until("the log to say so", 5_000, () => (logged.lines.length > 0 ? true : null));
    expect(logged.spans).toEqual([null]);
    span.end();
  });

  test("a span that ends after the stop is counted, and nobody is told that the collector is away", () => {
    const clock = new ManualClock();
    const told: number[] = [];
    const losses = new Losses(clock, (count) => told.push(count));
    losses.add(1);
    losses.end();
    losses.add(1);
    expect(clock.pending).toBe(0);
    const unused = new Losses(clock, (count) => told.push(count));
    unused.end();
    unused.add(1);
    expect([clock.pending, losses.total, unused.total, told]).toEqual([0, 2, 1, []]);
  });

  test("a collector that goes away and comes back is told what waited; the log hears of each once", async () => {
    await open();
    receiver.stop();
    for (let i = 0; i < 3; i++) {
      begin(`while away ${i}`).end();
      await until("a message that failed", 5_000, () => (logged.lines.length > 0 ? true : null));
    }
    expect(logged.lines).toHaveLength(1);
    expect(logged.lines[0]).toMatch(/^warn .*telemetry\.endpoint/);
    await receiver.start();
    await receiver.wait("the last span", () => receiver.named("while away 2")[0]);
    expect(receiver.spans).toHaveLength(3);
    await until("the log", 5_000, () => (logged.lines.length === 2 ? true : null));
    expect(logged.lines[1]).toMatch(/^info .*again/);
    expect(tracing!.stats).toMatchObject({ exported: 3, full: 0, refused: 0 });
  });

  test("without a collector spans are kept up to a bound, and a stop is not held up", async () => {
    await open(1, endpointOfNobody);
    for (let i = 0; i < spansMax + 100; i++) begin("x").end();
    expect(tracing!.stats).toMatchObject({ waiting: spansMax, full: 100 });
    await until("the log to say so", 5_000, () => logged.fields.find(({ spans }) => spans === 100) ?? null);
    expect(logged.lines.find((_, i) => logged.fields[i]!["spans"] === 100)).toMatch(/^warn spans are dropped for want of room/);
    const begun = performance.now();
    await tracing!.close();
    expect(performance.now() - begun).toBeLessThan(closeMsMax + heldUpMs);
    expect(tracing!.stats).toMatchObject({ exported: 0, full: 100, refused: 0, waiting: 0 });
    expect(logged.lines.at(-1)).toMatch(/^warn stopping with traces/);
    expect(logged.fields.at(-1)).toMatchObject({ spans: spansMax });
    expect(tracer).toBeNull();
  });

  test("a collector that accepts and never answers holds a stop up for no longer than the bound", async () => {
    const mute: TcpServer = createServer(() => {});
    const port = await new Promise<number>((resolve) => mute.listen(0, "127.0.0.1", () => resolve((mute.address() as { port: number }).port)));
    await open(1, `127.0.0.1:${port}`);
    begin("x").end();
    const begun = performance.now();
    await tracing!.close();
    expect(performance.now() - begun).toBeLessThan(closeMsMax + heldUpMs);
    mute.close();
  });

  test("what a collector refuses for good is dropped and counted, and what comes later is sent", async () => {
    await open();
    receiver.answers = status.INVALID_ARGUMENT;
    begin("refused").end();
    await until("the refusal", 5_000, () => (tracing!.stats.refused === 1 ? true : null));
    expect(logged.lines).toHaveLength(1);
    expect(logged.lines[0]).toMatch(/dropped/);
    receiver.answers = status.OK;
    begin("taken").end();
    await receiver.wait("the other", () => receiver.named("taken")[0]);
    expect(receiver.named("refused")).toEqual([]);
  });

  test.each([
    ["cut off", Buffer.from([0x0a, 0xff]), 0],
    ["no protobuf", Buffer.alloc(11, 0xff), 0],
    ["more refused than there were", Buffer.from([0x0a, 0x0a, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), 0],
    ["one refused, and why at length", Buffer.concat([Buffer.from([0x0a, 0xd5, 0x0f, 0x08, 0x01, 0x12, 0xd0, 0x0f]), Buffer.alloc(2000, "x")]), 2],
  ])("what listens at the endpoint and answers with nonsense (%s) costs a line of the log, and counts stay true", async (_, reply, exported) => {
    receiver.reply = reply;
    const { stats } = await open();
    expect(stats.exported).toBe(0);
    for (let i = 0; i < 3; i++) begin(`told ${i}`).end();
    await receiver.wait("the message", () => receiver.named("told 2")[0]);
    const after = await until("the answer", 20_000, () => (tracing!.stats.waiting === 0 ? tracing!.stats : null));
    expect([after.exported, after.refused]).toEqual([exported, 3 - exported]);
    expect(logged.lines).toHaveLength(1);
    expect(logged.lines[0]).toMatch(/^warn .*telemetry\.endpoint/);
    for (const { error } of logged.fields) expect(String(error).length).toBeLessThan(600);
    receiver.reply = Buffer.alloc(0);
    begin("later").end();
    await receiver.wait("later", () => receiver.named("later")[0]);
    expect((await until("it to be counted", 20_000, () => (tracing!.stats.waiting === 0 ? tracing!.stats : null))).exported).toBe(exported + 1);
  });

  test("many more spans than one message takes arrive whole", async () => {
    await open();
    for (let i = 0; i < 3_000; i++) begin("x").end();
    await receiver.wait("all", () => (receiver.spans.length === 3_000 ? true : null));
    expect(new Set(receiver.spans.map(({ id }) => id)).size).toBe(3_000);
    expect(Math.max(...receiver.messages.map(({ length }) => length))).toBeLessThan(2 ** 20);
  });
});
