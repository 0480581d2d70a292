import { beforeAll, describe, expect, test } from "bun:test";
import fs from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { openS3Blocks } from "#blocks/s3/index.ts";
import { MissingObjectError, StoreUnavailableError } from "#model/block-store.ts";
import { pattern } from "../../../contract/blocks.ts";
import type { Plan } from "../../../support/faulty-proxy.ts";
import { missingRadosgw, s3StartMsMax, sharedS3 } from "../../../support/radosgw.ts";
import { after, until } from "../../../support/wait.ts";
import { failureOf, once, puts, withWorld } from "./kit.ts";

const bytes = pattern(1_000_000, 1);
const slices = { from: "slices", slices: [bytes.subarray(0, 300_000), bytes.subarray(300_000)] } as const;

// Skipped where it needs an S3 server that is not there: the reason stands in the name.
describe.skipIf(missingRadosgw !== null)(`S3 over a bad network${missingRadosgw === null ? "" : `: ${missingRadosgw}`}`, () => {
  beforeAll(async () => void (await sharedS3()), s3StartMsMax);

  test("a put whose reply is lost is recognised as done, and neither fails nor puts twice", () =>
    withWorld(once("PUT", { kind: "loseReply" }), async ({ store, direct, proxy }) => {
      await store.put("k", slices);
      expect(await direct.get("k", 0, bytes.byteLength)).toEqual(bytes);
      expect(puts(proxy)).toBe(2);
      expect(puts(proxy, "HEAD")).toBe(1);
    }));

  test("a put that failed for its caller after its reply was lost may be put again by him, and is his", () =>
    withWorld(
      (request) => (request.method === "PUT" ? { kind: "loseReply" } : { kind: "answer", status: 503, code: "SlowDown" }),
      async ({ store, direct, proxy }) => {
        expect(await failureOf(store.put("k", slices))).toBeInstanceOf(StoreUnavailableError);
        proxy.plan = () => ({ kind: "pass" });
        await store.put("k", slices);
        expect(await direct.size("k")).toBe(bytes.byteLength);
      },
    ));

  test("a key that another writer took while the reply was lost is his: the put is refused", () =>
    withWorld(once("PUT", { kind: "cut" }), async ({ store, direct }) => {
      await direct.put("k", { from: "slices", slices: [pattern(5, 2)] });
      expect((await failureOf(store.put("k", slices))).message).toContain("already has an object k");
      expect(await direct.get("k", 0, 5)).toEqual(pattern(5, 2));
    }));

  test("a put that is cut half way is sent again from its beginning, from a file too", () =>
    withWorld(once("PUT", { kind: "cutRequest", bytes: 200_000 }), async ({ store, direct, proxy }) => {
      const path = (await sharedS3()).file("pack");
      fs.writeFileSync(path, bytes);
      await store.put("f", { from: "file", path, size: bytes.byteLength });
      expect(await direct.get("f", 0, bytes.byteLength)).toEqual(bytes);
      expect(puts(proxy)).toBe(2);
      expect(fs.existsSync(path)).toBe(false);
    }));

  test("a file whose put failed stays", () =>
    withWorld((request) => (request.method === "PUT" ? { kind: "cut" } : { kind: "pass" }), async ({ store, direct }) => {
      const path = (await sharedS3()).file("pack");
      fs.writeFileSync(path, bytes);
      expect(await failureOf(store.put("f", { from: "file", path, size: bytes.byteLength }))).toBeInstanceOf(StoreUnavailableError);
      expect(fs.statSync(path).size).toBe(bytes.byteLength);
      expect(await direct.size("f")).toBeNull();
    }));

  test("a read that is cut goes on where it stopped", () =>
    withWorld((request) => (request.number < 3 ? { kind: "cutReply", bytes: 200_000 } : { kind: "pass" }), async ({ store, direct, proxy }) => {
      await direct.put("k", slices);
      const target = new Uint8Array(900_000);
      expect(await store.get("k", 50_000, 900_000, target)).toBe(target);
      expect(target).toEqual(bytes.subarray(50_000, 950_000));
      const ranges = proxy.requests.map(({ headers }) => Number(/\r\nrange: bytes=(\d+)-949999/i.exec(headers)?.[1]));
      expect(ranges.length).toBe(4);
      expect(ranges[0]).toBe(50_000);
      for (let i = 1; i < 4; i++) expect((ranges[i] as number) - (ranges[i - 1] as number)).toBeGreaterThan(100_000);
    }));

  test("a read goes on for as long as each attempt brings something, however often it is cut", () =>
    withWorld(() => ({ kind: "cutReply", bytes: 80_000 }), async ({ store, direct, proxy }) => {
      await direct.put("k", slices);
      expect(await store.get("k", 0, bytes.byteLength)).toEqual(bytes);
      expect(proxy.requests.length).toBeGreaterThan(10);
    }));

  test("a read that stalls half way is given up and goes on elsewhere", () =>
    withWorld(
      once("GET", { kind: "stallReply", bytes: 100_000 }),
      async ({ store, direct }) => {
        await direct.put("k", slices);
        expect(await store.get("k", 0, bytes.byteLength)).toEqual(bytes);
      },
      { limits: { stallTimeoutMs: 300, attemptsMax: 20 } },
    ));

  test("a read that gets no byte for long is given up, and nothing is written into its target afterwards", () =>
    withWorld(
      () => ({ kind: "pass", delayMs: 600 }),
      async ({ store, direct, proxy }) => {
        await direct.put("k", slices);
        const target = new Uint8Array(1000);
        const error = await failureOf(store.get("k", 0, 1000, target));
        expect(error).toBeInstanceOf(StoreUnavailableError);
        expect(error.message).toContain("no byte within 200 ms");
        await until("the reply to come after all", 5000, () => (proxy.busy === 0 ? true : null));
        // One more answer on another connection: the late one has been dealt with by then.
        expect((await failureOf(store.get("k", 0, 1000))).message).toContain("no byte within 200 ms");
        expect(target).toEqual(new Uint8Array(1000));
      },
      { limits: { readMsMax: 200 } },
    ));

  test("a read that gets a byte now and then is given up like one that gets none", async () => {
    const server = createServer((socket) => {
      let ended = false;
      socket.on("error", () => {}).once("close", () => (ended = true));
      socket.once("data", async () => {
        socket.write("HTTP/1.1 206 Partial Content\r\ncontent-length: 100000\r\ncontent-range: bytes 0-99999/100000\r\netag: x\r\n\r\n");
        for (let i = 0; i < 1000 && !ended; i++) {
          socket.write("x");
          await after(10);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const store = await openS3Blocks({ bucket: "bucket", endpoint: `http://127.0.0.1:${port}`, credentials: { accessKeyId: "key", secretAccessKey: "secret" }, limits: { readMsMax: 1000, attemptsMax: 1 } });
    const error = await failureOf(store.get("k", 0, 100_000));
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error.message).toMatch(/no more than \d+ bytes within 1000 ms/);
    await store.close();
    server.close();
  });

  test("a read is never other bytes than asked: another range, a longer or whole body is an error", async () => {
    const text = (from: RegExp, to: string): Plan => () => ({ kind: "rewrite", change: (reply) => Buffer.from(reply.toString("latin1").replace(from, to), "latin1") });
    const plans = [text(/206 Partial Content/, "200 OK"), text(/content-range: bytes 100-/i, "Content-Range: bytes 101-"), text(/content-range/i, "Content-Other")];
    for (const plan of plans) {
      await withWorld(
        plan,
        async ({ store, direct }) => {
          await direct.put("k", slices);
          expect(await failureOf(store.get("k", 100, 50))).toBeInstanceOf(StoreUnavailableError);
        },
        { limits: { attemptsMax: 2 } },
      );
    }
  });

  test("a range past the end is told by the first answer, and never tried again", () =>
    withWorld(() => ({ kind: "pass" }), async ({ store, direct, proxy }) => {
      await direct.put("k", slices);
      expect((await failureOf(store.get("k", bytes.byteLength - 5, 10))).message).toBe("object k ends at 1000000, before 1000005");
      expect((await failureOf(store.get("k", bytes.byteLength + 5, 10))).message).toBe("object k ends at or before 1000005, before 1000015");
      expect(proxy.requests.length).toBe(2);
    }));

  test("what the server could not delete is asked for again, alone, and then reported", async () => {
    const errors = (code: string): Plan => {
      const body = `<DeleteResult><Error><Key>b</Key><Code>${code}</Code><Message>said by a test</Message></Error></DeleteResult>`;
      const change = () => Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      return ({ number }) => (number === 0 || code === "AccessDenied" ? { kind: "rewrite", change } : { kind: "pass" });
    };
    await withWorld(errors("InternalError"), async ({ store, proxy }) => {
      await store.delete(["a", "b", "c"]);
      const lengths = proxy.requests.map(({ headers }) => Number(/content-length: (\d+)/i.exec(headers)?.[1]));
      expect(lengths.length).toBe(2);
      expect(lengths[1]).toBeLessThan(lengths[0] as number);
      // Servers but the newest insist on it.
      for (const { headers } of proxy.requests) expect(headers).toMatch(/\r\ncontent-md5: [A-Za-z0-9+/]{22}==\r\n/i);
    });
    await withWorld(errors("AccessDenied"), async ({ store, proxy }) => {
      expect((await failureOf(store.delete(["a", "b", "c"]))).message).toMatch(/1 of 3 objects were not deleted, the first b: said by a test/);
      expect(proxy.requests.length).toBe(1);
    });
  });

  test("more keys than one request may delete are deleted by several, and listed by several", () =>
    withWorld(() => ({ kind: "pass" }), async ({ store, direct, proxy }) => {
      const keys = Array.from({ length: 1003 }, (_, i) => `many/${i}`);
      await Promise.all(keys.map((key) => direct.put(key, { from: "slices", slices: [] })));
      expect((await Array.fromAsync(store.list("many/"))).map(({ key }) => key).sort()).toEqual([...keys].sort());
      expect(proxy.requests.length).toBe(2);
      await store.delete(keys);
      expect(puts(proxy, "POST")).toBe(2);
      expect(await Array.fromAsync(direct.list(""))).toEqual([]);
    }), 60_000);

  test("a storm of 503 is waited out, and uploads become fewer", () =>
    withWorld((request) => (request.number < 5 ? { kind: "answer", status: 503, code: "SlowDown" } : { kind: "pass" }), async ({ store, direct }) => {
      const before = store.uploads.limit;
      await store.put("k", slices);
      expect(await direct.get("k", 0, bytes.byteLength)).toEqual(bytes);
      expect(store.uploads.limit).toBeLessThan(before);
    }));

  test("a storm that does not end is StoreUnavailableError, of every method, after a bounded number of tries", () =>
    withWorld(
      () => ({ kind: "answer", status: 503, code: "SlowDown" }),
      async ({ store, proxy }) => {
        const calls = [() => store.put("k", slices), () => store.get("k", 0, 1), () => store.size("k"), () => store.delete(["k"]), () => Array.fromAsync(store.list(""))];
        for (const call of calls) expect(await failureOf(call())).toBeInstanceOf(StoreUnavailableError);
        expect(proxy.requests.length).toBe(calls.length * 3);
      },
      { limits: { attemptsMax: 3 } },
    ));

  test("a lost reply of a delete is no error, nor is a lost list", () =>
    withWorld((request) => (request.number % 2 === 0 ? { kind: "loseReply" } : { kind: "pass" }), async ({ store, direct }) => {
      await direct.put("k", slices);
      await direct.put("l", slices);
      await store.delete(["k"]);
      expect((await Array.fromAsync(store.list(""))).map(({ key }) => key)).toEqual(["l"]);
      expect(await store.size("l")).toBe(bytes.byteLength);
    }));

  test("replies that are slow but come are waited for", () =>
    withWorld(() => ({ kind: "pass", delayMs: 150 }), async ({ store, proxy }) => {
      await store.put("k", slices);
      expect(await store.get("k", 10, 10)).toEqual(bytes.subarray(10, 20));
      expect(await failureOf(store.get("none", 0, 1))).toBeInstanceOf(MissingObjectError);
      expect(proxy.requests.length).toBe(3);
    }));

  test("no more requests than connections are on their way, and no more uploads than their limit", () =>
    withWorld(
      () => ({ kind: "pass" }),
      async ({ store, proxy }) => {
        /** The first wait for as many as that, so that how quick the server is says nothing; more than those would be seen a moment later. */
        const together = (count: number): Plan => {
          const all = until(`${count} requests`, 5000, () => (proxy.busy >= count ? true : null)).then(() => after(30));
          return () => ({ kind: "first", run: () => all });
        };
        proxy.plan = together(4);
        await Promise.all(Array.from({ length: 40 }, (_, i) => store.put(`k${i}`, { from: "slices", slices: [pattern(100, i)] })));
        expect(proxy.busyMax).toBeGreaterThanOrEqual(4);
        expect(proxy.busyMax).toBeLessThanOrEqual(6);
        proxy.plan = together(10);
        await Promise.all(Array.from({ length: 80 }, (_, i) => store.get(`k${i % 40}`, 0, 100)));
        expect(proxy.busyMax).toBe(10);
      },
      { limits: { connectionsMax: 10, uploadsStart: 4, uploadsMax: 6 } },
    ));

  test("an idle connection that the server was just closing costs no failed attempt", () =>
    withWorld(
      () => ({ kind: "pass" }),
      async ({ proxy, store, direct }) => {
        await direct.put("k", slices);
        await store.get("k", 0, 1);
        proxy.plan = once("GET", { kind: "cut" });
        expect(await store.get("k", 0, 10)).toEqual(bytes.subarray(0, 10));
        expect(puts(proxy, "GET")).toBe(3);
      },
      { limits: { attemptsMax: 1 } },
    ));
});
