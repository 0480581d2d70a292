import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { type FileId, fileSizeMax, rootId } from "#model/ids.ts";
import type { CopyRange } from "#vfs/file-system.ts";
import { rangeOf } from "#vfs/locks/index.ts";
import type { OpenFile } from "#vfs/opens/open-file.ts";
import type { Share } from "#vfs/share.ts";
import { alice, bob, bytesOf, fails, file, ok, openWorld, root, textOf } from "./kit.ts";

const nobody = { source: null, target: null };
const range = (source: FileId, sourceOffset: number, length: number, target: FileId, targetOffset: number, more: Partial<CopyRange> = {}): CopyRange => ({
  source, sourceOffset, length, target, targetOffset, by: nobody, obeysLocks: true, ...more,
});

async function bytesAt(share: Share, id: FileId, offset: number, length: number): Promise<Buffer> {
  const { data } = ok(await share.read(alice, id, offset, length));
  const bytes = Buffer.concat(data.slices);
  data.release();
  return bytes;
}

async function two(mode = 0o666) {
  const world = await openWorld();
  const a = await file(world.share, "a", mode);
  const b = await file(world.share, "b", mode);
  ok(await world.share.write(alice, a.id, 0, [bytesOf("0123456789")], 10, false));
  return { ...world, a: a.id, b: b.id };
}

test("a clone and a copy put a range of one file into another, and change its times", async () => {
  const { share, clock, a, b } = await two();
  for (const way of ["clone", "copy"] as const) {
    clock.ms += 1_000;
    const before = share.cached(b)!;
    expect(await share[way](alice, range(a, 2, 5, b, 3))).toBeNull();
    expect(await textOf(share, b)).toBe("\0\0\x0023456");
    expect(share.cached(b)!.mtime.isAfter(before.mtime)).toBe(true);
  }
});

test("a copy within a file may overlap itself: its target gets what the source was", async () => {
  const { share, a } = await two();
  expect(await share.copy(alice, range(a, 0, 6, a, 4))).toBeNull();
  expect(await textOf(share, a)).toBe("0123012345");
  const long = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >>> 12)) % 251);
  ok(await share.write(alice, a, 0, [long], long.length, false));
  for (const [from, to] of [[0, 700_000], [900_000, 100_000]] as const) {
    const before = await bytesAt(share, a, from, 2_000_000);
    expect(await share.copy(alice, range(a, from, 2_000_000, a, to))).toBeNull();
    expect(Buffer.compare(await bytesAt(share, a, to, 2_000_000), before)).toBe(0);
  }
});

test("who may not read the source or write the target is refused, and so are ranges and types that are none", async () => {
  const { share, a, b } = await two();
  const secret = await file(share, "secret", 0o600);
  for (const way of ["clone", "copy"] as const) {
    expect(await share[way](bob, range(secret.id, 0, 0, b, 0))).toBeNull();
    ok(await share.write(alice, secret.id, 0, [bytesOf("x")], 1, false));
    fails(await share[way](bob, range(secret.id, 0, 1, b, 0)), "access");
    fails(await share[way](bob, range(a, 0, 1, secret.id, 0)), "access");
    fails(await share[way](alice, range(a, 5, 6, b, 0)), "invalid");
    fails(await share[way](alice, range(a, 0, 10, b, fileSizeMax - 9)), "fileTooBig");
    fails(await share[way](alice, range(rootId, 0, 1, b, 0)), "isDirectory");
    fails(await share[way](alice, range(a, 0, 1, rootId, 0)), "isDirectory");
    fails(await share[way](alice, range(4711 as FileId, 0, 1, b, 0)), "stale");
    fails(await share[way]({ ...alice, access: "read" }, range(a, 0, 1, b, 0)), "access");
  }
});

test("others' locks bar a copy on either side, where locks are obeyed, and a punch", async () => {
  const { share, a, b } = await two();
  const owner = {} as OpenFile;
  share.locks.lock(a, owner, [{ range: rangeOf(0, 4, 0, 2)!, exclusive: true }]);
  fails(await share.copy(alice, range(a, 0, 5, b, 0)), "locked");
  expect(await share.copy(alice, range(a, 0, 4, b, 0))).toBeNull();
  fails(await share.copy(alice, range(b, 0, 4, a, 2)), "locked");
  expect(await share.copy(alice, range(a, 0, 10, b, 0, { by: { source: owner, target: null } }))).toBeNull();
  expect(await share.clone(alice, range(a, 0, 10, b, 0, { obeysLocks: false }))).toBeNull();
  fails(await share.punch(alice, a, 0, 5), "locked");
  ok(await share.punch(alice, a, 0, 5, owner));
  ok(await share.punch(alice, a, 100, 5));
});

test("setuid goes with a punch, a clone and a copy by somebody else than the superuser", async () => {
  for (const change of ["punch", "clone", "copy"] as const) {
    const { share, a, b } = await two();
    ok(await share.setattr(root, b, { mode: 0o6777 }, null));
    if (change === "punch") ok(await share.punch(bob, b, 0, 1));
    else expect(await share[change](bob, range(a, 0, 3, b, 0))).toBeNull();
    expect(share.cached(b)!.mode).toBe(0o777);
  }
});

test("a copy that finds the store away goes on by reading and writing; a clone says it has to be tried again", async () => {
  const { share, content, a, b } = await two();
  ok(await share.write(alice, a, 0, [new Uint8Array(200_000).fill(7)], 200_000, false));
  content.references = (() => FsError.of("jukebox")) as never;
  fails(await share.clone(alice, range(a, 0, 200_000, b, 0)), "jukebox");
  expect(await share.copy(alice, range(a, 0, 200_000, b, 5))).toBeNull();
  expect(share.cached(b)!.size).toBe(200_005);
});

test("allocated ranges: of whoever may read, cut at the end of the file", async () => {
  const { share, a } = await two(0o600);
  expect(ok(await share.allocated(alice, a, 3, 100, 5)).ranges).toEqual([{ start: 3, end: 10 }]);
  expect(ok(await share.allocated(alice, a, 10, 100, 5)).ranges).toEqual([]);
  fails(await share.allocated(bob, a, 0, 1, 1), "access");
  fails(await share.allocated(alice, rootId, 0, 1, 1), "isDirectory");
});
