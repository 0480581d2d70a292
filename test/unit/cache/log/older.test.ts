import { expect, test } from "bun:test";
import fs from "node:fs";
import { sequenceSkip } from "#cache/log/open.ts";
import { appendSome, open, restore, segmentNames, snapshot, temporaryDirectory, unsynced } from "./world.ts";

/** A log beside metadata and a history that know of more than it does: an older one that was put back, or one whose end the disk damaged. */

test("numbers go on above all that are known from elsewhere, and the records under them are found", async () => {
  const directory = temporaryDirectory();
  const { log } = await open(directory, { files: unsynced });
  const first = appendSome(log, 4);
  await log.close();
  const known = 10 ** 12;
  const again = await open(directory, { files: unsynced, goesOnAbove: () => known });
  expect(again.records).toEqual([first]);
  expect(again.log.sequence).toBe(known + sequenceSkip);
  const second = appendSome(again.log, 5);
  expect(second.sequence).toBe(known + sequenceSkip + 1);
  await again.log.close();
  const third = await open(directory, { files: unsynced, goesOnAbove: () => known });
  expect(third.records).toEqual([first, second]);
  // Nothing is skipped for what the log has passed by itself.
  expect(third.log.sequence).toBe(second.sequence + sequenceSkip);
  await third.log.close();
});

test("a log accounts for its last record, also once that is released, and for numbers that starts skipped", async () => {
  const directory = temporaryDirectory();
  let last = 0;
  for (let life = 0; life < 4; life++) {
    const { log, recovered } = await open(directory, { files: unsynced });
    if (life === 0) expect(recovered.reached).toBe(Number.POSITIVE_INFINITY);
    else expect(recovered.reached).toBeGreaterThanOrEqual(last);
    if (life === 2) {
      // Whose records these numbers are nobody knows: they are none of this log.
      expect(recovered.reached).toBe(last + sequenceSkip);
      await log.close();
      continue;
    }
    for (let seed = 4; seed < 40; seed++) last = appendSome(log, seed).sequence;
    log.release(last);
    await log.close();
    if (life === 1) {
      const { log: empty } = await open(directory, { files: unsynced });
      empty.release(last);
      await empty.close();
    }
  }
});

test("a log that ends before it did accounts for no more than it has, and is left as it is where that is refused", async () => {
  const directory = temporaryDirectory();
  const { log } = await open(directory, { files: unsynced });
  const records = [4, 5, 6].map((seed) => appendSome(log, seed));
  await log.written(log.sequence);
  const files = snapshot(directory);
  await log.close();
  const [name] = segmentNames(directory);
  const bytes = files.get(name as string) as Uint8Array;
  const end = bytes.findLastIndex((byte) => byte !== 0);
  bytes.fill(0, end - 40, end + 1);
  const damaged = restore(files);
  const told: number[] = [];
  const goesOnAbove = (reached: number): number => {
    told.push(reached);
    throw new Error("refused");
  };
  await expect(open(damaged, { files: unsynced, goesOnAbove })).rejects.toThrow("refused");
  expect(told).toEqual([records[1]!.sequence]);
  expect([...snapshot(damaged).keys()].sort()).toEqual([...files.keys()].sort());
  expect(fs.readFileSync(`${damaged}/${name}`).equals(bytes)).toBe(true);
});
