import { describe, expect, test } from "bun:test";
import { formatDuration, formatSize, parseDuration, parseSize } from "#config/units.ts";

describe("sizes", () => {
  test.each([
    ["512MB", 512_000_000],
    ["10Gi", 10 * 2 ** 30],
    ["1GiB", 2 ** 30],
    ["1048576", 1048576],
    ["1 kb", 1000],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["0", 0],
    ["3TiB", 3 * 2 ** 40],
    ["12b", 12],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "MB", "-1", "1.5", "1XB", "1e3", "0x10", "9999999PiB", "1 0MB", "1iB"])("%p is none", (text) => {
    expect(parseSize(text)).toBeNull();
  });

  test.each([0, 1, 1000, 1023, 1024, 1_000_000, 2 ** 20, 2 ** 40 + 1, 512_000_000, Number.MAX_SAFE_INTEGER])("%d is written so that it reads back", (bytes) => {
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  });
});

describe("durations", () => {
  test.each([
    ["30s", 30_000],
    ["5m", 300_000],
    ["200ms", 200],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["0", 0],
    ["2d", 172_800_000],
  ])("%s is %d ms", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(["", "30", "s", "-1s", "1w", "30 s", "1s 2"])("%p is none", (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test.each([0, 1, 999, 1000, 60_000, 90_000, 86_400_000])("%d is written so that it reads back", (ms) => {
    expect(parseDuration(formatDuration(ms))).toBe(ms);
  });
});
