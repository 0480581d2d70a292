import { afterEach, beforeEach, expect, test } from "bun:test";
import { linkSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { type FileOps, systemFiles } from "#cache/log/index.ts";
import { createPack, type PackOptions, PackSpares, payloadCrc, reopenPack } from "#cache/packs/index.ts";
import type { PackId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { pattern } from "../../../contract/blocks.ts";
import { temporary } from "../../../support/temporary.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const packBytes = 16 * 2 ** 20;
const bytes = pattern(packBytes, 1);
let directory = "";
let clock: ManualClock;
beforeEach(() => {
  directory = temporary("spares");
  clock = new ManualClock();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Packs on a disk with so much room. */
function packs(freeBytes: number) {
  const files: FileOps = { ...systemFiles, freeBytesSync: () => freeBytes };
  const spares = new PackSpares(directory, files, clock, silentLogger);
  const options: PackOptions = {
    clock,
    files,
    spares,
    fatal(error) {
      throw error;
    },
  };
  return { spares, options, create: (id: number) => createPack(directory, id as PackId, instance, options) };
}

const names = (): string[] => readdirSync(directory).sort();
async function gone(count: number): Promise<void> {
  while (readdirSync(directory).length > count) await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
}

test("a pack in the file of one that was given up has its own bytes only, sealed and found again", async () => {
  const { create } = packs(64 * packBytes);
  const first = create(1);
  first.append([bytes], packBytes);
  const { ino } = statSync(first.path);
  await first.abandon();
  expect(names()).toEqual(["spare-0.pack"]);

  const second = create(2);
  expect([names().length, statSync(second.path).ino]).toEqual([1, ino]);
  const payload = pattern(100_000, 2);
  expect(second.append([payload], payload.length)).toBe(0);
  const sealed = await second.seal();
  expect([sealed.size, statSync(second.path).size]).toEqual([payload.length, sealed.objectBytes]);
  await second.close();
  const again = await reopenPack(directory, 2 as PackId, instance, packs(0).options);
  expect(again?.size).toBe(payload.length);
  await again?.abandon();
});

test("what a crash leaves of such a pack is found by the checksums of its payloads, not by the length of its file", async () => {
  const { create } = packs(64 * packBytes);
  const first = create(1);
  first.append([bytes], packBytes);
  await first.abandon();
  const second = create(2);
  const payload = pattern(100_000, 2);
  second.append([payload], payload.length);

  const again = await reopenPack(directory, 2 as PackId, instance, packs(0).options);
  const target = new Uint8Array(payload.length);
  again?.readSync(0, target);
  expect(payloadCrc([target])).toBe(payloadCrc([payload]));
  again?.readSync(payload.length, target);
  expect(payloadCrc([target])).toBe(payloadCrc([bytes.subarray(payload.length, 2 * payload.length)]));
  await again?.abandon();
});

test("the file of a pack that has another name, as the disk cache's copy or a backup's, is not written over", async () => {
  const { create } = packs(64 * packBytes);
  const first = create(1);
  first.append([bytes], packBytes);
  const copy = `${directory}/copy`;
  linkSync(first.path, copy);
  await first.abandon();
  expect(names()).toEqual(["copy"]);
  const second = create(2);
  second.append([pattern(packBytes, 2)], packBytes);
  expect(Buffer.compare(readFileSync(copy), bytes)).toBe(0);
  await second.abandon();
});

test("a pack that is there is never replaced, as where an older state of the metadata has its id drawn again", async () => {
  const { create } = packs(64 * packBytes);
  const [first, second] = [create(1), create(2)];
  for (const pack of [first, second]) pack.append([bytes], packBytes);
  await first.abandon();
  expect(names()).toContain("spare-0.pack");
  expect(() => create(2)).toThrow("EEXIST");
  const { ino } = statSync(second.path);
  const sealed = await second.seal();
  expect([statSync(second.path).ino, statSync(second.path).size]).toEqual([ino, sealed.objectBytes]);
  await second.close();
});

test("a spare counts as long as its file is, however little the last pack in it had", async () => {
  const { create } = packs(3 * 64 * packBytes);
  const first = create(1);
  first.append([bytes], packBytes);
  await first.abandon();
  const all = [create(2), create(3), create(4)];
  all[0]!.append([bytes], packBytes / 16);
  for (const pack of all.slice(1)) pack.append([bytes], packBytes);
  for (const pack of all) await pack.abandon();
  expect(names()).toHaveLength(3);
  const more = Array.from({ length: 4 }, (_, i) => create(5 + i));
  for (const pack of more) pack.append([bytes], packBytes);
  for (const pack of more) await pack.abandon();
  expect(names()).toHaveLength(3);
});

test("only as many are kept as the disk has room for, and not for ever", async () => {
  const { create, spares } = packs(2 * 64 * packBytes);
  const all = [create(1), create(2), create(3)];
  for (const pack of all) pack.append([bytes], packBytes);
  for (const pack of all) await pack.abandon();
  expect(names()).toEqual(["spare-0.pack", "spare-1.pack"]);
  await clock.passInTurns(130_000);
  await gone(0);

  const last = create(4);
  last.append([bytes], packBytes);
  spares.close();
  await last.abandon();
  expect(names()).toEqual([]);
});
