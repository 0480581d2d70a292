import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { claimBlocks } from "#app/stores/claim.ts";
import { temporary } from "../../../support/temporary.ts";

const mine = { instance: "0011223344556677", ephemeral: false };
const other = { instance: "ffeeddccbbaa9988", ephemeral: false };

/** A block directory; with an object in it. */
function blocks(): string {
  const directory = temporary("claim");
  mkdirSync(join(directory, "objects", "aa"), { recursive: true });
  return directory;
}
const object = (directory: string) => join(directory, "objects", "aa", "1+");

describe("a block directory", () => {
  test("belongs to the share that took it first, over restarts", () => {
    const directory = blocks();
    claimBlocks(directory, mine).release();
    writeFileSync(object(directory), "content");
    claimBlocks(directory, mine).release();
    expect(() => claimBlocks(directory, other)).toThrow(`${directory} holds the content of another share (instance 0011223344556677). Nothing was changed.`);
    expect(readFileSync(object(directory), "utf8")).toBe("content");
    claimBlocks(directory, mine).release();
  });

  test("is not written again by who has it already: a power cut then would leave content without an owner", () => {
    const directory = blocks();
    const written = () => statSync(join(directory, "OWNER"), { bigint: true }).mtimeNs;
    claimBlocks(directory, mine).release();
    const first = written();
    claimBlocks(directory, mine).release();
    expect(written()).toBe(first);
  });

  test("is in the hands of one at a time", () => {
    const directory = blocks();
    const held = claimBlocks(directory, mine);
    expect(() => claimBlocks(directory, mine)).toThrow("is in use by another server or another share");
    held.release();
    claimBlocks(directory, mine).release();
  });

  test("with content nobody says the owner of is refused, an empty one taken", () => {
    const directory = blocks();
    claimBlocks(directory, other).release();
    claimBlocks(directory, mine).release();
    writeFileSync(object(directory), "content");
    writeFileSync(join(directory, "OWNER"), "dittofs sha");
    expect(() => claimBlocks(directory, mine)).toThrow("holds content of a share nobody knows");
  });

  test("of an ephemeral share is emptied for the next one", () => {
    const directory = blocks();
    claimBlocks(directory, { ...other, ephemeral: true }).release();
    const old = join(directory, "objects", other.instance, "aa/1+");
    mkdirSync(dirname(old), { recursive: true });
    for (const path of [old, object(directory)]) writeFileSync(path, "content");
    claimBlocks(directory, { ...mine, ephemeral: true }).release();
    expect([existsSync(old), existsSync(object(directory))]).toEqual([false, true]);
  });

  test("of a share that lasts is refused to an ephemeral one", () => {
    const directory = blocks();
    claimBlocks(directory, mine).release();
    writeFileSync(object(directory), "content");
    expect(() => claimBlocks(directory, { ...other, ephemeral: true })).toThrow("the content of another share");
    expect(existsSync(object(directory))).toBe(true);
  });
});
