import { expect, test } from "bun:test";
import { publishedTo } from "#history/short-log.ts";
import type { HistoryMark } from "#model/history.ts";

const mark: HistoryMark = { epoch: 1, number: 3, turn: 0, sequence: 9, oldestNeeded: 5, fromEpoch: 1, fromNumber: 1, continues: true, tokens: [] };

test("numbers up to the mark are taken, and a log that lacks one that is needed is refused", () => {
  expect(publishedTo(null, 3)).toBe(0);
  expect(publishedTo(mark, 9)).toBe(9);
  expect(publishedTo(mark, Number.POSITIVE_INFINITY)).toBe(9);
  expect(() => publishedTo(mark, 8)).toThrow("ends with content change 8, and its history in the block store goes on to 9");
  // Stored, all of it; or of a history that is not gone on with.
  expect(publishedTo({ ...mark, oldestNeeded: 10 }, 3)).toBe(9);
  expect(publishedTo({ ...mark, continues: false }, 3)).toBe(9);
});
