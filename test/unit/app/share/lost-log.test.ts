import { expect, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { restoreLostLog, takeRestored } from "#app/share/lost-log.ts";
import { systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { faultyBlocks } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { openLog } from "#cache/log/index.ts";
import { ContentRecords } from "#history/content-records.ts";
import { encodeSegmentHead, segmentKey } from "#history/format.ts";
import { noPart } from "#history/ownership.ts";
import { crcOf } from "#history/segment.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HistoryMark } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { temporary } from "../../../support/temporary.ts";
import { until } from "../../../support/wait.ts";

/** What a share's history has of a log that is gone is put in its place whole, or not at all, wherever the start that does it is cut off. */

const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const hex = Buffer.from(instance).toString("hex");
const at = new Time(1_700_000_000, 0);
const segmentBytes = 32768;
const segments = 4;
const perSegment = 5;
const mark: HistoryMark = { epoch: 1, number: segments, turn: 0, sequence: segments * perSegment, oldestNeeded: 1, fromEpoch: 1, fromNumber: 1, continues: true, tokens: [] };

/** The segment with this number, which has so many writes. */
function segmentOf(number: number): readonly Uint8Array[] {
  const records = new ContentRecords();
  for (let i = 0; i < perSegment; i++) {
    const sequence = (number - 1) * perSegment + i + 1;
    records.wrote(42 as FileId, sequence, sequence * 4096, [new Uint8Array(4096).fill(sequence)], 4096, (sequence + 1) * 4096, at);
  }
  const content = records.take();
  const owner = { token: new Uint8Array(16), host: "host", share: "share", since: at };
  const head = encodeSegmentHead({
    kind: "changes", anew: false, instance: hex, place: { epoch: 1, number }, owner, firstTurn: 1, lastTurn: 0, lastSequence: content.last, oldestNeeded: 1, from: { epoch: 1, number: 1 }, confirms: 0,
    turns: noPart, content: { bytes: content.bytes, crc: crcOf(content.slices) },
  });
  return [head, ...content.slices];
}

async function published(): Promise<BlockStore> {
  const blocks = openMemoryBlocks();
  for (let number = 1; number <= segments; number++) await blocks.put(segmentKey(hex, { epoch: 1, number }), { from: "slices", slices: segmentOf(number) });
  return blocks;
}

function restored(directory: string, blocks: BlockStore, by: HistoryMark = mark): Promise<void> {
  return restoreLostLog({ share: "share", instance, directory, segmentBytes, blocks, mark: by }, { clock: systemClock, logger: silentLogger });
}

async function sequencesOf(directory: string): Promise<number[]> {
  const found: number[] = [];
  const options = { directory, instance, segmentBytes, stagingBytes: 8192, clock: systemClock, logger: silentLogger, fatal: () => {} };
  const { log } = await openLog(options, ({ sequence }) => void found.push(sequence));
  await log.close();
  return found;
}

const all = Array.from({ length: segments * perSegment }, (_, i) => i + 1);

function emptyLog(): { readonly content: string; readonly directory: string } {
  const content = temporary("lost-log");
  const directory = join(content, "log");
  mkdirSync(directory);
  return { content, directory };
}

test("a log that is gone is made of the history, beside what else lies in its directory", async () => {
  const { directory } = emptyLog();
  writeFileSync(join(directory, "0000000000000007.damaged"), "kept");
  await restored(directory, await published());
  expect(readdirSync(directory).sort()).toEqual(["0000000000000001.log", "0000000000000002.log", "0000000000000003.log", "0000000000000004.log", "0000000000000007.damaged"]);
  expect(await sequencesOf(directory)).toEqual(all);
});

for (const [which, number] of [["first", 1], ["last", segments], ["one between", 2]] as const) {
  test(`where the ${which} of the segments that were published is missing, no log is made without it, and the error says which`, async () => {
    const blocks = await published();
    const key = segmentKey(hex, { epoch: 1, number });
    await blocks.delete([key]);
    const { directory } = emptyLog();
    await expect(restored(directory, blocks)).rejects.toThrow(`object ${key} of the share's history is missing`);
    expect(readdirSync(directory).filter((name) => name.endsWith(".log"))).toEqual([]);
    await blocks.put(key, { from: "slices", slices: segmentOf(number) });
    await restored(directory, blocks);
    expect(await sequencesOf(directory)).toEqual(all);
  });
}

test("what was published behind the mark is restored, too, as far as it goes", async () => {
  const { directory } = emptyLog();
  await restored(directory, await published(), { ...mark, number: 2 });
  expect(await sequencesOf(directory)).toEqual(all);
});

test("a start that was killed while it did leaves nothing that the next one takes for the log", async () => {
  const blocks = await published();
  let gets = 0;
  let stuck = false;
  const dying = faultyBlocks(blocks, {
    before: (operation) => {
      if (operation !== "get" || ++gets < segments) return;
      stuck = true;
      return new Promise(() => {});
    },
  });
  const { content, directory } = emptyLog();
  void restored(directory, dying);
  await until("the kill", 5_000, () => (stuck ? true : null));
  // Long enough for what had come to be written down.
  await until("what came before", 5_000, () => (readdirSync(content, { recursive: true }).some((name) => String(name).endsWith("1.log")) ? true : null));
  const left = temporary("lost-log");
  cpSync(content, left, { recursive: true });
  await restored(join(left, "log"), blocks);
  expect(await sequencesOf(join(left, "log"))).toEqual(all);
});

test("a start that was killed when it was made, before all of it was in its place, leaves the rest to the next", async () => {
  const { directory } = emptyLog();
  await restored(directory, await published());
  mkdirSync(join(directory, "restored"));
  renameSync(join(directory, "0000000000000001.log"), join(directory, "restored", "0000000000000001.log"));
  takeRestored(directory);
  expect(readdirSync(directory)).not.toContain("restored");
  expect(await sequencesOf(directory)).toEqual(all);
});
