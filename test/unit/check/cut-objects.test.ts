import { beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, truncateSync, statSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fsck, scrub, type ScrubMark, unpaced } from "#check/index.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import type { Inode } from "#model/inode.ts";
import { bytesOf, fileBytes, fill, flip, Listener, openCheckable, type Opened, type Place } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";

/** An object that is not as long as it was put: wherever it was cut, it is damage with a name, and repaired from what is whole elsewhere. */

const path = "/d5/f1";
const bytes = bytesOf(5 * 6 + 1, fileBytes);
let whole: string;
let place: Place;

beforeAll(async () => {
  whole = temporary("cut");
  const opened = await openCheckable(whole);
  place = (await fill(opened)).get(path) as Place;
  await opened.close();
});

async function withShare<T>(work: (opened: Opened, object: string) => Promise<T>): Promise<{ readonly done: T; readonly directory: string }> {
  const directory = temporary("cut");
  cpSync(whole, directory, { recursive: true });
  const opened = await openCheckable(directory);
  try {
    return { done: await work(opened, join(directory, "blocks", "objects", `${place.key}+`)), directory };
  } finally {
    await opened.close();
  }
}

async function readAll({ store, content }: Opened): Promise<Uint8Array | null> {
  const read = await content.read(content.overlay((await store.inode(place.id as FileId)) as Inode), 0, fileBytes);
  if (read instanceof FsError) return null;
  const copy = Buffer.concat(read.slices.map((slice) => Buffer.from(slice)));
  read.release();
  return copy;
}

const wholeBytes = (): number => statSync(join(whole, "blocks", "objects", `${place.key}+`)).size;
/** Where it ends, or how it is changed, and from which byte of the file on nothing can be read. */
const cuts: readonly { readonly name: string; readonly to: () => number; readonly lostFrom: number | null }[] = [
  { name: "to nothing", to: () => 0, lostFrom: 0 },
  { name: "within its first frame", to: () => 100, lostFrom: 0 },
  { name: "between two frames", to: () => 131_072, lostFrom: 131_072 },
  { name: "within a frame", to: () => 140_000, lostFrom: 131_072 },
  { name: "where its content ends", to: () => fileBytes, lostFrom: null },
  { name: "within its footer", to: () => wholeBytes() - 30, lostFrom: null },
  { name: "by its last byte", to: () => wholeBytes() - 1, lostFrom: null },
  { name: "and is longer than it was", to: () => wholeBytes() + 100, lostFrom: null },
];

function cut(object: string, to: number): void {
  const now = statSync(object).size;
  if (to <= now) truncateSync(object, to);
  else appendFileSync(object, Buffer.alloc(to - now, 7));
}

for (const { name, to, lostFrom } of cuts) {
  describe(`an object was cut ${name}`, () => {
    for (const data of [false, true]) {
      test(`it is named, and repaired where memory has its content${data ? ", all being read" : ""}`, async () => {
        const { directory } = await withShare(async (opened, object) => {
          await readAll(opened);
          cut(object, to());
          const named = new Listener();
          await fsck(opened.target, { data, repair: false }, named);
          expect(named.findings).toContainEqual(expect.objectContaining({ kind: "object_size", key: place.key, severity: "damage" }));
          const lost = named.findings.filter(({ kind }) => kind === "content_damaged");
          expect(lost.map((one) => [one.path, one.from, one.to])).toEqual(lostFrom === null ? [] : [[path, lostFrom, fileBytes]]);
          const repair = new Listener();
          const result = await fsck(opened.target, { data, repair: true }, repair);
          expect(repair.findings.filter(({ repaired }) => !repaired)).toEqual([]);
          expect(result.repaired).toBe(result.damaged);
        });
        const again = await openCheckable(directory);
        expect(Buffer.compare((await readAll(again)) as Uint8Array, bytes)).toBe(0);
        const clean = new Listener();
        await fsck(again.target, { data: true, repair: false }, clean);
        expect(clean.findings.filter(({ severity }) => severity === "damage")).toEqual([]);
        await again.close();
      });
    }

    test("where nothing else has its content, what can be read stays, the rest is named, and no repair is said to be made", async () => {
      await withShare(async (opened, object) => {
        cut(object, to());
        const repair = new Listener();
        const result = await fsck(opened.target, { data: true, repair: true }, repair);
        if (lostFrom === null) return void expect(result.repaired).toBe(result.damaged);
        expect(result.repaired).toBe(0);
        const lost = repair.findings.filter(({ kind }) => kind === "content_damaged");
        expect(lost.map((one) => [one.path, one.from, one.to])).toEqual([[path, lostFrom, fileBytes]]);
      });
    });

    test("scrubbing names it", async () => {
      await withShare(async (opened, object) => {
        cut(object, to());
        const listener = new Listener();
        await scrub(opened.target, noMemory, unpaced, listener);
        expect(listener.findings.some(({ key, severity }) => key === place.key && severity === "damage")).toBeTrue();
        expect(listener.findings.filter(({ kind }) => kind === "content_damaged").map((one) => [one.path, one.from, one.to])).toEqual(lostFrom === null ? [] : [[path, lostFrom, fileBytes]]);
      });
    });
  });
}

const noMemory = { load: (): ScrubMark | null => null, note(): void {}, save(): void {} };

test("scrubbing names an object that is missing, with what lies in it", async () => {
  await withShare(async (opened, object) => {
    rmSync(object);
    const listener = new Listener();
    await scrub(opened.target, noMemory, unpaced, listener);
    expect(listener.findings.map(({ kind, path: where, from, to }) => [kind, where, from, to])).toEqual([
      ["object_missing", null, null, null],
      ["content_damaged", path, 0, fileBytes],
    ]);
  });
});

test("what else is damaged in an object that was cut is named, too", async () => {
  await withShare(async (opened, object) => {
    cut(object, 140_000);
    flip(object, 10);
    const listener = new Listener();
    await fsck(opened.target, { data: true, repair: false }, listener);
    expect(listener.findings.filter(({ kind }) => kind === "content_damaged").map((one) => [one.path, one.from, one.to])).toEqual([
      [path, 131_072, fileBytes],
      [path, 0, 65_536],
    ]);
  });
});

test("of an object that was cut, what only memory has is moved, and what can be read where it is stays", async () => {
  await withShare(async (opened, object) => {
    const { content, store } = opened;
    const read = await content.read(content.overlay((await store.inode(place.id as FileId)) as Inode), 0, fileBytes);
    if (read instanceof FsError) throw new Error(read.code);
    read.release();
    cut(object, 140_000);
    // Memory has only the end of it.
    const upkeep = opened.target.content;
    const side = Object.assign(Object.create(upkeep) as typeof upkeep, {
      pages: (file: FileId, extent: Parameters<typeof upkeep.pages>[1], target: Uint8Array) => (extent.offset < 196_608 ? Promise.resolve(false) : upkeep.pages(file, extent, target)),
    });
    const listener = new Listener();
    await fsck({ ...opened.target, content: side }, { data: false, repair: true }, listener);
    const left = new Listener();
    await fsck(opened.target, { data: false, repair: false }, left);
    expect(left.findings.filter(({ kind }) => kind === "content_damaged").map((one) => [one.path, one.from, one.to])).toEqual([[path, 131_072, 196_608]]);
  });
});
