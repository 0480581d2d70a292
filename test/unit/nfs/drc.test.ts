import { describe, expect, test } from "bun:test";
import { FsCode } from "#model/fs-error.ts";
import type { Call } from "#nfs/call.ts";
import { answerKeptMs, DuplicateCache } from "#nfs/drc.ts";
import { authSys, callRecord, harness } from "./harness.ts";
import { MemoryFileSystem } from "./memory-file-system.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const hex = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString("hex");

describe("the duplicate-request cache", () => {
  const setUp = () => {
    const fs = new MemoryFileSystem("/export");
    const clock = new ManualClock();
    const world = harness([fs], { clock });
    const root = fs.handleOf(fs.root());
    return { fs, world, clock, root, mkdir: (xid: number, name: string) => callRecord(xid, 100003, 3, 9, new Words(root, name, 0, 0, 0, 0, 0, 0)) };
  };

  test("a call repeated on another connection of the client gets the first answer and is not done again", async () => {
    const { fs, world, mkdir } = setUp();
    const first = await world.connect("10.0.0.1").ask(mkdir(5, "d"));
    const again = await world.connect("10.0.0.1").ask(mkdir(5, "d"));
    expect(hex(again)).toBe(hex(first));
    expect(fs.log).toEqual(["mkdir 0"]);
    expect(world.duplicates.hits).toBe(1);
  });

  test("another xid, client, credential, procedure or argument is another call", async () => {
    const { fs, world, root, mkdir } = setUp();
    const caller = world.connect("10.0.0.1");
    await caller.ask(mkdir(5, "d"));
    await caller.ask(mkdir(6, "d"));
    await world.connect("10.0.0.2").ask(mkdir(5, "d"));
    await caller.ask(callRecord(5, 100003, 3, 9, new Words(root, "d", 0, 0, 0, 0, 0, 0), authSys(1, 1)));
    await caller.ask(mkdir(5, "e"));
    await caller.ask(callRecord(5, 100003, 3, 13, new Words(root, "d")));
    expect(fs.log).toEqual(["mkdir 0", "mkdir 0", "mkdir 0", "mkdir 1", "mkdir 0", "rmdir 0"]);
    expect(world.duplicates.hits).toBe(0);
  });

  test("a call still being done is joined: done once, answered to both", async () => {
    const { fs, world, mkdir } = setUp();
    const [one, two] = [world.connect("10.0.0.1"), world.connect("10.0.0.1")];
    one.send(mkdir(5, "d"));
    two.send(mkdir(5, "d"));
    await one.transport.untilDone(1);
    await two.transport.untilDone(1);
    expect(fs.log).toEqual(["mkdir 0"]);
    expect(hex(two.transport.replies[0])).toBe(hex(one.transport.replies[0]));
    expect(world.duplicates.joined).toBe(1);
    // Each connection was told that its own request is done.
    expect([one.transport.doneBytes, two.transport.doneBytes]).toEqual([mkdir(5, "d").length, mkdir(5, "d").length]);
  });

  test("an answer is given again for two minutes; then the same xid is another call", async () => {
    const { fs, world, clock, mkdir } = setUp();
    const first = await world.connect("10.0.0.1").ask(mkdir(5, "d"));
    clock.pass(119_999);
    expect(hex(await world.connect("10.0.0.1").ask(mkdir(5, "d")))).toBe(hex(first));
    expect(fs.log).toEqual(["mkdir 0"]);
    clock.pass(1);
    expect(hex((await world.connect("10.0.0.1").ask(mkdir(5, "d")))?.slice(24, 28))).toBe("00000011");
    expect(fs.log).toEqual(["mkdir 0", "mkdir 0"]);
    // And its answer is kept as any other.
    await world.connect("10.0.0.1").ask(mkdir(5, "d"));
    expect(fs.log).toEqual(["mkdir 0", "mkdir 0"]);
    expect([world.duplicates.hits, world.duplicates.size]).toEqual([2, 1]);
  });

  test("a call that takes longer than answers are kept is joined all the same", async () => {
    const { fs, world, clock, mkdir } = setUp();
    const [one, two] = [world.connect(), world.connect()];
    one.send(mkdir(5, "d"));
    clock.pass(10 * answerKeptMs);
    two.send(mkdir(5, "d"));
    await two.transport.untilDone(1);
    expect(fs.log).toEqual(["mkdir 0"]);
  });

  test("a call that was refused at once and is repeated in the same turn is answered twice", async () => {
    const { world, clock, mkdir } = setUp();
    clock.pass(10 * answerKeptMs);
    const caller = world.connect();
    const unknown = callRecord(5, 100003, 3, 9, new Words(new Uint8Array(44), "d", 0, 0, 0, 0, 0, 0));
    caller.send(unknown);
    caller.send(unknown);
    caller.send(mkdir(6, "d"));
    await caller.transport.untilDone(3);
    expect(caller.transport.replies.map((reply) => hex(reply.slice(24, 28)))).toEqual(["00002711", "00002711", "00000000"]);
  });

  test("JUKEBOX is not remembered", async () => {
    const { fs, world, mkdir } = setUp();
    const caller = world.connect();
    fs.failNext = FsCode.jukebox;
    expect(hex((await caller.ask(mkdir(5, "d")))?.slice(24, 28))).toBe("00002718");
    expect(hex((await caller.ask(mkdir(5, "d")))?.slice(24, 28))).toBe("00000000");
    expect(fs.log).toEqual(["mkdir 0", "mkdir 0"]);
  });

  test("failures are remembered, garbage is not", async () => {
    const { fs, world, root, mkdir } = setUp();
    const caller = world.connect();
    await caller.ask(mkdir(1, "d"));
    const refused = await caller.ask(mkdir(2, "d"));
    await caller.nfs(13, new Words(root, "d"));
    expect(hex(await caller.ask(mkdir(2, "d")))).toBe(hex(refused));
    const entries = world.duplicates.size;
    await caller.ask(callRecord(9, 100003, 3, 9, new Words(root)));
    expect(world.duplicates.size).toBe(entries);
    expect(fs.log).toEqual(["mkdir 0", "mkdir 0", "rmdir 0"]);
  });

  test("idempotent procedures don't pass it", async () => {
    const { fs, world, root } = setUp();
    const caller = world.connect();
    for (let i = 0; i < 2; i++) await caller.ask(callRecord(5, 100003, 3, 16, new Words(root, 0n, 0n, 4096)));
    expect(world.duplicates.size).toBe(0);
    expect(fs.log).toEqual([]);
  });
});

describe("its bounds", () => {
  const fill = (cache: DuplicateCache, address: string, xid: number, bytes = 0): boolean => {
    const call = { duplicate: null, xid } as unknown as Call;
    const record = new Words(xid, 0, 2, 100003, 3, 9, "arguments").bytes();
    const known = cache.find(address, record, 0, record.length, call);
    if (known !== null) return false;
    call.duplicate!.answer = new Uint8Array(bytes);
    cache.finish(address, call.duplicate!, true);
    return true;
  };

  test("a client's oldest answers go first", () => {
    const cache = new DuplicateCache(new ManualClock(), { perClientMax: 3, entriesMax: 100, bytesMax: 2 ** 20 });
    for (let xid = 0; xid < 5000; xid++) fill(cache, "a", xid);
    expect(cache.size).toBe(3);
    expect(fill(cache, "a", 4999)).toBe(false);
    expect(fill(cache, "a", 4996)).toBe(true);
  });

  test("one client's flood leaves another's answers alone, until the total is reached; the quietest client's go then", () => {
    const cache = new DuplicateCache(new ManualClock(), { perClientMax: 10, entriesMax: 25, bytesMax: 2 ** 20 });
    fill(cache, "quiet", 1);
    for (let xid = 0; xid < 1000; xid++) fill(cache, "flood", xid);
    expect(fill(cache, "quiet", 1)).toBe(false);
    for (let client = 0; client < 24; client++) fill(cache, `c${client}`, 1);
    expect(cache.size).toBe(25);
    expect(fill(cache, "c23", 1)).toBe(false);
    expect(fill(cache, "quiet", 1)).toBe(true);
  });

  test("a client that comes again is not the quietest any more", () => {
    const cache = new DuplicateCache(new ManualClock(), { perClientMax: 10, entriesMax: 3, bytesMax: 2 ** 20 });
    fill(cache, "a", 1);
    fill(cache, "b", 1);
    fill(cache, "a", 2);
    fill(cache, "c", 1);
    expect(fill(cache, "a", 1)).toBe(false);
    expect(fill(cache, "b", 1)).toBe(true);
  });

  test("what is too old makes room, the quietest clients' first", () => {
    const clock = new ManualClock();
    const cache = new DuplicateCache(clock);
    for (let xid = 0; xid < 3; xid++) fill(cache, "old", xid);
    clock.pass(answerKeptMs / 2);
    fill(cache, "old", 3);
    fill(cache, "other", 0);
    expect(cache.size).toBe(5);
    clock.pass(answerKeptMs / 2);
    fill(cache, "new", 0);
    expect(cache.size).toBe(3);
    expect([fill(cache, "old", 3), fill(cache, "other", 0)]).toEqual([false, false]);
    clock.pass(answerKeptMs);
    fill(cache, "new", 1);
    expect([cache.size, cache.sizeBytes]).toEqual([1, 256]);
  });

  test("bytes", () => {
    const cache = new DuplicateCache(new ManualClock(), { perClientMax: 1000, entriesMax: 1000, bytesMax: 10_000 });
    for (let xid = 0; xid < 100; xid++) fill(cache, "a", xid, 744);
    expect(cache.size).toBe(10);
    expect(cache.sizeBytes).toBe(10_000);
  });
});
