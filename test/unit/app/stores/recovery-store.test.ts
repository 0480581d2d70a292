import { expect, test } from "bun:test";
import { join } from "node:path";
import { Time } from "#base/time.ts";
import { chooseShare, goneFrom, openRecoveryStore, sharesOf } from "#app/stores/recovery-store.ts";
import { openFilesystemBlocks, systemDisk } from "#blocks/filesystem/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import { type Ended, endedKey, endHistory, leavingKey, markLeaving, shareKey } from "#history/index.ts";
import { storePlan, temporary } from "../kit.ts";

const bytes = (text: string) => ({ from: "slices", slices: [new TextEncoder().encode(text)] }) as const;

test("a share whose history can't be read keeps no other from being found, and says why when it is the one that is meant", async () => {
  // Each connection is closed by itself; what is stored stays.
  const blocks = Object.assign(openMemoryBlocks(), { close: async () => {} });
  const [good, bad] = ["00000000000000aa", "00000000000000bb"];
  for (const instance of [good, bad]) await blocks.put(shareKey(instance), bytes(""));
  await blocks.put(`${bad}/history/snapshot/00000000000000-00000000000001/manifest`, bytes("no manifest at all, however long it may be"));
  const found = await sharesOf({ plan: storePlan("block", "memory"), parts: [{ name: null, open: async () => blocks }] });
  expect(found.map(({ instance, error }) => [instance, error === null])).toEqual([[good, true], [bad, false]]);
  const request = (share: string | null) => ({ share }) as RecoverRequest;
  for (const share of [null, bad]) expect(() => chooseShare(found, [], request(share))).toThrow(`instance ${bad} can't be read`);
});

const why: Ended = { share: "/team", names: "postgres", to: "metadata store pg (postgres db.example)", host: "first", at: new Time(1_700_000_000, 0) };

test("of a share whose history a move ended it is said where it went, when, and what to do, whether it is named or nothing else is there", async () => {
  const blocks = Object.assign(openMemoryBlocks(), { close: async () => {} });
  const store = { plan: storePlan("block", "memory"), parts: [{ name: null, open: async () => blocks }] };
  const choose = async (share: string | null) => chooseShare(await sharesOf(store), await goneFrom(store), { share } as RecoverRequest);
  const instance = "00000000000000aa";
  await expect(choose(null)).rejects.toThrow(/PostgreSQL the names are in that database alone.* in memory nothing can be recovered/);
  for (const [names, todo] of [["postgres", "put that database back"], ["memory", "nothing can be recovered"], ["other", "recover it from the block store it went to"]] as const) {
    await blocks.put(shareKey(instance), bytes(""));
    await markLeaving(blocks, instance, why);
    // Until the history is ended nobody knows whether the share went.
    expect(await goneFrom(store)).toEqual([]);
    await endHistory(blocks, instance, { ...why, names });
    expect(await goneFrom(store)).toEqual([{ instance, place: null, ended: { ...why, names } }]);
    for (const share of [null, instance, "/team"]) {
      const said = await choose(share).then(() => "", (error: Error) => error.message);
      expect(said).toContain(`share /team (instance ${instance}) in this store was ended at 2023-11-14T22:13:20.000Z by the server on first, which moved it to metadata store pg (postgres db.example). `);
      expect(said).toContain(todo);
    }
    await expect(choose("/other")).rejects.toThrow("this store has no share's history");
  }
});

test("a server that ended before it said that a history had ended said that the share was leaving, and what can't be read is said to be that", async () => {
  const blocks = Object.assign(openMemoryBlocks(), { close: async () => {} });
  const store = { plan: storePlan("block", "memory"), parts: [{ name: null, open: async () => blocks }] };
  const choose = async () => chooseShare(await sharesOf(store), await goneFrom(store), { share: null } as RecoverRequest);
  const instance = "00000000000000aa";
  await markLeaving(blocks, instance, why);
  await expect(choose()).rejects.toThrow(/the share with instance 00000000000000aa in this store .* moved it to metadata store pg .* Start that server/);
  await blocks.put(endedKey(instance), bytes("not what it should be, by far"));
  await expect(choose()).rejects.toThrow("where to can't be read any more");
  await blocks.delete([endedKey(instance), leavingKey(instance)]);
  expect(await goneFrom(store)).toEqual([]);
});

test("looking for the shares of a filesystem store leaves alone what a server is writing there", async () => {
  const path = temporary();
  const syncing = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let putting = false;
  const disk = {
    ...systemDisk,
    async sync(file: Parameters<typeof systemDisk.sync>[0]) {
      if (putting) {
        syncing.resolve();
        await go.promise;
      }
      await systemDisk.sync(file);
    },
  };
  const live = await openFilesystemBlocks({ directory: join(path, "export"), disk });
  putting = true;
  const put = live.put("a/1", bytes("written by the server"));
  await syncing.promise;
  expect(await sharesOf(await openRecoveryStore({ type: "filesystem", config: { path }, storeName: "found" } as unknown as RecoverRequest))).toEqual([]);
  go.resolve();
  await put;
  expect(await live.size("a/1")).toBe(21);
  await live.close();
});
