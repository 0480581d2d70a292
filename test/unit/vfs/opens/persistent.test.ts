import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { rangeOf } from "#vfs/locks/index.ts";
import { Right, Sharing } from "#vfs/opens/index.ts";
import { decodeOpenRecord, encodeOpenRecord, type OpenRecord } from "#vfs/opens/open-record.ts";
import type { Share } from "#vfs/share.ts";
import { until } from "../../../support/wait.ts";
import { KeptRecords } from "../../../support/open-records.ts";
import { alice, bytesOf, fails, file, ok, openOn, openWorld, type World } from "../kit.ts";

const key = "0123456789abcdef";
const holder = { broken: () => true };

const record: OpenRecord = {
  instance: new Uint8Array(8).fill(3),
  id: (2 ** 52 + 5) as FileId,
  request: {
    who: { ...alice, superuser: true },
    access: 0x12019f,
    momentary: 0,
    sharing: 3,
    place: { parent: rootId, name: "grün" },
    directory: false,
    overwrites: false,
    deleteOnClose: true,
    caching: { key: "\xff\x00key", state: 7, epoch: 65_535 },
    parentKey: "parent",
    retried: false,
  },
  timeoutMs: 300_000,
  locks: [
    { range: rangeOf(0xffffffff, 0xffffffff, 0, 1)!, exclusive: true },
    { range: rangeOf(0, 1, 0xffffffff, 0xffffffff)!, exclusive: false },
    { range: rangeOf(0, 0xffffffff, 0, 0)!, exclusive: false },
  ],
  protocol: bytesOf("protocol"),
};

test("a record is read as it was written; damaged, cut or of another version it is refused", () => {
  const bytes = encodeOpenRecord(record);
  expect(decodeOpenRecord(bytes)).toEqual(record);
  const plain = { ...record, locks: [], request: { ...record.request, who: alice, place: null, caching: null, parentKey: null, deleteOnClose: false } };
  expect(decodeOpenRecord(encodeOpenRecord(plain))).toEqual(plain);
  for (let end = 0; end < bytes.length; end++) expect(decodeOpenRecord(bytes.subarray(0, end))).toBeString();
  for (let at = 0; at < bytes.length; at++) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    expect(decodeOpenRecord(damaged)).toBeString();
  }
  const newer = bytes.slice();
  newer[4] = 2;
  expect(decodeOpenRecord(newer)).toBe("it is of version 2, and this server knows version 1");
});

async function kept(records: KeptRecords, deleteOnClose = false): Promise<{ world: World; id: FileId }> {
  const world = await openWorld({ openRecords: records });
  const { share } = world;
  const { id } = await file(share, "a");
  const open = share.opens.restore(id, { ...record.request, access: Right.readData | Right.writeData, sharing: Sharing.read, place: { parent: rootId, name: "a" }, deleteOnClose, who: alice }, holder);
  share.locks.lock(id, open, [{ range: rangeOf(0, 0, 0, 10)!, exclusive: true }]);
  await share.persistent!.save(key, open, 5_000, false, bytesOf("mine"));
  return { world, id };
}

/** The server is killed and started again. */
function restarted({ store, clock }: World, records: KeptRecords): Promise<World & { share: Share }> {
  return openOn(store, clock, { openRecords: records });
}

test("an open and its locks are there again after a restart, and hold others off until their time is over", async () => {
  const records = new KeptRecords();
  const { world, id } = await kept(records);
  const { share, clock } = await restarted(world, records);
  expect(share.persistent!.list().map((each) => [each.key, Buffer.from(each.protocol).toString()])).toEqual([[key, "mine"]]);
  const { open } = share.persistent!.find(key)!;
  expect([open.file.id, open.access, open.sharing, open.lease?.state]).toEqual([id, Right.readData | Right.writeData, Sharing.read, 7]);
  fails(await share.write(alice, id, 50, [bytesOf("x")], 1, false), "sharing");
  expect(share.locks.bars(id, null, 5, 1, false)).toBe(true);
  expect(share.locks.bars(id, open, 5, 1, true)).toBe(false);
  clock.fire();
  await share.orphans.idle();
  expect([share.opens.size, share.locks.held, records.all.size]).toEqual([0, 0, 0]);
  ok(await share.write(alice, id, 50, [bytesOf("x")], 1, false));
});

test("a file without a name stays as long as the open that outlived the server, and no longer", async () => {
  const records = new KeptRecords();
  const { world, id } = await kept(records);
  const at = world.clock.now();
  const result = await world.store.inner.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: rootId, name: "a" }, { do: "addLinks", id, delta: -1, at }] });
  expect(result.applied).toBe(true);
  const { share, clock, store } = await restarted(world, records);
  await share.orphans.idle();
  expect((await store.inner.inode(id))?.links).toBe(0);
  clock.fire();
  await share.orphans.idle();
  expect(await store.inner.inode(id)).toBeNull();
});

test("an open that was to delete its file does so", async () => {
  const records = new KeptRecords();
  const { world } = await kept(records, true);
  const { share, clock } = await restarted(world, records);
  clock.fire();
  await until("the file is deleted", 5_000, async () => ((await share.lookup(alice, rootId, "a")) instanceof FsError ? true : null));
  fails(await share.lookup(alice, rootId, "a"), "noEntry");
});

test("a name that is another file's by then is not deleted", async () => {
  const records = new KeptRecords();
  const { world, id } = await kept(records, true);
  const other = await file(world.share, "b");
  const changes = [{ do: "deleteDirent", parent: rootId, name: "a" }, { do: "deleteDirent", parent: rootId, name: "b" }, { do: "insertDirent", parent: rootId, name: "a", child: other.id }, { do: "insertDirent", parent: rootId, name: "b", child: id }] as const;
  expect((await world.store.inner.apply({ conditions: [], changes })).applied).toBe(true);
  const { share, clock } = await restarted(world, records);
  expect(share.persistent!.find(key)!.open.deleteOnClose).toBe(false);
  clock.fire();
  await share.orphans.idle();
  expect(ok(await share.lookup(alice, rootId, "a")).inode.id).toBe(other.id);
});

test("records of another share and damaged ones are dropped", async () => {
  const records = new KeptRecords();
  const { world } = await kept(records);
  const foreign = encodeOpenRecord({ ...record, instance: new Uint8Array(world.store.identity.instance.length).fill(9) });
  records.all.set(key, foreign);
  records.all.set("00000000000000ff", bytesOf("nonsense"));
  const { share } = await restarted(world, records);
  expect(share.opens.size).toBe(0);
  expect(records.all.size).toBe(0);
});

test("a client that is back ends the wait; a release takes the record", async () => {
  const records = new KeptRecords();
  const { world } = await kept(records);
  const { share, clock } = await restarted(world, records);
  const { open } = share.persistent!.find(key)!;
  share.persistent!.claim(key);
  clock.fire();
  expect(share.opens.size).toBe(1);
  await share.release(open);
  expect(records.all.size).toBe(0);
});
