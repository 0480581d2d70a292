import { expect, test } from "bun:test";
import { apiConnectionsWithin, blockFilesWithin, connectionsWithin, openFilesMax, sharesWithin } from "#app/process/open-files.ts";

const limits = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             95  95  processes \nMax open files            ${soft}                20000                files     \n`;

test("the limit is read as the system words it", () => {
  expect(openFilesMax(limits("1024"))).toBe(1024);
  expect(openFilesMax(limits("unlimited"))).toBeNull();
  expect(openFilesMax(null)).not.toBe(0);
});

test("connections leave the stores their descriptors", () => {
  expect(connectionsWithin(16384, 1, null)).toBe(16384);
  expect(connectionsWithin(16384, 1, 1_000_000)).toBe(16384);
  expect(connectionsWithin(16384, 2, 4096)).toBe(4096 - 2 * (128 + 16) - 64 - 486);
  expect(connectionsWithin(16384, 2, 256)).toBe(1);
});

test("shares leave clients theirs", () => {
  expect(sharesWithin(null)).toBe(Number.POSITIVE_INFINITY);
  expect(sharesWithin(256)).toBe(1);
  expect(sharesWithin(20_000)).toBe(105);
  // What a shell and a service get where nobody set anything.
  expect(sharesWithin(1024)).toBe(5);
  expect(sharesWithin(524_288)).toBeGreaterThan(1000);
  for (const files of [1024, 4096, 20_000, 1_048_576]) expect(connectionsWithin(16384, sharesWithin(files), files)).toBeGreaterThanOrEqual(64);
});

test("the REST interface has a part of its own, which the others leave it", () => {
  expect(apiConnectionsWithin(null)).toBe(1024);
  expect(apiConnectionsWithin(20_000)).toBe(1024);
  expect(apiConnectionsWithin(4096)).toBe(486);
  expect(apiConnectionsWithin(512)).toBe(38);
  for (const files of [512, 1024, 4096, 20_000]) expect(connectionsWithin(16384, 1, files) + apiConnectionsWithin(files) + 144).toBeLessThan(files);
});

test("a share keeps fewer files of blocks open where few may be", () => {
  expect([256, 1024, 20_000, 102_400, 1_048_576].map(blockFilesWithin)).toEqual([16, 16, 50, 256, 256]);
  expect(blockFilesWithin(null)).toBe(256);
});
