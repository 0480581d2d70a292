import { expect, test } from "bun:test";
import { join } from "node:path";
import { openMemoryBlocks } from "#blocks/index.ts";
import { copyContent } from "#check/index.ts";
import { FileType } from "#model/inode.ts";
import type { BlockStore } from "#model/block-store.ts";
import { rootId } from "#model/ids.ts";
import { bytesOf, flip, Listener, make, makeRoot, openCheckable, type Opened, write } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";

const files = 4;

async function filled(directory: string): Promise<Opened> {
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  for (let i = 0; i < files; i++) await write(opened, await make(opened, rootId, `f${i}`, FileType.regular), bytesOf(i, 100_000));
  return opened;
}

test("objects are copied once, byte for byte", async () => {
  const opened = await filled(temporary("copy"));
  const to = openMemoryBlocks({ bytesMax: 2 ** 30 });
  expect(await copyContent(opened.target, to, new Set(), new Listener())).toMatchObject({ copied: files, present: 0 });
  expect(await copyContent(opened.target, to, new Set(), new Listener())).toMatchObject({ copied: 0, present: files, bytes: 0 });
  for (const { key } of await opened.store.packs(0, 100)) {
    const size = (await opened.target.blocks.size(key)) as number;
    expect(Buffer.compare(await to.get(key, 0, size), await opened.target.blocks.get(key, 0, size))).toBe(0);
  }
  await opened.close();
});

test("what the new store does not give back as it was put keeps the share from moving", async () => {
  const opened = await filled(temporary("copy"));
  const real = openMemoryBlocks({ bytesMax: 2 ** 30 });
  const to: BlockStore = {
    get: (...asked) => real.get(...asked),
    size: (key) => real.size(key),
    delete: (keys) => real.delete(keys),
    list: (prefix) => real.list(prefix),
    space: () => real.space(),
    close: () => real.close(),
    put: (key, source) => {
      if (source.from !== "slices") throw new Error("slices");
      const bytes = Buffer.concat(source.slices as Uint8Array[]);
      bytes[99] = (bytes[99] as number) ^ 4;
      return real.put(key, { from: "slices", slices: [bytes] });
    },
  };
  await expect(copyContent(opened.target, to, new Set(), new Listener())).rejects.toThrow("is not whole in the store it was copied to");
  await opened.close();
});

test("damaged content is not copied", async () => {
  const directory = temporary("copy");
  const opened = await filled(directory);
  const [first] = await opened.store.packs(0, 1);
  flip(join(directory, "blocks", "objects", `${first?.key}+`), 5);
  await expect(copyContent(opened.target, openMemoryBlocks({ bytesMax: 2 ** 30 }), new Set(), new Listener())).rejects.toThrow("fsck --data --repair");
  await opened.close();
});
