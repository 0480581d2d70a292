/**
 * What the metadata stores cost: `bun test/bench/metadata.ts [sqlite|memory] [directory] [operations]`. Prints, for each
 * operation, its rate with 64 in flight and the CPU it took.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { openMemoryStore, openSqliteStore } from "#metadata/index.ts";
import type { Change, ChangeSet, Condition } from "#model/change-set.ts";
import { type Cookie, type FileId, type PackId, rootId } from "#model/ids.ts";
import { FileType, Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";

const kind = process.argv[2] ?? "sqlite";
const directory = mkdtempSync(join(process.argv[3] ?? "/tmp", "dittofs-bench-"));
const operations = Number(process.argv[4] ?? 200_000);
const inFlight = 64;

const store: MetadataStore =
  kind === "memory"
    ? openMemoryStore({ clock: systemClock, random: systemRandom })
    : openSqliteStore({ path: join(directory, "m.db"), clock: systemClock, random: systemRandom, logger: silentLogger, ...(process.env.NOSYNC ? { sync: (_: number, d: any) => setImmediate(() => d(null)) } : {}) });

function inode(id: number, type: FileType, parent: number): Inode {
  const now = systemClock.now();
  return new Inode({
    id: id as FileId,
    type,
    mode: 0o644,
    links: type === FileType.directory ? 2 : 1,
    uid: 1000,
    gid: 1000,
    size: 0,
    used: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    atime: now,
    mtime: now,
    ctime: now,
    birth: now,
    change: 0,
    attributeVersion: 0,
    contentSequence: 0,
    mtimeSequence: 0,
    parent,
    generation: 0,
    createVerifier: null,
    target: null,
  });
}

async function measure(what: string, count: number, run: () => Promise<unknown> | void): Promise<void> {
  let lagMax = 0;
  const lags: number[] = [];
  let last = performance.now();
  const ticks = setInterval(() => {
    const now = performance.now();
    const lag = now - last - 1;
    lags.push(lag);
    lagMax = Math.max(lagMax, lag);
    last = now;
  }, 1);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await run();
  const ms = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  clearInterval(ticks);
  lags.sort((a, b) => a - b);
  const p99 = lags[Math.floor(lags.length * 0.99)] ?? 0;
  console.log(
    `${what.padEnd(44)} ${Math.round((count / ms) * 1000).toLocaleString("en").padStart(11)}/s ${((user + system) / count).toFixed(2).padStart(7)} µs CPU` +
      `  lag p99 ${p99.toFixed(1)} max ${lagMax.toFixed(1)} ms`,
  );
}

/** Runs `count` sets, `inFlight` at a time, each lane taking the next when its last is durable. */
async function lanes(count: number, make: (i: number) => ChangeSet): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const result = await store.apply(make(next++));
      if (!result.applied) throw new Error(`refused: ${JSON.stringify(result.failed)}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

const now = systemClock.now();
const sets = (conditions: Condition[], changes: Change[]): ChangeSet => ({ conditions, changes });

async function makeDirectory(): Promise<FileId> {
  const id = store.draw() as FileId;
  await store.apply(
    sets([], [
      { do: "insertInode", inode: inode(id, FileType.directory, rootId) },
      { do: "insertDirent", parent: rootId, name: `d${id}`, child: id },
      { do: "touchDirectory", id: rootId, at: now, linksDelta: 1 },
    ]),
  );
  return id;
}

function create(parent: FileId, name: string, id: FileId): ChangeSet {
  return sets(
    [{ is: "live", id: parent }, { is: "direntAbsent", parent, name }],
    [
      { do: "insertInode", inode: inode(id, FileType.regular, 0) },
      { do: "insertDirent", parent, name, child: id },
      { do: "touchDirectory", id: parent, at: systemClock.now(), linksDelta: 0 },
    ],
  );
}

const scatter = (i: number): number => (i * 7919) % operations;

await store.apply(sets([], [{ do: "insertInode", inode: inode(rootId, FileType.directory, rootId) }]));
const big = await makeDirectory();
const small: FileId[] = [];
for (let i = 0; i <= operations / 1000; i++) small.push(await makeDirectory());
const dir = (i: number): FileId => small[Math.floor(i / 1000)] as FileId;

import fs from "node:fs";
async function seg(what: string, count: number, segs: number, make: (i: number) => ChangeSet) {
  const out: number[] = [];
  const per = Math.floor(count / segs);
  for (let s = 0; s < segs; s++) {
    const cpu = process.cpuUsage();
    await lanes(per, (i) => make(s * per + i));
    const { user, system } = process.cpuUsage(cpu);
    out.push((user + system) / per);
  }
  const sorted = [...out].sort((a, b) => a - b);
  console.log(what.padEnd(30), "min", sorted[0]!.toFixed(2), "median", sorted[segs >> 1]!.toFixed(2), "µs CPU");
}
const ids: FileId[] = [];
await seg("create", operations, 20, (i) => { const id = store.draw() as FileId; ids[i] = id; return create(dir(i), `file-${i}`, id); });
if (process.argv[5] === "all") {
  const pack = store.draw() as PackId;
  await store.apply(sets([], [{ do: "putPack", pack: { id: pack, key: "k", state: 2, size: 2 ** 30, live: 0, frames: new Uint8Array(64), since: now } }]));
  const some = operations / 2;
  await seg("store", some, 10, (i) => sets([{ is: "live", id: ids[i] as FileId }], [{ do: "storeContent", id: ids[i] as FileId, sequence: i + 1, size: 4096, mtime: now, ctime: now, cutTo: -1, extents: [{ offset: 0, length: 4096, pack, packOffset: i * 4096 }] }]));
  await seg("rename", some, 10, (i) => { const parent = dir(i); const child = ids[i] as FileId; const at = systemClock.now(); return sets([{ is: "live", id: parent }, { is: "direntRefersTo", parent, name: `file-${i}`, child }, { is: "direntAbsent", parent, name: `moved-${i}` }], [{ do: "deleteDirent", parent, name: `file-${i}` }, { do: "insertDirent", parent, name: `moved-${i}`, child }, { do: "addLinks", id: child, delta: 0, at }, { do: "touchDirectory", id: parent, at, linksDelta: 0 }]); });
  await seg("remove", some, 10, (i) => { const parent = dir(some + i); const child = ids[some + i] as FileId; const at = systemClock.now(); return sets([{ is: "live", id: parent }, { is: "direntRefersTo", parent, name: `file-${some + i}`, child }], [{ do: "deleteDirent", parent, name: `file-${some + i}` }, { do: "addLinks", id: child, delta: -1, at }, { do: "touchDirectory", id: parent, at, linksDelta: 0 }]); });
  await seg("free", some, 10, (i) => sets([], [{ do: "freeOrphan", id: ids[some + i] as FileId, extentsMax: 1000 }]));
}
await store.close();
