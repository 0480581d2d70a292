import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Share } from "#vfs/share.ts";
import { alice, folder, listAll, ok, openWorld, type World } from "./kit.ts";

const code = (outcome: unknown): string => (outcome instanceof FsError ? outcome.code : "success");

const names = ["a", "b", "c", "d"];

/** One random operation of one client, whatever comes of it. */
function step(share: Share, random: () => number, directories: readonly FileId[]): Promise<unknown> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const [d, e, n, m] = [pick(directories), pick(directories), pick(names), pick(names)];
  switch (Math.floor(random() * 7)) {
    case 0:
      return share.create(alice, d, n, { mode: "unchecked", attributes: { mode: 0o644 } });
    case 1:
      return share.mkdir(alice, d, n, { mode: 0o755 });
    case 2:
      return share.remove(alice, d, n);
    case 3:
      return share.rmdir(alice, d, n);
    case 4:
    case 5:
      return share.rename(alice, d, n, e, m);
    default:
      return Promise.resolve(share.lookup(alice, d, n)).then((found) =>
        found instanceof FsError ? found : share.link(alice, found.inode.id, e, m),
      );
  }
}

/** The tree walks clean: every link count and parent is right, the caches say what the rows say, nothing is left over. */
async function checkTree({ share, store }: World): Promise<void> {
  const links = new Map<number, number>();
  const queue: FileId[] = [rootId];
  let inodes = 1;
  for (const directory of queue) {
    const rows = await store.inner.directory(directory, 0, 10_000);
    expect(await listAll(share, directory, 3)).toEqual(new Map(rows.map((row) => [row.name, row.child])));
    let subdirectories = 0;
    for (const row of rows) {
      const inode = await store.inner.inode(row.child);
      if (inode === null) throw new Error(`${row.name} refers to nothing`);
      expect(ok(await share.getattr(row.child))).toEqual(inode);
      expect(ok(await share.lookup(alice, directory, row.name)).inode.id).toBe(row.child);
      if (!links.has(row.child)) inodes++;
      links.set(row.child, (links.get(row.child) ?? 0) + 1);
      if (inode.type !== 2) continue;
      subdirectories++;
      expect(inode.parent).toBe(directory);
      expect(links.get(row.child)).toBe(1);
      queue.push(row.child);
    }
    expect((await store.inner.inode(directory))?.links).toBe(2 + subdirectories);
  }
  for (const [id, count] of links) {
    const inode = await store.inner.inode(id as FileId);
    if (inode?.type !== 2) expect(inode?.links).toBe(count);
  }
  expect((await store.inner.usage()).inodes).toBe(inodes);
  expect(await store.inner.orphans(0, 10)).toEqual([]);
}

for (const asynchronous of [false, true]) {
  for (const small of [false, true]) {
    test(`many clients at once leave a clean tree (${asynchronous ? "asynchronous" : "synchronous"} reads, ${small ? "tiny" : "ample"} caches)`, async () => {
      const world = await openWorld(small ? { inodesMax: 12, namesMax: 10 } : {});
      const { share, store } = world;
      let state = 42;
      const random = (): number => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 8) / 2 ** 24;
      };
      const directories: FileId[] = [rootId];
      for (const name of ["p", "q"]) directories.push((await folder(share, name)).id);
      directories.push((await folder(share, "r", 0o755, alice, directories[1] as FileId)).id);
      store.asynchronous = asynchronous;
      const outcomes = new Map<string, number>();
      for (let round = 0; round < 60; round++) {
        const steps = await Promise.all(Array.from({ length: 8 }, () => step(share, random, directories)));
        for (const outcome of steps) outcomes.set(code(outcome), (outcomes.get(code(outcome)) ?? 0) + 1);
        if (round % 10 === 9) await checkTree(world);
      }
      expect(outcomes.get("success")).toBeGreaterThan(50);
      expect(outcomes.get("jukebox")).toBeUndefined();
    });
  }
}
