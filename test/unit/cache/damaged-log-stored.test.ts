import { expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordHeaderBytes, recordsStart } from "#cache/log/format.ts";
import { fsck } from "#check/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import { FileType } from "#model/inode.ts";
import { bytesOf, Listener, make, makeRoot, openCheckable } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";
import { Client } from "./content-kit.ts";

/** What a killed server leaves of a file that two records wrote to, `stored` of which the store has; a bit of the first one's body is flipped then. */
async function damaged(stored: number): Promise<{ readonly directory: string; readonly id: FileId; readonly wrote: readonly Uint8Array[] }> {
  const directory = temporary("damaged-stored");
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  const id = await make(opened, rootId, "file", FileType.regular);
  const client = new Client(opened.store, opened.content);
  const wrote = [bytesOf(1, 5000), bytesOf(2, 5000)];
  for (const [i, bytes] of wrote.entries()) {
    await client.write(id, i * 70_000, bytes, 0);
    await opened.content.durable(id);
    if (i + 1 === stored) await opened.content.drain();
  }
  const copy = temporary("damaged-stored");
  cpSync(directory, copy, { recursive: true });
  await opened.close();
  const name = readdirSync(join(copy, "log")).filter((each) => /^[0-9a-f]{16}\.log$/.test(each)).sort().at(-1) as string;
  const log = readFileSync(join(copy, "log", name));
  log[recordsStart + recordHeaderBytes + 100]! ^= 4;
  writeFileSync(join(copy, "log", name), log);
  return { directory: copy, id, wrote };
}

test("a damaged record of something stored: it is all there, and nobody is told that it were lost", async () => {
  for (const stored of [1, 2]) {
    const { directory, id, wrote } = await damaged(stored);
    const opened = await openCheckable(directory);
    const client = new Client(opened.store, opened.content);
    for (const [i, bytes] of wrote.entries()) expect(Buffer.compare(await client.read(id, i * 70_000, bytes.length), bytes)).toBe(0);
    expect(opened.content.storeError).toContain("the disk damaged the share's log");
    expect(opened.content.storeError).toContain("what 1 acknowledged writes wrote is not needed any more");
    expect(opened.content.storeError).not.toContain("I/O errors");
    await opened.close();
  }
});

test("a check that repairs, and collections, leave lost bytes lost and all others as they are", async () => {
  const { directory, id, wrote } = await damaged(0);
  const opened = await openCheckable(directory, { graceMs: 0 });
  const client = new Client(opened.store, opened.content);
  const check = async (): Promise<void> => {
    expect(await client.read(id, 0, 100).catch((error: Error) => error.message)).toBe("io");
    expect(await client.read(id, 4999, 1).catch((error: Error) => error.message)).toBe("io");
    expect(await client.read(id, 5000, 1000)).toEqual(Buffer.alloc(1000));
    expect(Buffer.compare(await client.read(id, 70_000, 5000), wrote[1] as Uint8Array)).toBe(0);
    expect((await client.inode(id)).size).toBe(75_000);
  };
  await check();
  await opened.content.drain();
  for (let round = 0; round < 2; round++) {
    const listener = new Listener();
    await fsck(opened.target, { data: true, repair: true }, listener);
    expect([...new Set(listener.findings.map(({ kind }) => kind))].sort()).toEqual(["content_damaged", "damaged_log", "object_missing"]);
    await check();
    await opened.upkeep.collect();
    await check();
  }
  await client.write(id, 100, bytesOf(3, 4000), 0);
  await opened.content.drain();
  await opened.upkeep.collect();
  expect(await client.read(id, 0, 100).catch((error: Error) => error.message)).toBe("io");
  expect(Buffer.compare(await client.read(id, 100, 4000), bytesOf(3, 4000))).toBe(0);
  await opened.close();
});
