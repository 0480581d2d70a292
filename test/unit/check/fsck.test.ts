import { beforeAll, describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { type ContentSide, type Finding, fsck, type FsckResult } from "#check/index.ts";
import { systemClock } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import { type ScansTables, scansOf } from "#model/metadata-store.ts";
import { bytesOf, fileBytes, fill, flip, Listener, make, onGround, openCheckable, type Opened, type Place, plantings, write } from "../../support/damaged-share.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";

let whole: string;
let places: Map<string, Place>;

beforeAll(async () => {
  whole = temporary("fsck");
  const opened = await openCheckable(whole);
  places = await fill(opened);
  await opened.close();
});

function copy(): string {
  const directory = temporary("fsck");
  cpSync(whole, directory, { recursive: true });
  return directory;
}

async function check(directory: string, options: { data?: boolean; repair?: boolean } = {}): Promise<{ result: FsckResult; listener: Listener }> {
  const opened = await openCheckable(directory);
  try {
    const listener = new Listener();
    const result = await fsck(opened.target, { data: options.data ?? true, repair: options.repair ?? false }, listener);
    return { result, listener };
  } finally {
    await opened.close();
  }
}

test("a share that is whole has no findings", async () => {
  const { result, listener } = await check(copy());
  expect(listener.findings).toEqual([]);
  expect(result).toMatchObject({ inodes: places.size + 1, damaged: 0, notices: 0 });
});

describe("each damage is named, and what can be repaired is", () => {
  for (const planting of plantings) {
    test(planting.name, async () => {
      const directory = copy();
      onGround(join(directory, "metadata.db"), join(directory, "blocks"), places, planting.plant);
      const { listener } = await check(directory, { data: planting.data ?? false });
      const found = listener.findings.filter(({ kind, path }) => kind === planting.kind && (planting.path === undefined || path === planting.path));
      expect(listener.findings.length).toBeGreaterThan(0);
      expect(found, JSON.stringify(listener.findings, null, 1)).not.toEqual([]);
      if (found[0]?.severity === "notice") return;
      const repair = await check(directory, { repair: true });
      const again = await check(directory);
      if (planting.repairable) {
        expect(again.listener.findings).toEqual([]);
        expect(repair.listener.findings.every(({ repaired }) => repaired)).toBeTrue();
        expect(repair.result.repaired).toBe(repair.result.damaged);
      } else {
        expect(again.listener.findings.some(({ kind }) => kind === planting.kind)).toBeTrue();
        expect(repair.listener.findings.some(({ kind, repaired }) => kind === planting.kind && !repaired)).toBeTrue();
      }
    });
  }
});

describe("what is damaged in the store", () => {
  const path = "/d5/f1";

  /** A share one object of which is damaged, with what it had read before. */
  async function damaged(before: (opened: Opened, place: Place) => Promise<void>): Promise<{ opened: Opened; place: Place; directory: string }> {
    const directory = copy();
    const place = places.get(path) as Place;
    const opened = await openCheckable(directory);
    await before(opened, place);
    flip(join(directory, "blocks", "objects", `${place.key}+`), place.packOffset + 70_000);
    return { opened, place, directory };
  }

  async function readAll({ store, content }: Opened, id: number): Promise<Uint8Array | null> {
    const read = await content.read(content.overlay((await store.inode(id as FileId)) as Inode), 0, fileBytes);
    if (read instanceof FsError) return null;
    const bytes = Buffer.concat(read.slices.map((slice) => Buffer.from(slice)));
    read.release();
    return bytes;
  }

  test("comes from memory, where that has it", async () => {
    const { opened, place, directory } = await damaged(async (share, { id }) => void (await readAll(share, id)));
    const listener = new Listener();
    const result = await fsck(opened.target, { data: true, repair: true }, listener);
    expect(listener.findings.map(({ kind, path: where, repaired, from, to }) => [kind, where, repaired, from, to])).toEqual([
      ["object_damaged", null, true, 65536, 131072],
      ["content_damaged", path, true, 65536 - place.packOffset, 131072 - place.packOffset],
    ]);
    expect(result).toMatchObject({ damaged: 2, repaired: 2 });
    await opened.close();
    const again = await openCheckable(directory);
    expect(Buffer.compare((await readAll(again, place.id)) as Uint8Array, bytesOf(5 * 6 + 1, fileBytes))).toBe(0);
    await again.close();
  });

  test("stays as it is where nothing has it, and says which bytes", async () => {
    const { opened, place } = await damaged(async () => {});
    const listener = new Listener();
    const result = await fsck(opened.target, { data: true, repair: true }, listener);
    expect(result.repaired).toBe(0);
    expect(listener.findings).toContainEqual(expect.objectContaining({ kind: "content_damaged", path, from: 65536, to: 131072, repaired: false }));
    expect((await opened.store.extents(place.id as FileId, 0, fileBytes, 10)).every(({ pack }) => pack === place.pack)).toBeTrue();
    await opened.close();
  });

  test("comes from the copy on the local disk, which is checked itself", async () => {
    const { opened, place, directory } = await damaged(async () => {});
    const good = bytesOf(5 * 6 + 1, fileBytes);
    let spoilt = true;
    const content: ContentSide = Object.assign(Object.create(opened.target.content) as ContentSide, {
      async copy(key: string, offset: number, target: Uint8Array) {
        if (key !== place.key) return false;
        target.set(good.subarray(offset - place.packOffset, offset - place.packOffset + target.byteLength));
        if (spoilt) target[7] = (target[7] as number) ^ 1;
        return true;
      },
    });
    const target = { ...opened.target, content };
    expect((await fsck(target, { data: true, repair: true }, new Listener())).repaired).toBe(0);
    spoilt = false;
    expect(await fsck(target, { data: true, repair: true }, new Listener())).toMatchObject({ damaged: 2, repaired: 2 });
    await opened.close();
    expect((await check(directory)).listener.findings).toEqual([]);
  });
});

test("never a false alarm while clients work", async () => {
  const directory = copy();
  const opened = await openCheckable(directory);
  const { store } = opened;
  let working = true;
  let done = 0;
  const worker = async (seed: number): Promise<void> => {
    const random = new SeededRandom(seed);
    const home = await make(opened, rootId, `work${seed}`, FileType.directory);
    for (; working; done++) {
      const name = `n${seed}-${done}`;
      const id = await make(opened, home, name, FileType.regular);
      const written = content(opened, id, random.bytes(1 + random.below(150_000)));
      const at = systemClock.now();
      if (random.below(2) === 0) await written;
      if (random.below(2) === 0) {
        const moved = { parent: random.below(2) === 0 ? home : rootId, name: `m${seed}-${done}` };
        await store.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: home, name }, { do: "insertDirent", ...moved, child: id }, { do: "addLinks", id, delta: 0, at }, { do: "touchDirectory", id: moved.parent, at, linksDelta: 0 }, { do: "touchDirectory", id: home, at, linksDelta: 0 }] });
      } else if (random.below(3) === 0) {
        await written;
        await store.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: home, name }, { do: "addLinks", id, delta: -1, at }, { do: "freeOrphan", id, extentsMax: 1000 }, { do: "touchDirectory", id: home, at, linksDelta: 0 }] });
        opened.content.forget(id);
      } else {
        await store.apply({ conditions: [], changes: [{ do: "insertDirent", parent: rootId, name: `l${seed}-${done}`, child: id }, { do: "addLinks", id, delta: 1, at }, { do: "touchDirectory", id: rootId, at, linksDelta: 0 }] });
        await make(opened, home, `d${seed}-${done}`, FileType.directory);
      }
      await written;
    }
  };
  const workers = [1, 2, 3].map((seed) => worker(seed));
  const findings: Finding[] = [];
  for (let i = 0; done < 80 && i < 2000; i++) {
    const listener = new Listener();
    await fsck(opened.target, { data: i % 2 === 0, repair: i % 4 === 3 }, listener);
    findings.push(...listener.findings);
  }
  working = false;
  await Promise.all(workers);
  expect(findings.filter(({ severity }) => severity === "damage")).toEqual([]);
  expect(done).toBeGreaterThan(79);
  await opened.close();
  expect((await check(directory)).listener.findings).toEqual([]);
}, 60_000);

async function content(opened: Opened, id: FileId, bytes: Uint8Array): Promise<void> {
  await write(opened, id, bytes);
}

test("a name that is always where the check is not looking is no lost file", async () => {
  const opened = await openCheckable(copy());
  const { store } = opened;
  const [low, middle, high] = [await make(opened, rootId, "low", FileType.directory), await make(opened, rootId, "middle", FileType.directory), await make(opened, rootId, "high", FileType.directory)];
  // More than a page of names lies between the two places.
  for (let i = 0; i < 1100; i++) await make(opened, middle, `n${i}`, FileType.fifo);
  const child = await make(opened, high, "elusive", FileType.regular);
  let home = high;
  const move = async (to: FileId): Promise<void> => {
    if (to === home) return;
    const at = systemClock.now();
    await store.apply({ conditions: [], changes: [{ do: "deleteDirent", parent: home, name: "elusive" }, { do: "insertDirent", parent: to, name: "elusive", child }, { do: "addLinks", id: child, delta: 0, at }, { do: "touchDirectory", id: home, at, linksDelta: 0 }, { do: "touchDirectory", id: to, at, linksDelta: 0 }] });
    home = to;
  };
  const tables = scansOf(store) as ScansTables;
  let moves = 0;
  const elusive = Object.assign(Object.create(store) as typeof store, {
    async scanDirents(parent: number, cookie: number, limit: number) {
      if (parent < 0) await move(high);
      else if (parent === middle && home === high) {
        moves++;
        await move(low);
      }
      return await tables.scanDirents(parent, cookie, limit);
    },
  });
  const listener = new Listener();
  await fsck({ ...opened.target, store: elusive }, { data: false, repair: false }, listener);
  expect(moves).toBeGreaterThan(1);
  expect(listener.findings).toEqual([]);
  await opened.close();
});

test("a cancelled check ends, and repairs nothing", async () => {
  const opened = await openCheckable(copy());
  const listener = new Listener();
  listener.cancelled = true;
  await expect(fsck(opened.target, { data: true, repair: true }, listener)).rejects.toThrow("cancelled");
  await opened.close();
});

test("metadata that can't be read is named as that", async () => {
  const opened = await openCheckable(copy());
  const store = Object.assign(Object.create(opened.store) as typeof opened.store, {
    usage: () => opened.store.usage(),
    scanInodes: () => {
      throw new Error("database disk image is malformed");
    },
  });
  const listener = new Listener();
  expect(await fsck({ ...opened.target, store }, { data: false, repair: true }, listener)).toMatchObject({ damaged: 1, repaired: 0 });
  expect(listener.findings).toMatchObject([{ kind: "unreadable_metadata", severity: "damage" }]);
  expect(listener.findings[0]?.message).toContain("malformed");
  await opened.close();
});
