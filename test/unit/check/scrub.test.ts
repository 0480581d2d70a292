import { expect, test } from "bun:test";
import { join } from "node:path";
import { scrub, type ScrubMark, type ScrubMemory, unpaced, Rate } from "#check/index.ts";
import type { Clock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { FileType } from "#model/inode.ts";
import { rootId } from "#model/ids.ts";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Keyring, openFramedBlocks } from "#blocks/index.ts";
import type { BlockStore } from "#model/block-store.ts";
import { fsck } from "#check/index.ts";
import { masterKeys } from "../../support/master-keys.ts";
import { bytesOf, flip, Listener, make, makeRoot, openCheckable, type Opened, write } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";

class Memory implements ScrubMemory {
  mark: ScrubMark | null = null;
  load(): ScrubMark | null {
    return this.mark;
  }
  note(): void {}
  save(mark: ScrubMark): void {
    this.mark = mark;
  }
}

const files = 6;

async function filled(directory: string, wrap: (blocks: BlockStore) => BlockStore = (blocks) => blocks): Promise<Opened> {
  const opened = await openCheckable(directory, { wrap });
  await makeRoot(opened);
  for (let i = 0; i < files; i++) await write(opened, await make(opened, rootId, `f${i}`, FileType.regular), bytesOf(i, 100_000));
  return opened;
}

test("scrubbing reads everything once, names what is damaged, and goes on where it was left", async () => {
  const directory = temporary("scrub");
  const opened = await filled(directory);
  const packs = await opened.store.packs(0, 100);
  flip(join(directory, "blocks", "objects", `${packs[4]?.key}+`), 10);
  const memory = new Memory();
  const first = new Listener();
  let read = 0;
  // Ended after half of the packs.
  const pace = { take: async (bytes: number) => void ((read += bytes) >= 250_000 && (first.cancelled = true)) };
  await expect(scrub(opened.target, memory, pace, first)).rejects.toThrow("cancelled");
  expect(first.findings).toEqual([]);
  expect(memory.mark?.after).toBe(packs[1]?.id as number);
  const second = new Listener();
  const done = await scrub(opened.target, memory, unpaced, second);
  expect(done).toMatchObject({ bytes: files * 100_000, damaged: 2 });
  expect(second.findings.map(({ kind, path, from, to }) => [kind, path, from, to])).toEqual([
    ["object_damaged", null, 0, 65536],
    ["content_damaged", "/f4", 0, 65536],
  ]);
  expect(memory.mark).toMatchObject({ after: 0, beganAt: 0, lastDamaged: 2 });
  await opened.close();
});

function framed(encrypt: boolean): (blocks: BlockStore) => BlockStore {
  return (blocks) => {
    const keyPrefix = "share/";
    const keyring = new Keyring({ blocks, keyPrefix, masters: masterKeys("first"), mayBegin: true, random: systemRandom });
    return openFramedBlocks({ blocks, keyPrefix, compress: !encrypt, encrypt, keyring, acceptPlain: false, clock: systemClock, random: systemRandom });
  };
}

for (const encrypt of [true, false]) {
  test(`what is damaged in an object that is ${encrypt ? "encrypted" : "compressed"} is named as in any other, and keeps nothing else from being looked at`, async () => {
    const directory = temporary("scrub-framed");
    const opened = await filled(directory, framed(encrypt));
    await write(opened, await make(opened, rootId, "text", FileType.regular), Buffer.from(Array.from({ length: 9000 }, (_, i) => `line ${(i * 7919) % 1000}\n`).join("")));
    const packs = await opened.store.packs(0, 100);
    const object = (i: number): string => join(directory, "blocks", "objects", `${packs[i]?.key}.framed+`);
    // A frame of one, the head of another, and what a third was compressed to, where that paid.
    flip(object(1), 2048 + 70_000);
    flip(object(3), 30);
    flip(object(files), 2048 + 1000);
    await opened.close();
    const again = await openCheckable(directory, { wrap: framed(encrypt) });
    const named = new Set(["/f1", "/f3", "/text"]);
    const scrubbed = new Listener();
    expect(await scrub(again.target, new Memory(), unpaced, scrubbed)).toMatchObject({ damaged: expect.any(Number) });
    expect(new Set(scrubbed.findings.flatMap(({ path }) => path ?? []))).toEqual(named);
    for (const repair of [false, true]) {
      const checked = new Listener();
      await fsck(again.target, { data: true, repair }, checked);
      expect(new Set(checked.findings.flatMap(({ path }) => path ?? []))).toEqual(named);
    }
    await again.close();
  });
}

test("a rate lets through no more than so many bytes a second", async () => {
  let nowMs = 0;
  const clock: Clock = {
    now: () => new Time(0, 0),
    monotonicMs: () => nowMs,
    after: (delayMs, run) => {
      nowMs += delayMs;
      queueMicrotask(run);
      return { cancel() {} };
    },
    atTurnEnd: (run) => queueMicrotask(run),
  };
  const rate = new Rate(1000, clock, new Listener());
  for (let i = 0; i < 11; i++) await rate.take(500);
  expect(nowMs).toBe(5000);
});
