import { beforeAll, describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fsck, type FsckResult } from "#check/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { InodeFlag, streamsOf } from "#model/inode-flags.ts";
import { bytesOf, fill, type Ground, Listener, onGround, openCheckable, type Opened, type Place } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";

/** What belongs to a file whose inode is lost stays with the file that is made in its place. */

let whole: string;
let places: Map<string, Place>;

beforeAll(async () => {
  whole = temporary("rebuild");
  const opened = await openCheckable(whole);
  places = await fill(opened);
  await opened.close();
});

async function repaired(plant: (ground: Ground) => void, look: (opened: Opened, result: FsckResult) => Promise<void>): Promise<void> {
  const directory = temporary("rebuild");
  cpSync(whole, directory, { recursive: true });
  onGround(join(directory, "metadata.db"), join(directory, "blocks"), places, plant);
  const opened = await openCheckable(directory);
  try {
    const result = await fsck(opened.target, { data: false, repair: true }, new Listener());
    await look(opened, result);
    const again = new Listener();
    await fsck(opened.target, { data: false, repair: false }, again);
    expect(again.findings).toEqual([]);
  } finally {
    await opened.close();
  }
}

const path = "/d6/f2";
const at = (): Place => places.get(path) as Place;

async function expectAttributes({ store }: Opened, id: FileId): Promise<void> {
  const seed = path.length;
  expect(await store.xattrs(id)).toEqual([{ id, name: "ea", value: bytesOf(seed, 20) }, { id, name: "security", value: bytesOf(seed, 200) }]);
  expect((await store.inode(id))?.flags).toBe(InodeFlag.hasStreams | InodeFlag.hasSecurity | InodeFlag.hasEas);
  expect((await store.directory(streamsOf(id), 0, 10)).map(({ name }) => name)).toEqual(["Stream"]);
}

async function foundNames(opened: Opened): Promise<readonly string[]> {
  const lost = await opened.store.dirent(rootId, "lost+found");
  return lost === null ? [] : (await opened.store.directory(lost.child, 0, 100)).map(({ name }) => name);
}

describe("the inode of a file with attributes and streams is gone", () => {
  test("with its name: content, attributes and streams go to lost+found together", async () => {
    const { id } = at();
    await repaired(
      ({ sql }) => {
        sql("DELETE FROM dirent WHERE child = ?", id);
        sql("DELETE FROM inode WHERE id = ?", id);
      },
      async (opened) => {
        expect(await foundNames(opened)).toEqual([`#${id}`]);
        expect((await opened.store.extents(id as FileId, 0, Number.MAX_SAFE_INTEGER, 10)).length).toBeGreaterThan(0);
        await expectAttributes(opened, id as FileId);
      },
    );
  });

  test("its name is left: it keeps that, and the rest", async () => {
    const { id } = at();
    await repaired(
      ({ sql }) => sql("DELETE FROM inode WHERE id = ?", id),
      async (opened) => {
        expect(await foundNames(opened)).toEqual([]);
        await expectAttributes(opened, id as FileId);
      },
    );
  });

  test("with name and content: what is left is quarantined, not deleted", async () => {
    const { id } = at();
    await repaired(
      ({ sql }) => {
        sql("DELETE FROM dirent WHERE child = ?", id);
        sql("DELETE FROM extent WHERE file = ?", id);
        sql("DELETE FROM inode WHERE id = ?", id);
        sql("UPDATE pack SET live = 0 WHERE id = ?", at().pack);
      },
      async (opened) => {
        expect(await foundNames(opened)).toEqual([`#${id}`]);
        await expectAttributes(opened, id as FileId);
      },
    );
  });

  test("with its name, and it is listed as an orphan", async () => {
    const { id } = at();
    await repaired(
      ({ sql }) => {
        sql("DELETE FROM dirent WHERE child = ?", id);
        sql("DELETE FROM inode WHERE id = ?", id);
        sql("INSERT INTO orphan VALUES (?)", id);
      },
      async (opened) => {
        expect(await foundNames(opened)).toEqual([`#${id}`]);
        await expectAttributes(opened, id as FileId);
      },
    );
  });
});

test("the inode of a directory with attributes and streams is gone: they stay with it", async () => {
  const { id } = places.get("/d6") as Place;
  await repaired(
    ({ sql }) => sql("DELETE FROM inode WHERE id = ?", id),
    async ({ store }) => {
      expect((await store.xattrs(id as FileId)).map(({ name }) => name)).toEqual(["ea", "security"]);
      expect((await store.inode(id as FileId))?.flags).toBe(InodeFlag.hasStreams | InodeFlag.hasSecurity | InodeFlag.hasEas);
      expect((await store.directory(streamsOf(id as FileId), 0, 10)).map(({ name }) => name)).toEqual(["Stream"]);
      expect((await store.dirent(rootId, "d6"))?.child).toBe(id as FileId);
    },
  );
});
