import { describe, expect, test } from "bun:test";
import { systemRandom } from "#base/random.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { Keyring, openMemoryBlocks, parseMasterKeys } from "#blocks/index.ts";
import { type BlockStore, StoreRefusedError } from "#model/block-store.ts";
import { masterKeyLine, masterKeys } from "../../../support/master-keys.ts";

const keyPrefix = "0123456789abcdef/";
const open = (blocks: BlockStore, masters = masterKeys("a"), mayBegin = true) => new Keyring({ blocks, keyPrefix, masters, mayBegin, random: systemRandom });

async function rings(blocks: BlockStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of blocks.list(keyPrefix)) keys.push(key.slice(keyPrefix.length));
  return keys.sort();
}

async function flipped(blocks: BlockStore, key: string, at: number): Promise<void> {
  const bytes = (await blocks.get(key, 0, (await blocks.size(key)) ?? 0)).slice();
  bytes[at] = (bytes[at] as number) ^ 1;
  await blocks.delete([key]);
  await blocks.put(key, { from: "slices", slices: [bytes] });
}

describe("a keyring", () => {
  test("is begun once, however many open it, and found again", async () => {
    const blocks = openMemoryBlocks();
    const several = await Promise.all(Array.from({ length: 5 }, () => open(blocks).current()));
    expect(new Set(several.map(({ id }) => Buffer.from(id).toString("hex"))).size).toBe(1);
    expect(await rings(blocks)).toEqual(["keyring/00000001"]);
    expect(await open(blocks, masterKeys("a"), false).load()).toEqual({ master: "a", keys: 1, current: "a" });
  });

  test("that is missing is not begun anew where there is content", async () => {
    const blocks = openMemoryBlocks();
    await expect(open(blocks, masterKeys("a"), false).load()).rejects.toThrow(/is not in the block store, though there is content/);
    expect(await rings(blocks)).toEqual([]);
  });

  test("is opened by the key it was wrapped with and no other, and says which it wants", async () => {
    const blocks = openMemoryBlocks();
    await open(blocks).load();
    await expect(open(blocks, masterKeys("b")).load()).rejects.toThrow(/master key "a", which \/etc\/dittofs\/master.keys does not have \(it has b\)/);
    const another = parseMasterKeys(masterKeyLine("b").replace("b =", "a ="), "the file");
    await expect(open(blocks, another).load()).rejects.toThrow(/the master key a of the file is not the one/);
    for (const masters of [masterKeys("b"), another]) await expect(open(blocks, masters).load()).rejects.toBeInstanceOf(StoreRefusedError);
    expect(await open(blocks, masterKeys("b", "a")).load()).toEqual({ master: "a", keys: 1, current: "b" });
  });

  test("rotated is wrapped with the first key, has a new one in use and all before, and the old ring is gone", async () => {
    const blocks = openMemoryBlocks();
    const ring = open(blocks);
    const first = await ring.current();
    expect(await ring.rotate(masterKeys("b", "a"))).toEqual({ master: "b", keys: 2 });
    expect(await ring.rotate(masterKeys("c", "b"))).toEqual({ master: "c", keys: 3 });
    expect(await rings(blocks)).toEqual(["keyring/00000003"]);
    expect(Buffer.compare((await ring.current()).id, first.id)).not.toBe(0);
    const again = open(blocks, masterKeys("c"));
    expect((await again.find(first.id))?.key.equals(first.key)).toBe(true);
    await expect(open(blocks, masterKeys("b", "a")).load()).rejects.toThrow(/master key "c"/);
  });

  test("is as it was where it can't be rotated: without the old key, or with the put failing", async () => {
    const blocks = openMemoryBlocks();
    const ring = open(blocks);
    const first = await ring.current();
    await expect(ring.rotate(masterKeys("b"))).rejects.toThrow(/master key "a"/);
    expect(await rings(blocks)).toEqual(["keyring/00000001"]);
    expect((await ring.current()).id).toEqual(first.id);
  });

  test("finds a key that another server began meanwhile, and none that nobody knows", async () => {
    const blocks = openMemoryBlocks();
    const one = open(blocks);
    await one.load();
    const other = open(blocks);
    await other.rotate(masterKeys("a"));
    const fresh = await other.current();
    expect((await one.find(fresh.id))?.id).toEqual(fresh.id);
    expect(await one.find(new Uint8Array(16))).toBeNull();
  });

  test("with any byte changed, under another number or of another share is refused", async () => {
    const length = 11 + 1 + 12 + 48 + 16;
    for (let at = 0; at < length; at++) {
      const blocks = openMemoryBlocks();
      await open(blocks).load();
      await flipped(blocks, `${keyPrefix}keyring/00000001`, at);
      await expect(open(blocks).load()).rejects.toThrow(/is damaged|no keyring|newer than|is not the one|does not have/);
    }
    const blocks = openMemoryBlocks();
    await open(blocks).load();
    const bytes = await blocks.get(`${keyPrefix}keyring/00000001`, 0, length);
    await blocks.put(`${keyPrefix}keyring/00000009`, { from: "slices", slices: [bytes] });
    await expect(open(blocks).load()).rejects.toThrow(/is not the one/);
  });
});

describe("a rotation that is cut off", () => {
  const cutOff = new Error("cut off");

  /** The store of a process that ends before its n-th request, or between that and its answer. */
  function until(blocks: BlockStore, n: number, answered: boolean): { readonly blocks: BlockStore; readonly asked: () => number } {
    let asked = 0;
    const check = (isAfter: boolean): void => {
      if (!isAfter) asked++;
      if (asked > n || (asked === n && (isAfter ? !answered : false))) throw cutOff;
    };
    return { blocks: faultyBlocks(blocks, { before: () => check(false), after: () => check(true) }), asked: () => asked };
  }

  test("at any request leaves a share whose next start finds every key, and nothing that the old master key opens once it is repeated", async () => {
    let rounds = 0;
    let stale = 0;
    for (const answered of [true, false]) {
      for (let n = 0; n < 20; n++, rounds++) {
        const blocks = openMemoryBlocks();
        const first = await open(blocks).current();
        const cut = until(blocks, n, answered);
        const failed = await open(cut.blocks, masterKeys("a"), false).rotate(masterKeys("b", "a")).then(() => false, () => true);
        const left = await rings(blocks);
        if (left.length > 1) stale++;
        const next = open(blocks, masterKeys("b", "a"), false);
        await next.load();
        await next.tidy();
        expect(await rings(blocks)).toEqual([left.at(-1) as string]);
        expect((await next.find(first.id))?.key.equals(first.key)).toBe(true);
        const used = await next.current();
        await next.rotate(masterKeys("b", "a"));
        const last = open(blocks, masterKeys("b"), false);
        expect((await last.find(first.id))?.key.equals(first.key)).toBe(true);
        expect((await last.find(used.id))?.key.equals(used.key)).toBe(true);
        expect(await rings(blocks)).toHaveLength(1);
        if (!failed) break;
      }
    }
    expect(rounds).toBeGreaterThan(6);
    expect(stale).toBeGreaterThan(1);
  });

  test("between ring and deletion says that the old master key still opens the one before", async () => {
    const blocks = openMemoryBlocks();
    await open(blocks).load();
    const faulty = faultyBlocks(blocks, { before: (operation) => (operation === "delete" ? Promise.reject(new Error("no right to delete")) : undefined) });
    const ring = open(faulty, masterKeys("a"), false);
    await expect(ring.rotate(masterKeys("b", "a"))).rejects.toThrow(/is rotated, but the one before it.*no right to delete/);
    expect(await rings(blocks)).toEqual(["keyring/00000001", "keyring/00000002"]);
    expect(await ring.load()).toMatchObject({ master: "b", keys: 2 });
  });

  test("no ring goes where the newest can't be opened", async () => {
    const blocks = openMemoryBlocks();
    await open(blocks).load();
    const ring = await blocks.get(`${keyPrefix}keyring/00000001`, 0, (await blocks.size(`${keyPrefix}keyring/00000001`)) ?? 0);
    await blocks.put(`${keyPrefix}keyring/00000002`, { from: "slices", slices: [ring] });
    await expect(open(blocks, masterKeys("a"), false).tidy()).rejects.toThrow(/is not the one/);
    expect(await rings(blocks)).toHaveLength(2);
  });
});

describe("master keys", () => {
  const of = (text: string) => parseMasterKeys(text, "/etc/keys");

  test("are lines or parts of one, the first in use", () => {
    const keys = of(`# ours\n\n${masterKeyLine("2027-spring")}\n ${masterKeyLine("old.1")} ; ${masterKeyLine("x")}\n`);
    expect([keys.current, [...keys.byId.keys()]]).toEqual(["2027-spring", ["2027-spring", "old.1", "x"]]);
  });

  test("that are none are refused by line, without a word of what they are", () => {
    const short = `a = ${Buffer.alloc(31, 7).toString("base64")}`;
    for (const [text, what] of [
      ["", "has no master key"],
      ["# nothing\n", "has no master key"],
      ["just text", "line 1: the id"],
      [`a b = ${masterKeyLine("a").slice(4)}`, "line 1: the id"],
      [`${masterKeyLine("a")}\n${masterKeyLine("a")}`, "line 2: the id a is there twice"],
      [short, "line 1: the key is not 32 bytes"],
      [`${masterKeyLine("a")}!`, "line 1: the key is not 32 bytes"],
    ] as const) {
      expect(() => of(text)).toThrow(what);
    }
    let message = "";
    try {
      of(short);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).not.toContain("BwcH");
  });

  test("without an id, or before it, are not repeated", () => {
    const key = Buffer.alloc(32, 7).toString("base64");
    for (const text of [key, `${key} = a`, `${masterKeyLine("a")}\n${key}`]) {
      let message = "";
      try {
        of(text);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain("A line is ID = KEY");
      expect(message).not.toContain(key.slice(0, 8));
    }
  });
});
