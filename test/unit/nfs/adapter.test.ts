import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "#base/clock.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { createNfsAdapter, type NfsAdapter, type NfsAdapterOptions } from "#nfs/index.ts";
import { lateMs } from "#nfs/late.ts";
import { FsError } from "#model/fs-error.ts";
import { RawClient, record, turns, until } from "../net/helpers.ts";
import { superuser } from "../../support/policy.ts";
import { callRecord } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { MemoryShares } from "./memory-shares.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const running: NfsAdapter[] = [];
afterEach(async () => {
  for (const adapter of running.splice(0)) await adapter.stop(0);
});

async function start(options: Partial<NfsAdapterOptions> = {}) {
  const fs = new MemoryFileSystem("/export");
  const who = superuser;
  const made = await fs.create(who, fs.root().id, "f", { mode: "guarded", attributes: {} });
  if (made instanceof FsError) throw new Error("not made");
  const adapter = createNfsAdapter({
    shares: new MemoryShares(fs),
    clock: systemClock,
    logger: silentLogger,
    bind: "127.0.0.1",
    port: 0,
    ...options,
  });
  running.push(adapter);
  const { port } = await adapter.start();
  return { fs, adapter, port, handle: fs.handleOf(made.inode), id: made.inode.id };
}

const nfs = (xid: number, procedure: number, args: Words): Uint8Array => record(callRecord(xid, 100003, 3, procedure, args));
const status = (reply: Uint8Array | null): number => new DataView(reply!.buffer, reply!.byteOffset).getUint32(24);
const pattern = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 13 + (i >> 8)));

describe("the adapter", () => {
  test("answers NFS and MOUNT on one port", async () => {
    const { port, fs } = await start();
    const client = await RawClient.connect(port);
    client.send(record(callRecord(1, 100005, 3, 1, new Words("/export"))));
    expect(Buffer.from((await client.record())!.subarray(24)).toString("hex")).toBe(
      Buffer.from(new Words(0, fs.handleOf(fs.root()), 2, 1, 0).bytes()).toString("hex"),
    );
    client.send(nfs(2, 1, new Words(fs.handleOf(fs.root()))));
    expect(status(await client.record())).toBe(0);
    client.close();
  });

  test("a call told to come back outlives its connection, and that of who came back: its answer is kept under the xid he asks by again", async () => {
    const clock = new ManualClock();
    const { port, fs, adapter } = await start({ clock });
    const gate = Promise.withResolvers<void>();
    const mkdir = fs.mkdir.bind(fs);
    let made = 0;
    fs.mkdir = async (...asked) => {
      made++;
      const done = await mkdir(...asked);
      await gate.promise;
      return done;
    };
    const args = new Words(fs.handleOf(fs.root()), "d", 0, 0, 0, 0, 0, 0);
    const first = await RawClient.connect(port);
    first.send(nfs(1, 9, args));
    await until(() => made === 1);
    clock.pass(lateMs + 2_000);
    expect(status(await first.record())).toBe(10_008);
    first.close();
    const second = await RawClient.connect(port);
    second.send(nfs(2, 9, args));
    second.send(nfs(3, 0, new Words()));
    await second.record();
    second.close();
    await until(() => adapter.clients().length === 0);
    gate.resolve();
    const third = await RawClient.connect(port);
    third.send(nfs(2, 9, args));
    expect(status(await third.record())).toBe(0);
    expect(made).toBe(1);
    third.close();
    await until(() => adapter.clients().length === 0);
    const { unfinishedBytes } = (adapter as unknown as { server: { unfinishedBytes: number } }).server;
    expect(unfinishedBytes).toBe(0);
  });

  test("a WRITE of 4 MiB reaches the file in slices, and a READ gives it back, pages uncopied and lent until sent", async () => {
    const size = 4 * 2 ** 20;
    const { port, fs, handle, id } = await start({ readMax: size, writeMax: size });
    let slices = 0;
    const write = fs.write.bind(fs);
    fs.write = (who, file, offset, payload, length, stable) => ((slices = payload.length), write(who, file, offset, payload, length, stable));
    const data = pattern(size);
    const client = await RawClient.connect(port);
    client.send(nfs(1, 7, new Words(handle, 0n, size, 2, data)));
    expect(status(await client.record())).toBe(0);
    expect(slices).toBeGreaterThan(1);
    expect(Buffer.compare(fs.content.get(id)!, data)).toBe(0);
    client.send(nfs(2, 6, new Words(handle, 0n, size)));
    client.send(nfs(3, 6, new Words(handle, 1n, 99_999)));
    client.send(nfs(4, 6, new Words(handle, 5n, 100)));
    const payload = async () => (await client.record())!.subarray(24 + 4 + 88 + 12);
    expect(Buffer.compare(await payload(), data)).toBe(0);
    expect(Buffer.compare(await payload(), Buffer.concat([data.subarray(1, 100_000), Buffer.alloc(1)]))).toBe(0);
    expect(Buffer.compare(await payload(), data.subarray(5, 105))).toBe(0);
    await until(() => fs.borrowed === 0);
    expect(fs.released).toBe(3);
    client.close();
  });

  test("what a dead connection read comes back, whether it died before the answer or while it was sent", async () => {
    const { port, fs, handle, adapter } = await start();
    const client = await RawClient.connect(port);
    client.send(nfs(1, 7, new Words(handle, 0n, 2 ** 20, 2, pattern(2 ** 20))));
    await client.record();
    client.stopReading();
    for (let i = 0; i < 100; i++) client.send(nfs(2 + i, 6, new Words(handle, 0n, 2 ** 20)));
    await until(() => adapter.stats().net.pauses > 0 && fs.borrowed > 0);
    client.close();
    await until(() => fs.borrowed === 0);

    const gate = Promise.withResolvers<void>();
    fs.gate = gate.promise;
    const released = fs.released;
    const other = await RawClient.connect(port);
    const seen = adapter.stats().net.messagesIn;
    other.send(nfs(1, 6, new Words(handle, 0n, 2 ** 20)));
    await until(() => adapter.stats().net.messagesIn > seen);
    other.close();
    await until(() => adapter.stats().net.connections === 0);
    gate.resolve();
    await until(() => fs.released === released + 1);
    expect(fs.borrowed).toBe(0);
  });

  test("READs that wait count with the memory they will take", async () => {
    const { port, fs, handle, adapter } = await start({ limits: { unfinishedBytesMax: 3 * 2 ** 20 } });
    const gate = Promise.withResolvers<void>();
    fs.gate = gate.promise;
    const client = await RawClient.connect(port);
    for (let i = 0; i < 50; i++) client.send(nfs(i, 6, new Words(handle, 0n, 2 ** 20)));
    await until(() => adapter.stats().net.pauses > 0);
    await turns(20);
    expect(adapter.stats().net.messagesIn).toBe(3);
    gate.resolve();
    fs.gate = null;
    for (let i = 0; i < 50; i++) expect(status(await client.record())).toBe(0);
    client.close();
  });

  test("a record above wtmax and its headers costs the connection; a WRITE of exactly wtmax passes", async () => {
    const { port, fs, handle, adapter } = await start({ writeMax: 65_536 });
    const client = await RawClient.connect(port);
    client.send(nfs(1, 7, new Words(handle, 0n, 65_536, 2, pattern(65_536))));
    expect(status(await client.record())).toBe(0);
    expect(fs.log).toContain("write 0");
    client.send(Uint8Array.of(0x80, 0x02, 0x00, 0x01));
    await client.untilClosed();
    expect(adapter.stats().net.malformed).toBe(1);
  });

  test("what is no RPC call costs the connection", async () => {
    const { port } = await start();
    const client = await RawClient.connect(port);
    client.send(record(new Uint8Array(0)));
    await client.untilClosed();
    const other = await RawClient.connect(port);
    other.send(record(Buffer.from("GET / HTTP/1.1\r\n\r\n")));
    await other.untilClosed();
  });

  test("transfer sizes out of range are refused", () => {
    const options = { shares: new MemoryShares(), clock: new ManualClock(), logger: silentLogger, bind: "127.0.0.1", port: 0 };
    for (const size of [0, 4095, 2 ** 24 + 1, 1.5, Number.NaN]) {
      expect(() => createNfsAdapter({ ...options, readMax: size })).toThrow(RangeError);
      expect(() => createNfsAdapter({ ...options, writeMax: size })).toThrow(RangeError);
    }
  });
});
