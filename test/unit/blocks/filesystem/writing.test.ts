import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { writeSlices } from "#blocks/filesystem/writing.ts";
import { pattern } from "../../../contract/blocks.ts";
import { temporary } from "../../../support/temporary.ts";

let directory = "";
let fd = -1;
beforeEach(() => {
  directory = temporary("writing");
  fd = fs.openSync(join(directory, "object"), "wx+");
});
afterEach(() => {
  fs.closeSync(fd);
  fs.rmSync(directory, { recursive: true, force: true });
});

async function written(slices: readonly Uint8Array[]): Promise<void> {
  await writeSlices(fd, slices);
  expect(fs.readFileSync(join(directory, "object")).equals(Buffer.concat(slices))).toBe(true);
}

const long = pattern(5 * 2 ** 20 + 123, 7);

test("one long slice, or none at all", async () => {
  await written([]);
  await written([long]);
});

test("slices of all lengths, empty ones among them, more than one call takes", async () => {
  const none = long.subarray(0, 0);
  const many = Array.from({ length: 3000 }, (_, i) => long.subarray(i * 100, i * 100 + (i % 7) * 50));
  await written([none, ...many, none, none, long, none]);
});

test("a kernel that takes a part of what it is given is given the rest", async () => {
  const whole = fs.writev;
  const short = spyOn(fs, "writev").mockImplementation(((file: number, slices: Uint8Array[], position: number, done: (error: Error | null, wrote: number) => void) => {
    const first = slices[0] as Uint8Array;
    whole(file, [first.subarray(0, Math.ceil(first.byteLength / 3))], position, done);
  }) as unknown as typeof fs.writev);
  try {
    await written([long.subarray(0, 1000), long.subarray(1000, 1001), long]);
  } finally {
    short.mockRestore();
  }
});

test("an error of the disk is thrown", async () => {
  const broken = spyOn(fs, "writev").mockImplementation(((_: number, __: Uint8Array[], ___: number, done: (error: Error | null) => void) => {
    done(Object.assign(new Error("EIO"), { code: "EIO" }));
  }) as unknown as typeof fs.writev);
  try {
    await expect(writeSlices(fd, [long])).rejects.toThrow("EIO");
  } finally {
    broken.mockRestore();
  }
});
