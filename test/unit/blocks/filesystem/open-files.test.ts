import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import fs from "node:fs";
import { join } from "node:path";
import { OpenFiles } from "#blocks/filesystem/open-files.ts";
import { temporary } from "../../../support/temporary.ts";

let directory: string;
beforeEach(() => {
  directory = temporary("open-files");
  for (const key of ["a", "b"]) fs.writeFileSync(join(directory, key), key);
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((turn) => setImmediate(turn));
};

test("all are closed once they are dropped, also one that was closing to make room", async () => {
  const { close } = fs;
  const held: (() => void)[] = [];
  const spy = spyOn(fs, "close").mockImplementation(((fd: number, done: fs.NoParamCallback) => void held.push(() => close(fd, done))) as typeof fs.close);
  try {
    const files = new OpenFiles(1, (key) => join(directory, key));
    files.release(await files.use("a"));
    files.release(await files.use("b"));
    expect(held).toHaveLength(1);
    let dropped = false;
    const dropping = files.dropAll().then(() => void (dropped = true));
    expect(held).toHaveLength(2);
    held[1]?.();
    await turns();
    expect(dropped).toBe(false);
    held[0]?.();
    await dropping;
  } finally {
    spy.mockRestore();
  }
});
