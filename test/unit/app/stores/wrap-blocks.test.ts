import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemRandom } from "#base/random.ts";
import { faultyBlocks, openMemoryBlocks } from "#blocks/index.ts";
import type { StorePlan } from "#control/index.ts";
import { StoreFault, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { masterKeysOf } from "../../../../src/app/stores/key-file.ts";
import { wrapBlocks } from "../../../../src/app/stores/wrap-blocks.ts";
import { masterKeyLine } from "../../../support/master-keys.ts";
import { temporary } from "../../../support/temporary.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const directory = temporary("wrap-blocks");
const keyFile = join(directory, "keys");
writeFileSync(keyFile, masterKeyLine("a"), { mode: 0o600 });
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const plan = (config: StorePlan["config"]): StorePlan => ({ kind: "block", name: "b", type: "memory", config, secrets: {} });
const encrypted = plan({ encryption: "aes-256-gcm", encryption_key_file: keyFile });
const fresh = { keyPrefix: "0123456789abcdef/", filled: false, serves: true };
const around = (clock = new ManualClock()) => ({ clock, random: systemRandom, logger: silentLogger });
const bytes = new Uint8Array(1000).fill(5);

describe("a block store as a share uses it", () => {
  test("keeps its abilities where nothing is done to content, and adopts no files where something is", async () => {
    const has = async (config: StorePlan["config"]) => {
      const under = Object.assign(openMemoryBlocks(), { stagingDirectory: "/staging" });
      const { blocks } = await wrapBlocks(plan(config), under, fresh, around());
      return ["getNow" in blocks, "stagingDirectory" in blocks];
    };
    expect(await has({})).toEqual([true, true]);
    expect(await has({ limit_upload: 2 ** 20 })).toEqual([true, true]);
    expect(await has({ compression: "off" })).toEqual([true, true]);
    expect(await has({ compression: "zstd" })).toEqual([true, false]);
    expect(await has(encrypted.config)).toEqual([true, false]);
  });

  test("is closed where its keys don't open it", async () => {
    const under = openMemoryBlocks();
    let closed = false;
    under.close = async () => void (closed = true);
    await expect(wrapBlocks(encrypted, under, { ...fresh, filled: true }, around())).rejects.toThrow("is not in the block store");
    expect(closed).toBe(true);
  });

  test.each([new StoreUnavailableError("away"), new StoreRefusedError(StoreFault.permission, "no longer allowed")])("opens while it is %s, refuses content meanwhile, and goes on when it is back", async (trouble) => {
    let away = true;
    const under = faultyBlocks(openMemoryBlocks(), {
      before() {
        if (away) throw trouble;
      },
    });
    const { blocks } = await wrapBlocks(encrypted, under, fresh, around());
    const put = () => blocks.put("0123456789abcdef/k", { from: "slices", slices: [bytes] });
    await expect(put()).rejects.toBe(trouble);
    away = false;
    await put();
    expect(await blocks.get("0123456789abcdef/k", 0, 1000)).toEqual(bytes);
  });

  test("that gives no answer holds up no start", async () => {
    const clock = new ManualClock();
    const under = faultyBlocks(openMemoryBlocks(), { before: () => new Promise(() => {}) });
    const opening = wrapBlocks(encrypted, under, fresh, around(clock));
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    clock.pass(5_000);
    expect((await opening).keyring).not.toBeNull();
  });
});

describe("a file of master keys", () => {
  const read = (path: string) => masterKeysOf(plan({ encryption: "aes-256-gcm", encryption_key_file: path }));

  test("that others can read, that is none or is not there is refused with what to do", () => {
    expect(read(keyFile)?.current).toBe("a");
    for (const mode of [0o640, 0o604, 0o620, 0o601]) {
      chmodSync(keyFile, mode);
      expect(() => read(keyFile)).toThrow(`chmod 600 '${keyFile}'`);
    }
    chmodSync(keyFile, 0o400);
    expect(read(keyFile)?.current).toBe("a");
    expect(() => read(directory)).toThrow("is no file");
    expect(() => read(join(directory, "none"))).toThrow("is not there");
    expect(() => masterKeysOf(plan({ encryption_key_env: "DITTOFS_NO_SUCH_KEYS" }))).toThrow("no variable DITTOFS_NO_SUCH_KEYS");
    expect(masterKeysOf(plan({}))).toBeNull();
  });
});
