import { expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { recordHeaderBytes, recordsStart } from "#cache/log/format.ts";
import { fsck } from "#check/index.ts";
import type { FileId } from "#model/ids.ts";
import { rootId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import { bytesOf, Listener, make, makeRoot, type Opened, openCheckable } from "../../support/damaged-share.ts";
import { temporary } from "../../support/temporary.ts";
import { Client } from "./content-kit.ts";

/** Where nobody has the byte. */
const lostByte = -1;
/** Reads of a check are so long, so that what is lost takes no neighbour with it. */
const readBytes = 300;

/** What a client did to a file of the models, each by one record of the log, in order. */
interface Step {
  readonly file: number;
  /** What the file is after it, where `known` says whether the bytes it wrote can be read. */
  readonly after: (before: Int16Array, known: boolean) => Int16Array;
}

function sized(before: Int16Array, size: number): Int16Array {
  const grown = new Int16Array(size);
  grown.set(before.subarray(0, Math.min(size, before.length)));
  return grown;
}

function put(offset: number, bytes: Uint8Array): Step["after"] {
  return (before, known) => {
    const grown = sized(before, Math.max(before.length, offset + bytes.length));
    for (let i = 0; i < bytes.length; i++) grown[offset + i] = known ? (bytes[i] as number) : lostByte;
    return grown;
  };
}

interface Killed {
  readonly directory: string;
  readonly ids: readonly FileId[];
  readonly stored: Uint8Array;
  readonly steps: readonly Step[];
  readonly segment: string;
}

/** What a killed server leaves of two files: the first was stored once and changed since, the second is new. */
async function killed(): Promise<Killed> {
  const directory = temporary("damaged-log");
  const opened = await openCheckable(directory);
  await makeRoot(opened);
  const ids = [await make(opened, rootId, "first", FileType.regular), await make(opened, rootId, "second", FileType.regular)];
  const client = new Client(opened.store, opened.content);
  const [first, second] = ids as [FileId, FileId];
  const stored = bytesOf(1, 70_000);
  await client.write(first, 0, stored, 0);
  await opened.content.drain();
  await opened.close();
  const again = await openCheckable(directory);
  const { content, store } = again;
  const writer = new Client(store, content);
  const steps: Step[] = [];
  const write = async (file: number, offset: number, bytes: Uint8Array): Promise<void> => {
    await writer.write(ids[file] as FileId, offset, bytes, 0);
    steps.push({ file, after: put(offset, bytes) });
  };
  const change = async (file: number, by: (inode: Inode) => unknown, after: Step["after"]): Promise<void> => {
    expect(by(await writer.inode(ids[file] as FileId))).toBeInstanceOf(Inode);
    steps.push({ file, after });
  };
  await write(0, 100, bytesOf(2, 1000));
  await write(1, 0, bytesOf(3, 900));
  await content.durable(second);
  await write(1, 500, bytesOf(4, 300));
  await change(0, (inode) => content.truncate(inode, 66_000, systemClock.now()), (before) => sized(before, 66_000));
  const references = await content.references(await writer.inode(first), 20_000, 1500);
  if (!("runs" in references)) throw new Error("nothing to clone");
  await change(1, (inode) => content.clone(inode, 2000, references, systemClock.now()), put(2000, stored.slice(20_000, 20_000 + references.length)));
  references.release();
  await change(0, (inode) => content.punch(inode, 5000, 600, systemClock.now()), put(5000, new Uint8Array(600)));
  await content.durable(first);
  await content.durable(second);
  // From here on what came before is known to have been synced.
  await write(0, 65_500, bytesOf(5, 1200));
  await write(1, 4000, bytesOf(6, 8));
  await content.durable(second);
  const copy = temporary("damaged-log");
  cpSync(directory, copy, { recursive: true });
  await again.close();
  return { directory: copy, ids, stored, steps, segment: segments(copy).at(-1) as string };
}

function segments(directory: string): string[] {
  return readdirSync(join(directory, "log")).filter((name) => /^[0-9a-f]{16}\.log$/.test(name)).sort();
}

/** What the files are where the body of step `damaged` is lost; -1: of none. */
function models({ stored, steps }: Killed, damaged: number): Int16Array[] {
  const files: Int16Array[] = [Int16Array.from(stored), new Int16Array(0)];
  steps.forEach(({ file, after }, i) => (files[file] = after(files[file] as Int16Array, i !== damaged)));
  return files;
}

async function check({ store, content }: Opened, ids: readonly FileId[], files: readonly Int16Array[]): Promise<void> {
  const client = new Client(store, content);
  for (const [i, id] of ids.entries()) {
    const model = files[i] as Int16Array;
    expect((await client.inode(id)).size).toBe(model.length);
    for (let at = 0; at < model.length; at += readBytes) {
      const wanted = model.subarray(at, at + readBytes);
      const read = await client.read(id, at, wanted.length).catch((error: Error) => error.message);
      if (wanted.includes(lostByte)) expect(read).toBe("io");
      else expect(Buffer.compare(read as Uint8Array, Uint8Array.from(wanted))).toBe(0);
    }
  }
}

/** A copy of what was left with one bit flipped in its log. */
function damagedCopy({ directory, segment }: Killed, at: number, bit: number): string {
  const copy = temporary("damaged-log");
  cpSync(directory, copy, { recursive: true });
  const path = join(copy, "log", segment);
  const bytes = readFileSync(path);
  bytes[at]! ^= 1 << bit;
  writeFileSync(path, bytes);
  return copy;
}

test("a bit that flips in the log: every acknowledged change is there but what the damaged record wrote, which is an I/O error before and after it is stored, until it is written anew", async () => {
  const left = await killed();
  const bytes = readFileSync(join(left.directory, "log", left.segment));
  const starts = [recordsStart];
  for (let at = recordsStart; starts.length <= left.steps.length; ) starts.push((at += bytes.readUInt32LE(at + 4)));
  const until = starts[left.steps.length - 2] as number;
  let lost = 0;
  for (let at = recordsStart; at < until; at += 101) {
    const index = starts.findIndex((_, i) => (starts[i + 1] as number) > at);
    const damaged = at - (starts[index] as number) >= recordHeaderBytes && hasBody(index) ? index : -1;
    const files = models(left, damaged);
    const directory = damagedCopy(left, at, at % 8);
    const opened = await openCheckable(directory);
    await check(opened, left.ids, files);
    await opened.content.drain();
    await check(opened, left.ids, files);
    expect(opened.content.storeError).toContain("the disk damaged the share's log");
    await opened.close();
    if (damaged >= 0 && lost++ % 4 === 0) {
      await afterwards(directory, left, files, damaged);
      await writtenAtOnce(damagedCopy(left, at, at % 8), left, files, damaged);
    }
    rmSync(directory, { recursive: true });
  }
  expect(lost).toBeGreaterThan(10);
  rmSync(left.directory, { recursive: true });

  function hasBody(index: number): boolean {
    return [1, 4].includes(bytes[(starts[index] as number) + 56] as number);
  }
}, 120_000);

/** The next start, too, knows what is lost; a check names the file, and what is written there anew is read. */
async function afterwards(directory: string, { ids, steps }: Killed, files: Int16Array[], damaged: number): Promise<void> {
  const opened = await openCheckable(directory);
  await check(opened, ids, files);
  expect(readdirSync(join(directory, "log")).filter((name) => name.endsWith(".damaged")).length).toBe(1);
  expect(opened.content.storeError).toContain(".damaged");
  const { file } = steps[damaged] as Step;
  const id = ids[file] as FileId;
  const findings = async () => {
    const listener = new Listener();
    await fsck(opened.target, { data: false, repair: false }, listener);
    return listener.findings;
  };
  const found = await findings();
  expect(found.map(({ kind }) => kind)).toContain("damaged_log");
  const named = found.filter(({ kind }) => kind === "content_damaged");
  expect(named.length).toBeGreaterThan(0);
  for (const one of named) expect(one).toMatchObject({ file: id, path: ["/first", "/second"][file] });
  const fresh = bytesOf(9, (files[file] as Int16Array).length);
  const client = new Client(opened.store, opened.content);
  await client.write(id, 0, fresh, 0);
  const model = [...files];
  model[file] = Int16Array.from(fresh);
  await check(opened, ids, model);
  await opened.content.drain();
  await check(opened, ids, model);
  expect((await findings()).map(({ kind }) => kind)).not.toContain("content_damaged");
  await opened.close();
}

/** What is written over lost bytes is read at once, although below it they are on their way into the store. */
async function writtenAtOnce(directory: string, { ids, steps }: Killed, files: Int16Array[], damaged: number): Promise<void> {
  const opened = await openCheckable(directory);
  const { file } = steps[damaged] as Step;
  const model = (files[file] as Int16Array).slice();
  const client = new Client(opened.store, opened.content);
  for (let at = model.indexOf(lostByte); at >= 0; at = model.indexOf(lostByte, at)) {
    let end = at;
    while (model[end] === lostByte) model[end++] = 9;
    await client.write(ids[file] as FileId, at, new Uint8Array(end - at).fill(9), 0);
  }
  const read = await client.read(ids[file] as FileId, 0, model.length);
  expect(Buffer.compare(read, Uint8Array.from(model))).toBe(0);
  await opened.close();
  rmSync(directory, { recursive: true });
}
