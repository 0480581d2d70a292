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
import { FileType, type Inode, newObject } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";

const kind = process.argv[2] ?? "sqlite";
const directory = mkdtempSync(join(process.argv[3] ?? "/tmp", "dittofs-bench-"));
const operations = Number(process.argv[4] ?? 200_000);
const inFlight = 64;

const store: MetadataStore =
  kind === "memory"
    ? openMemoryStore({ clock: systemClock, random: systemRandom })
    : openSqliteStore({ path: join(directory, "m.db"), clock: systemClock, random: systemRandom, logger: silentLogger });

function inode(id: number, type: FileType, parent: number): Inode {
  const links = type === FileType.directory ? 2 : 1;
  return newObject(systemClock.now(), { id: id as FileId, type, mode: 0o644, links, uid: 1000, gid: 1000, parent });
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
const ids: FileId[] = [];

await measure("create, directories of 1,000, names in order", operations, () =>
  lanes(operations, (i) => {
    const id = store.draw() as FileId;
    ids[i] = id;
    return create(dir(i), `file-${i}`, id);
  }),
);
const scattered: FileId[] = [];
await measure("create, one directory, scattered names", operations / 4, () =>
  lanes(operations / 4, (i) => {
    const id = store.draw() as FileId;
    scattered[i] = id;
    return create(big, `file-${scatter(i)}`, id);
  }),
);
const some = operations / 4;
await measure("inode, scattered (mostly misses)", some, () => {
  for (let i = 0; i < some; i++) store.inode(ids[scatter(i)] as FileId);
});
await measure("inode, cached", some, () => {
  for (let i = 0; i < some; i++) store.inode(ids[i % 1000] as FileId);
});
await measure("dirent, scattered", some, () => {
  for (let i = 0; i < some; i++) store.dirent(dir(scatter(i)), `file-${scatter(i)}`);
});
await measure("directory, pages of 256, a row", some, () => {
  let cookie: Cookie | 0 = 0;
  for (;;) {
    const page = store.directory(big, cookie, 256) as readonly { cookie: Cookie }[];
    if (page.length === 0) break;
    cookie = (page.at(-1) as { cookie: Cookie }).cookie;
  }
});
const pack = store.draw() as PackId;
await store.apply(
  sets([], [{ do: "putPack", pack: { id: pack, key: "k", state: 2, size: 2 ** 30, live: 0, frames: new Uint8Array(64), since: now } }]),
);
await measure("storeContent, one extent, new files", some, () =>
  lanes(some, (i) =>
    sets(
      [{ is: "live", id: ids[i] as FileId }],
      [
        {
          do: "storeContent",
          id: ids[i] as FileId,
          sequence: i + 1,
          size: 4096,
          mtime: now,
          ctime: now,
          cutTo: -1,
          extents: [{ offset: 0, length: 4096, pack, packOffset: i * 4096 }],
        },
      ],
    ),
  ),
);
await measure("storeContent, overwriting it", some, () =>
  lanes(some, (i) =>
    sets(
      [{ is: "live", id: ids[i] as FileId }],
      [
        {
          do: "storeContent",
          id: ids[i] as FileId,
          sequence: some + i + 1,
          size: 4096,
          mtime: now,
          ctime: now,
          cutTo: -1,
          extents: [{ offset: 0, length: 4096, pack, packOffset: i * 4096 }],
        },
      ],
    ),
  ),
);
await measure("setAttributes (chmod), scattered", some, () =>
  lanes(some, (i) => sets([{ is: "live", id: ids[scatter(i)] as FileId }], [{ do: "setAttributes", id: ids[scatter(i)] as FileId, at: systemClock.now(), mode: 0o600 }])),
);
await measure("rename within its directory", some, () =>
  lanes(some, (i) => {
    const parent = dir(i);
    const child = ids[i] as FileId;
    const at = systemClock.now();
    return sets(
      [
        { is: "live", id: parent },
        { is: "direntRefersTo", parent, name: `file-${i}`, child },
        { is: "direntAbsent", parent, name: `moved-${i}` },
      ],
      [
        { do: "deleteDirent", parent, name: `file-${i}` },
        { do: "insertDirent", parent, name: `moved-${i}`, child },
        { do: "addLinks", id: child, delta: 0, at },
        { do: "touchDirectory", id: parent, at, linksDelta: 0 },
      ],
    );
  }),
);
await measure("remove", some, () =>
  lanes(some, (i) => {
    const parent = dir(some + i);
    const child = ids[some + i] as FileId;
    const at = systemClock.now();
    return sets(
      [{ is: "live", id: parent }, { is: "direntRefersTo", parent, name: `file-${some + i}`, child }],
      [
        { do: "deleteDirent", parent, name: `file-${some + i}` },
        { do: "addLinks", id: child, delta: -1, at },
        { do: "touchDirectory", id: parent, at, linksDelta: 0 },
      ],
    );
  }),
);
await measure("freeOrphan, without content", some, () =>
  lanes(some, (i) => sets([], [{ do: "freeOrphan", id: ids[some + i] as FileId, extentsMax: 1000 }])),
);

const million = 1_000_000;
const huge = store.draw() as FileId;
await store.apply(create(rootId, "huge", huge));
await measure("a file of a million extents, 1,000 a set", million, async () => {
  for (let i = 0; i < million; i += 1000) {
    const extents = Array.from({ length: 1000 }, (_, j) => ({ offset: (i + j) * 8192, length: 4096, pack, packOffset: (i + j) * 4096 }));
    await store.apply(sets([], [{ do: "storeContent", id: huge, sequence: i + 1, size: million * 8192, mtime: now, ctime: now, cutTo: -1, extents }]));
  }
});
await measure("truncating it to nothing, an extent", million, async () => {
  await store.apply(
    sets([], [{ do: "storeContent", id: huge, sequence: million + 1, size: 0, mtime: now, ctime: new Time(now.sec, 0), cutTo: 0, extents: [] }]),
  );
});
const rss = process.memoryUsage.rss();
await store.close();
console.log(`resident at the end: ${Math.round(rss / 2 ** 20)} MiB`);
rmSync(directory, { recursive: true, force: true });
