import { describe, expect, test } from "bun:test";
import { Time } from "#base/time.ts";
import { createNfsAdapter } from "#nfs/index.ts";
import { ShareTable } from "#vfs/index.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { RawClient, turns, until } from "../net/helpers.ts";
import { callRecord, rootCredential } from "./harness.ts";
import { as, endAfterEach, live, type LiveCaller, openNamed } from "./live-world.ts";
import { Words } from "./words.ts";
import { ManualClock } from "../../support/manual-clock.ts";

endAfterEach();

const unset = [0, 0, 0, 0, 0, 0] as const;
const mkdir = (handle: Uint8Array, name: string): Words => new Words(handle, name, ...unset);

async function mounted(options: Parameters<typeof live>[0] = {}) {
  const all = await live(options);
  const world = await openNamed("/export", { allowedClients: ["127.0.0.0/8"] });
  all.shares.add(world.share);
  const caller = await all.connect();
  const { handle } = await caller.mount("/export");
  return { ...all, ...world, caller, handle };
}

/** rtmax and wtmax. */
async function sizes(caller: LiveCaller, handle: Uint8Array): Promise<readonly [number, number]> {
  const info = await caller.nfs(19, new Words(handle));
  return [info.getUint32(4 + 88), info.getUint32(4 + 88 + 12)];
}

/** Writes so many bytes to a new file; gives the bytes taken. */
async function write(caller: LiveCaller, handle: Uint8Array, name: string, length: number): Promise<number> {
  const made = await caller.nfs(8, new Words(handle, name, 0, 1, 0o644, 0, 0, 0, 0, 0));
  expect(made.getUint32(0)).toBe(0);
  const file = new Uint8Array(made.buffer, made.byteOffset + 12, made.getUint32(8)).slice();
  const answer = await caller.nfs(7, new Words(file, 0n, length, 0, new Uint8Array(length)));
  expect(answer.getUint32(0)).toBe(0);
  // Status and wcc_data with both attributes go before the count.
  return answer.getUint32(answer.byteLength - 16);
}

describe("transfer sizes", () => {
  test("that shrink: new mounts learn them, larger WRITEs of older ones are taken in part, larger READs answered in part", async () => {
    const { adapter, caller, handle, connect } = await mounted();
    expect(await sizes(caller, handle)).toEqual([2 ** 20, 2 ** 20]);
    expect(await write(caller, handle, "before", 2 ** 20)).toBe(2 ** 20);
    const { port } = await adapter.reconfigure({ readMax: 4096, writeMax: 8192 });
    expect(await sizes(caller, handle)).toEqual([4096, 8192]);
    expect(await write(caller, handle, "after", 2 ** 20)).toBe(8192);
    expect(caller.client.closed).toBe(false);
    const other = await connect(port);
    expect(await write(other, handle, "other", 2 ** 20)).toBe(8192);
    const found = await other.nfs(3, new Words(handle, "before"));
    const file = new Uint8Array(found.buffer, found.byteOffset + 8, found.getUint32(4)).slice();
    expect((await other.nfs(6, new Words(file, 0n, 2 ** 20))).getUint32(4 + 88)).toBe(4096);
  });

  test("that grow: taken whole at once, on connections that were there before too", async () => {
    const { adapter, caller, handle } = await mounted({ writeMax: 4096 });
    await adapter.reconfigure({ readMax: 2 ** 22, writeMax: 2 ** 22 });
    expect(await sizes(caller, handle)).toEqual([2 ** 22, 2 ** 22]);
    expect(await write(caller, handle, "f", 2 ** 22)).toBe(2 ** 22);
  });
});

describe("another port", () => {
  test("clients go on there; what they repeat is not done twice, and what they mounted is known", async () => {
    const { adapter, port, caller, handle, connect, share, store } = await mounted();
    store.hold();
    caller.send(100003, 9, mkdir(handle, "in-hand"), rootCredential, 77);
    await until(() => store.heldSets === 1);
    const { port: moved } = await adapter.reconfigure({ port: 0 });
    expect(moved).not.toBe(port);
    await expect(RawClient.connect(port)).rejects.toThrow();
    const again = await connect(moved);
    // Joined while it is done, and answered from memory afterwards.
    again.send(100003, 9, mkdir(handle, "in-hand"), rootCredential, 77);
    await until(() => adapter.stats().duplicates.joined === 1);
    store.release();
    for (const each of [caller, again]) expect((await each.answer()).getUint32(0)).toBe(0);
    await caller.client.untilClosed();
    again.send(100003, 9, mkdir(handle, "in-hand"), rootCredential, 77);
    expect((await again.answer()).getUint32(0)).toBe(0);
    expect(adapter.stats().duplicates.hits).toBe(1);
    expect(await again.status(9, mkdir(handle, "in-hand"))).toBe(17);
    expect(adapter.mounts().map(({ host, path }) => [host, path])).toEqual([["127.0.0.1", "/export"]]);
    expect(await share.drain(0)).toBe(true);
    // To where it is already: nothing happens.
    expect(await adapter.reconfigure({ port: moved, bind: "127.0.0.1" })).toEqual({ port: moved });
    expect(await again.status(1, new Words(handle))).toBe(0);
  });

  test("that is taken: refused, and all is as it was", async () => {
    const taken = await live();
    const { adapter, port, caller, handle, connect } = await mounted();
    await expect(adapter.reconfigure({ port: taken.port, readMax: 4096, connectionsMax: 1 })).rejects.toThrow();
    expect(await sizes(caller, handle)).toEqual([2 ** 20, 2 ** 20]);
    expect(await (await connect(port)).status(1, new Words(handle))).toBe(0);
  });

  test("out of range, as every other value: refused before anything happens", async () => {
    const { adapter, port, caller, handle } = await mounted();
    const wrong = [{ port: -1 }, { port: 65_536 }, { port: 1.5 }, { readMax: 4095 }, { writeMax: 2 ** 24 + 1 }, { connectionsMax: 0 }, { connectionsMax: Number.NaN }];
    for (const settings of wrong) await expect(adapter.reconfigure({ writeMax: 4096, port: 0, ...settings })).rejects.toThrow(RangeError);
    expect(await sizes(caller, handle)).toEqual([2 ** 20, 2 ** 20]);
    expect(await adapter.reconfigure({})).toEqual({ port });
  });

  test("of an adapter that was stopped: refused", async () => {
    const { adapter } = await mounted();
    await adapter.stop(0);
    await expect(adapter.reconfigure({ port: 0 })).rejects.toThrow("stopped");
  });
});

test("the most connections change: those there are stay", async () => {
  const { adapter, caller, handle, connect } = await mounted();
  await adapter.reconfigure({ connectionsMax: 1 });
  await (await connect()).client.untilClosed();
  expect(await caller.status(1, new Words(handle))).toBe(0);
  await adapter.reconfigure({ connectionsMax: 2 });
  expect(await (await connect()).status(1, new Words(handle))).toBe(0);
});

describe("who is connected", () => {
  test("what each used, asked and moved, and when", async () => {
    const clock = new ManualClock(0);
    const { adapter, caller, handle, shares, connect } = await mounted({ clock });
    shares.add((await openNamed("/other")).share);
    shares.add((await openNamed("/closed", { allowedClients: ["192.0.2.1"] })).share);
    await caller.mount("/closed");
    clock.pass(5000);
    await caller.mount("/other");
    const silent = await connect();
    const looker = await connect();
    looker.send(100005, 5, new Words());
    await looker.answer();
    await until(() => adapter.clients().length === 3);
    clock.pass(1500);
    const [one, two, three] = adapter.clients();
    expect(one).toMatchObject({ id: 1, address: "127.0.0.1", shares: ["/export", "/other"], calls: 3 });
    expect(one!.connectedAt).toEqual(new Time(0, 0));
    expect(one!.lastCallAt).toEqual(new Time(5, 0));
    const records = ["/export", "/closed", "/other"].map((path) => 4 + callRecord(1, 100005, 3, 1, new Words(path)).length);
    expect(one!.bytesIn).toBe(records.reduce((sum, length) => sum + length));
    expect(one!.bytesOut).toBe(2 * (4 + 24 + 4 + 48 + 12) + (4 + 24 + 4));
    expect(two).toMatchObject({ shares: [], calls: 0, lastCallAt: null, bytesIn: 0, bytesOut: 0 });
    // Who looks at the list of shares used none.
    expect(three).toMatchObject({ shares: [], calls: 1 });
    expect(new Set([one!.port, two!.port, three!.port]).size).toBe(3);
    expect(await caller.status(1, new Words(handle))).toBe(0);
    silent.client.close();
    await until(() => adapter.clients().length === 2);
  });

  test("disconnecting one leaves the others, and what it asked is done and not done again", async () => {
    const { adapter, caller, handle, connect, store } = await mounted();
    const other = await connect();
    await other.mount("/export");
    store.hold();
    caller.send(100003, 9, mkdir(handle, "asked"), rootCredential, 88);
    await until(() => store.heldSets === 1);
    const id = adapter.clients()[0]!.id;
    expect(adapter.disconnect(id)).toBe(true);
    await caller.client.untilClosed();
    expect(adapter.disconnect(id)).toBe(false);
    expect(adapter.clients().map((each) => each.id)).toEqual([id + 1]);
    store.release();
    await turns(5);
    other.send(100003, 9, mkdir(handle, "asked"), rootCredential, 88);
    expect((await other.answer()).getUint32(0)).toBe(0);
  });
});

test("what is mounted: by whom, where, since when; of shares there are", async () => {
  const { adapter, shares, caller, share } = await mounted();
  const other = await openNamed("/other");
  shares.add(other.share);
  expect(await caller.status(9, mkdir((await caller.mount("/other")).handle, "below"), as(0))).toBe(0);
  expect((await caller.mount("/other/below")).status).toBe(0);
  expect(adapter.mounts().map(({ host, path, share: name }) => ({ host, path, name }))).toEqual([
    { host: "127.0.0.1", path: "/export", name: "/export" },
    { host: "127.0.0.1", path: "/other", name: "/other" },
    { host: "127.0.0.1", path: "/other/below", name: "/other" },
  ]);
  expect(adapter.mounts()[0]!.mountedAt.isAfter(new Time(1_600_000_000, 0))).toBe(true);
  shares.remove("/other");
  expect(adapter.mounts().map((mount) => mount.share)).toEqual([share.name]);
});

test("an adapter that did not start can't be changed", async () => {
  const adapter = createNfsAdapter({ shares: new ShareTable(), clock: new ManualClock(), logger: silentLogger, bind: "127.0.0.1", port: 0 });
  await expect(adapter.reconfigure({ port: 1 })).rejects.toThrow("does not listen");
});
