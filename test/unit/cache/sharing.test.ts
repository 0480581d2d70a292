import { expect, test } from "bun:test";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { openFilesystemBlocks } from "#blocks/filesystem/index.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax, rootId } from "#model/ids.ts";
import { Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Client, compare, type Content, copyOf, open, removeFile, storeWith, temporary } from "./content-kit.ts";

const mebibyte = 2 ** 20;
const [a, b, c] = [101, 102, 103] as [FileId, FileId, FileId];

function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i * 31 + (i >>> 8) * 7 + seed * 101) % 255) + 1);
}

/** What the next reads of a pack's row wait for, once they know what they will answer. */
const gates: { readonly reached: () => void; readonly until: Promise<void> }[] = [];

/** A store whose reads are answered later, as PostgreSQL's are: what they say may be over by then. */
function late(store: MetadataStore): MetadataStore {
  const reads = ["extents", "pack", "inode", "packs", "extentsOfPack"];
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      const call = (...args: unknown[]): unknown => value.apply(target, args);
      return reads.includes(String(name)) ? async (...args: unknown[]) => {
        const answer = call(...args);
        const gate = name === "pack" ? gates.shift() : undefined;
        gate?.reached();
        await gate?.until;
        await new Promise<void>((resolve) => systemClock.atTurnEnd(resolve));
        return answer;
      } : call;
    },
  });
}

async function share(ids: readonly FileId[], isLate = false) {
  const directory = temporary();
  const filled = await storeWith(ids);
  const store = isLate ? late(filled) : filled;
  const blocks = await openFilesystemBlocks({ directory: join(directory, "blocks") });
  // Neither flushed nor collected unless the test says so.
  const quiet = { limits: { dirtyBytesMax: 32 * mebibyte, unstoredBytesMax: 256 * mebibyte, flushAgeMs: 1e9, flushBytes: 1e9 }, garbage: { graceMs: 0, intervalMs: 1e9 }, cacheBytes: 64 * mebibyte };
  const { content, upkeep } = await open(store, blocks, directory, quiet);
  const reopened = async () => {
    const copy = copyOf(directory);
    const there = await openFilesystemBlocks({ directory: join(copy, "blocks") });
    const again = await open(store, there, copy, quiet);
    return { content: again.content, upkeep: again.upkeep, recovered: again.recovered, client: new Client(store, again.content), directory: copy };
  };
  return { directory, store, content, upkeep, client: new Client(store, content), reopened };
}

async function objects(store: MetadataStore): Promise<{ packs: number; bytes: number; live: number }> {
  const packs = await store.packs(0, 1000);
  return { packs: packs.length, bytes: packs.reduce((sum, pack) => sum + pack.size, 0), live: packs.reduce((sum, pack) => sum + pack.live, 0) };
}

async function cloneWhole(client: Client, content: Content, from: FileId, to: FileId, length: number): Promise<void> {
  for (let done = 0; done < length; ) {
    const references = await content.references(await client.inode(from), done, length - done);
    if (references instanceof FsError) throw new Error(references.code);
    expect(content.clone(await client.inode(to), done, references, systemClock.now())).toBeInstanceOf(Inode);
    references.release();
    done += references.length;
  }
}

for (const isLate of [false, true]) test(`a clone stores no byte, and stays when its source is overwritten, cut and removed${isLate ? ", from a store that answers late" : ""}`, async () => {
  const { store, content, client } = await share([a, b], isLate);
  const bytes = bytesOf(3 * mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await cloneWhole(client, content, a, b, bytes.length);
  await content.drain();
  const stored = await objects(store);
  expect(stored).toMatchObject({ bytes: bytes.length, live: 2 * bytes.length });
  expect(await client.inode(b)).toMatchObject({ size: bytes.length, used: bytes.length });
  await client.write(a, 5, bytesOf(100, 2), 0);
  content.truncate(await client.inode(a), 7, systemClock.now());
  await compare(client, b, bytes);
  await removeFile(store, content, a);
  await content.drain();
  await compare(client, b, bytes);
  expect((await objects(store)).live).toBe(bytes.length);
  await content.close();
});

for (const isLate of [false, true]) test(`after a kill a clone is there whose source was removed and collected before it was stored${isLate ? ", from a store that answers late" : ""}`, async () => {
  const { store, content, upkeep, client, reopened } = await share([a, b], isLate);
  const bytes = bytesOf(mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  await cloneWhole(client, content, a, b, bytes.length);
  await removeFile(store, content, a);
  // Nothing refers to the pack but the clone's record: it must not be collected.
  await upkeep.collect();
  await upkeep.collect();
  expect(await content.durable(b)).toBeNull();
  expect(((await store.inode(b)) as Inode).size).toBe(0);
  const life = await reopened();
  await life.upkeep.collect();
  expect(life.recovered).toMatchObject({ replayed: 1, unfinished: 0 });
  await compare(life.client, b, bytes);
  await life.content.drain();
  await life.upkeep.collect();
  expect(await objects(store)).toMatchObject({ packs: 1, live: bytes.length });
  await compare(life.client, b, bytes);
  await life.content.close();
});

test("after a kill a punched range stays punched, and what was written into it afterwards stays written", async () => {
  const { store, content, client, reopened } = await share([a]);
  const model = bytesOf(mebibyte, 1);
  await client.write(a, 0, model, 0);
  await content.drain();
  const punch = async (offset: number, length: number) => {
    expect(content.punch(await client.inode(a), offset, length, systemClock.now())).toBeInstanceOf(Inode);
    model.fill(0, offset, offset + length);
  };
  await punch(1000, 300_000);
  await client.write(a, 5000, bytesOf(10, 3), 0);
  model.set(bytesOf(10, 3), 5000);
  await punch(5003, 2);
  expect(await client.inode(a)).toMatchObject({ used: mebibyte - 300_000 + 8 });
  expect(await content.durable(a)).toBeNull();
  const { content: again, client: reader } = await reopened();
  await compare(reader, a, model);
  expect(await again.allocated(await reader.inode(a), 0, fileSizeMax, 100)).toEqual([{ start: 0, end: 1000 }, { start: 5000, end: 5003 }, { start: 5005, end: 5010 }, { start: 301_000, end: mebibyte }]);
  await again.close();
  expect(await store.inode(a)).toMatchObject({ used: mebibyte - 300_000 + 8 });
});

test("punching frees what lay there, and stops at the end of the file", async () => {
  const { store, content, upkeep, client } = await share([a]);
  await client.write(a, 0, bytesOf(mebibyte, 1), 0);
  await content.drain();
  content.punch(await client.inode(a), 0, fileSizeMax, systemClock.now());
  expect(await client.inode(a)).toMatchObject({ size: mebibyte, used: 0 });
  await content.drain();
  expect(await store.inode(a)).toMatchObject({ size: mebibyte, used: 0 });
  await upkeep.collect();
  expect(await objects(store)).toEqual({ packs: 0, bytes: 0, live: 0 });
  const before = await client.inode(a);
  expect(content.punch(before, mebibyte, 5, systemClock.now())).toBe(before);
  await content.close();
});

for (const isLate of [false, true]) test(`repacking keeps shared bytes shared${isLate ? ", from a store that answers late" : ""}`, async () => {
  const { store, content, upkeep, client } = await share([a, b, c], isLate);
  const bytes = bytesOf(4 * mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  await cloneWhole(client, content, a, b, 512 * 1024);
  const part = await content.references(await client.inode(a), 256 * 1024, 512 * 1024);
  if (part instanceof FsError) throw new Error(part.code);
  content.clone(await client.inode(c), 99, part, systemClock.now());
  part.release();
  content.truncate(await client.inode(a), 100, systemClock.now());
  await content.drain();
  await upkeep.collect();
  await upkeep.collect();
  const model = new Uint8Array(99 + 512 * 1024);
  model.set(bytes.subarray(256 * 1024, 768 * 1024), 99);
  await compare(client, a, bytes.subarray(0, 100));
  await compare(client, b, bytes.subarray(0, 512 * 1024));
  await compare(client, c, model);
  // 768 KiB of the pack are referred to, some of them thrice.
  expect(await objects(store)).toMatchObject({ packs: 1, bytes: 768 * 1024 });
  await content.close();
});

for (const isLate of [false, true]) test(`references stay good while their file is removed and its pack is repacked or collected${isLate ? ", from a store that answers late" : ""}`, async () => {
  const { store, content, upkeep, client } = await share([a, b], isLate);
  const bytes = bytesOf(mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  const references = await content.references(await client.inode(a), 0, mebibyte);
  if (references instanceof FsError) throw new Error(references.code);
  await removeFile(store, content, a);
  await upkeep.collect();
  await upkeep.collect();
  content.clone(await client.inode(b), 0, references, systemClock.now());
  references.release();
  await content.drain();
  await upkeep.collect();
  await compare(client, b, bytes);
  await content.close();
});

for (const isLate of [false, true]) test(`a clone of holes grows the file and stores nothing; many extents are cloned in steps${isLate ? ", from a store that answers late" : ""}`, async () => {
  const { store, content, client } = await share([a, b], isLate);
  const model = new Uint8Array(8 * mebibyte);
  for (let i = 0; i < 1500; i++) {
    const bytes = bytesOf(10, i);
    await client.write(a, i * 4096, bytes, 0);
    model.set(bytes, i * 4096);
  }
  content.truncate(await client.inode(a), model.length, systemClock.now());
  const first = await content.references(await client.inode(a), 0, model.length);
  if (first instanceof FsError) throw new Error(first.code);
  expect(first.length).toBeLessThan(model.length);
  first.release();
  await cloneWhole(client, content, a, b, model.length);
  await compare(client, b, model);
  expect(await client.inode(b)).toMatchObject({ size: model.length, used: 15_000 });
  expect(await content.allocated(await client.inode(b), 0, model.length, 7)).toHaveLength(7);
  await content.drain();
  await compare(client, b, model);
  expect(await store.inode(b)).toMatchObject({ size: model.length, used: 15_000 });
  await content.close();
});

test("of a store that answers late, what is taken holds although its pack is repacked and deleted between two answers", async () => {
  const { store, content, upkeep, client } = await share([a, b], true);
  const bytes = bytesOf(4 * mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  content.truncate(await client.inode(a), mebibyte, systemClock.now());
  await content.drain();
  const [reached, until] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gates.push({ reached: reached.resolve, until: until.promise });
  const asking = content.references(await client.inode(a), 0, mebibyte);
  await reached.promise;
  const [before] = await store.packs(0, 10);
  await upkeep.collect();
  expect((await store.packs(0, 10)).map(({ id }) => id)).not.toContain(before?.id);
  until.resolve();
  const references = await asking;
  if (references instanceof FsError) throw new Error(references.code);
  content.clone(await client.inode(b), 0, references, systemClock.now());
  references.release();
  await content.drain();
  await compare(client, b, bytes.subarray(0, mebibyte));
  expect((await objects(store)).live).toBe(2 * mebibyte);
  await content.close();
});

test("of a store that goes away nothing is held, and nothing asked for in vain ends the process", async () => {
  const { store, content, upkeep, client } = await share([a, b]);
  const bytes = bytesOf(mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  const { pack, extents } = store;
  const away = (): Promise<never> => Promise.reject(new Error("away"));
  const asked = async () => content.references(await client.inode(a), 0, bytes.length);
  store.pack = away;
  await expect(asked()).rejects.toThrow("away");
  store.pack = async (id) => pack.call(store, id);
  let reads = 0;
  store.extents = (...args) => (reads++ === 0 ? extents.apply(store, args) : away());
  await expect(asked()).rejects.toThrow("away");
  expect(reads).toBe(2);
  Object.assign(store, { pack, extents });
  await removeFile(store, content, a);
  // The end of a flush lets go of packs that nobody holds.
  await client.write(b, 0, bytesOf(10, 2), 0);
  await content.drain();
  await upkeep.collect();
  await upkeep.collect();
  expect(await objects(store)).toMatchObject({ packs: 1, bytes: 10 });
  await content.close();
});

test("what is taken holds until it is let go of, whatever is stored, cut and collected meanwhile", async () => {
  const { content, upkeep, client } = await share([a, b, c]);
  const bytes = bytesOf(mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  const references = await content.references(await client.inode(a), 0, mebibyte);
  if (references instanceof FsError) throw new Error(references.code);
  // The end of a flush lets go of packs that nobody holds.
  await client.write(c, 0, bytesOf(1000, 2), 0);
  await content.drain();
  content.truncate(await client.inode(a), 0, systemClock.now());
  await content.drain();
  for (let i = 0; i < 3; i++) await upkeep.collect();
  content.clone(await client.inode(b), 0, references, systemClock.now());
  references.release();
  await content.drain();
  await compare(client, b, bytes);
  await content.close();
});

test("after a kill a file without a name has what was written to it: somebody may have it open still", async () => {
  const { store, content, client, reopened } = await share([a]);
  const model = bytesOf(100_000, 1);
  await client.write(a, 0, model, 0);
  expect(await content.durable(a)).toBeNull();
  const unnamed = { conditions: [], changes: [{ do: "deleteDirent", parent: rootId, name: `f${a}` }, { do: "addLinks", id: a, delta: -1, at: systemClock.now() }] } as const;
  expect((await store.apply(unnamed)).applied).toBe(true);
  await client.write(a, 500, bytesOf(10, 3), 0);
  model.set(bytesOf(10, 3), 500);
  expect(await content.durable(a)).toBeNull();
  const { content: again, client: reader } = await reopened();
  await compare(reader, a, model);
  await again.drain();
  await store.apply({ conditions: [], changes: [{ do: "freeOrphan", id: a, extentsMax: 1_000_000 }] });
  again.forget(a);
  await again.close();
  expect(await store.inode(a)).toBeNull();
});

test("a clone in the log whose pack is nowhere stops the start, as what was acknowledged would be lost; not that of a file that lost its name", async () => {
  const { store, content, client, reopened } = await share([a, b]);
  const bytes = bytesOf(100_000, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  await cloneWhole(client, content, a, b, bytes.length);
  expect(await content.durable(b)).toBeNull();
  const [pack] = await store.packs(0, 10);
  const gone = { conditions: [], changes: [{ do: "freeOrphan", id: a, extentsMax: 1_000_000 }, { do: "deletePack", id: pack!.id }] } as const;
  const unnamed = (id: FileId) => ({ conditions: [], changes: [{ do: "deleteDirent", parent: rootId, name: `f${id}` }, { do: "addLinks", id, delta: -1, at: systemClock.now() }] }) as const;
  expect((await store.apply(unnamed(a))).applied).toBe(true);
  expect((await store.apply(gone)).applied).toBe(true);
  await expect(reopened()).rejects.toThrow(`has file ${b} share bytes of pack ${pack!.id} from offset 0 on, and there is no such pack`);
  expect((await store.apply(unnamed(b))).applied).toBe(true);
  const life = await reopened();
  expect(life.recovered).toMatchObject({ unfinished: 1 });
  await life.content.close();
});

for (const isLate of [false, true]) test(`of a pack that clones share, what none of them has is given back${isLate ? ", from a store that answers late" : ""}`, async () => {
  const clones = Array.from({ length: 6 }, (_, i) => (200 + i) as FileId);
  const { store, content, upkeep, client } = await share([a, ...clones], isLate);
  const bytes = bytesOf(4 * mebibyte, 1);
  await client.write(a, 0, bytes, 0);
  await content.drain();
  for (const id of clones) await cloneWhole(client, content, a, id, mebibyte);
  await content.drain();
  await upkeep.collect();
  expect(await objects(store)).toMatchObject({ packs: 1, bytes: bytes.length });
  await removeFile(store, content, a);
  // A quarter of it, six times: more than there are bytes in the pack.
  expect((await objects(store)).live).toBe(6 * mebibyte);
  await upkeep.collect();
  await upkeep.collect();
  expect(await objects(store)).toMatchObject({ packs: 1, bytes: mebibyte, live: 6 * mebibyte });
  for (const id of clones) await compare(client, id, bytes.subarray(0, mebibyte));
  await content.close();
});
