import { expect, test } from "bun:test";
import { chooseShare, sharesOf } from "#app/stores/recovery-store.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { RecoverRequest } from "#cli/ports.ts";
import { shareKey } from "#history/index.ts";
import { storePlan } from "../kit.ts";

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
  for (const share of [null, bad]) expect(() => chooseShare(found, request(share))).toThrow(`instance ${bad} can't be read`);
});
