import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync, renameSync, writeSync } from "node:fs";
import { Database } from "bun:sqlite";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { type SqliteStoreOptions, openSqliteStore } from "#metadata/index.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { create, createChanges, makeRoot, newFile, set } from "../../contract/metadata/kit.ts";
import { type TemporaryDirectory, copyDatabase, copyFile, temporaryDirectory } from "./sqlite-files.ts";

type Done = (error: Error | null) => void;

/** A sync function whose calls wait until the test lets them go. */
class HeldSyncs {
  readonly calls: { fd: number; done: Done }[] = [];
  /** Which descriptors the syncs were for, in order. */
  readonly log: number[] = [];
  hold = false;
  private waiting: (() => void)[] = [];

  readonly sync = (fd: number, done: Done): void => {
    this.log.push(fd);
    if (!this.hold) {
      queueMicrotask(() => done(null));
      return;
    }
    this.calls.push({ fd, done });
    for (const wake of this.waiting.splice(0)) wake();
  };

  /** Resolves when a sync is asked for (or was already) and not let go. */
  async asked(): Promise<void> {
    if (this.calls.length === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  release(error: Error | null = null): void {
    this.calls.shift()?.done(error);
  }

  letAllGo(): void {
    this.hold = false;
    for (const { done } of this.calls.splice(0)) done(null);
  }
}

function turnEnds(times = 3): Promise<void> {
  return new Promise((resolve) => {
    const again = (left: number): void => (left === 0 ? resolve() : systemClock.atTurnEnd(() => again(left - 1)));
    again(times);
  });
}

describe("sqlite: durability", () => {
  let directory: TemporaryDirectory;
  let path: string;
  let syncs: HeldSyncs;
  const open: MetadataStore[] = [];

  function store(over: Partial<SqliteStoreOptions> = {}): MetadataStore {
    const opened = openSqliteStore({
      path,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      sync: syncs.sync,
      ...over,
    });
    open.push(opened);
    return opened;
  }

  /** Creates files until a checkpoint asks for the sync of the database, which is held; gives its descriptor. */
  async function untilDatabaseSync(s: MetadataStore, walFd: number): Promise<number> {
    syncs.hold = true;
    for (let made = 0; made < 1000; made++) {
      void create(s, `f${made}`);
      await syncs.asked();
      const fd = syncs.calls[0]?.fd;
      if (fd !== undefined && fd !== walFd) return fd;
      syncs.release();
      await turnEnds(1);
    }
    throw new Error("no checkpoint came");
  }

  beforeEach(() => {
    directory = temporaryDirectory();
    path = `${directory.path}/m.db`;
    syncs = new HeldSyncs();
  });
  afterEach(async () => {
    syncs.letAllGo();
    for (const one of open.splice(0)) await one.close();
    directory.remove();
  });

  test("an applied set resolves after the sync, a refused one at once; reads and the listener see it before", async () => {
    const s = store();
    await makeRoot(s);
    syncs.hold = true;
    const heard: unknown[] = [];
    s.onApplied((one) => heard.push(one));
    let resolved = false;
    const id = s.draw() as FileId;
    const applied = s.apply(set([], createChanges(rootId, "f", newFile(id)))).then(() => (resolved = true));
    const refused = await s.apply(set([{ is: "direntAbsent", parent: rootId, name: "f" }], []));
    expect(refused.applied).toBe(false);
    expect(heard).toHaveLength(1);
    expect(s.dirent(rootId, "f")).not.toBeNull();
    await turnEnds();
    expect(resolved).toBe(false);
    syncs.release();
    await applied;
    expect(resolved).toBe(true);
  });

  test("one sync at a time; the next covers everybody who committed meanwhile, and nobody who did later", async () => {
    const s = store();
    await makeRoot(s);
    syncs.hold = true;
    const resolved: string[] = [];
    const make = (name: string): void => void create(s, name).then(() => resolved.push(name));
    make("a");
    await syncs.asked();
    expect(syncs.calls).toHaveLength(1);
    make("b");
    await turnEnds();
    make("c");
    await turnEnds();
    expect(s.dirent(rootId, "c")).not.toBeNull();
    expect(syncs.calls).toHaveLength(1);
    syncs.release();
    await turnEnds();
    expect(resolved).toEqual(["a"]);
    expect(syncs.calls).toHaveLength(1);
    make("d");
    await turnEnds();
    syncs.release();
    await turnEnds();
    expect(resolved).toEqual(["a", "b", "c"]);
    syncs.release();
    await turnEnds();
    expect(resolved).toEqual(["a", "b", "c", "d"]);
  });

  test("a sync that fails is fatal: told once, never retried, nothing resolves or is accepted after it", async () => {
    const fatal: Error[] = [];
    const s = store({ fatal: (error) => fatal.push(error) });
    await makeRoot(s);
    syncs.hold = true;
    let settled = false;
    void create(s, "a").finally(() => (settled = true));
    await syncs.asked();
    void create(s, "b").finally(() => (settled = true));
    await turnEnds();
    const asked = syncs.log.length;
    const broken = new Error("EIO: i/o error, fdatasync");
    syncs.release(broken);
    await turnEnds();
    expect(fatal).toEqual([broken]);
    expect(settled).toBe(false);
    expect(syncs.log.length).toBe(asked);
    await expect(s.apply(set([], []))).rejects.toBe(broken);
  });

  test("a start goes on from what the disk has of the WAL, not from what a failed sync left in memory", async () => {
    const s = store({ fatal: () => {} });
    await makeRoot(s);
    await create(s, "synced");
    const onDisk = readFileSync(`${path}-wal`);
    syncs.hold = true;
    void create(s, "given up");
    await syncs.asked();
    syncs.release(new Error("EIO: i/o error, fdatasync"));
    const copy = `${directory.path}/copy.db`;
    copyDatabase(path, copy);
    path = copy;
    syncs = new HeldSyncs();
    const again = store({ drop: (fd) => void writeSync(fd, onDisk, 0, onDisk.length, 0) });
    expect(again.dirent(rootId, "synced")).not.toBeNull();
    expect(again.dirent(rootId, "given up")).toBeNull();
  });

  test("a sync on the event loop that fails is as fatal as any other, whoever asked for the numbers it was for", async () => {
    const broken = new Error("EIO: i/o error, fdatasync");
    const fatal: Error[] = [];
    let fails = false;
    const s = store({
      fatal: (error) => fatal.push(error),
      syncNow: () => {
        if (fails) throw broken;
      },
    });
    await makeRoot(s);
    fails = true;
    expect(() => {
      for (let i = 0; i < 3_000_000; i++) s.draw();
    }).toThrow(broken);
    expect(fatal).toEqual([broken]);
    await expect(s.apply(set([], []))).rejects.toBe(broken);
  });

  test("by default a failed sync ends the process", () => {
    const script = `
      import { openSqliteStore } from "#metadata/index.ts";
      import { systemClock } from "#base/clock.ts";
      import { systemRandom } from "#base/random.ts";
      import { silentLogger } from "#telemetry/logger.ts";
      const store = openSqliteStore({ path: ${JSON.stringify(path)}, clock: systemClock, random: systemRandom, logger: silentLogger,
        sync: (fd, done) => setImmediate(() => done(new Error("the disk is gone"))) });
      await store.apply({ conditions: [], changes: [{ do: "raiseTreeVersion" }] });
      console.log("resolved");
    `;
    const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script], { cwd: `${import.meta.dir}/../../..` });
    expect(stdout.toString()).toBe("");
    expect(stderr.toString()).toContain("the disk is gone");
    expect(exitCode).toBe(1);
    // Not closed in an orderly way: the WAL may be all there is.
    expect(readFileSync(`${path}-wal`).readUInt32BE(0)).toBe(0x377f0682);
  });

  test("a checkpoint syncs the WAL, then writes, then syncs the database; commits wait for it, reads don't", async () => {
    const s = store({ checkpointPages: 30 });
    await makeRoot(s);
    const walFd = syncs.log[0] as number;
    copyFile(path, `${directory.path}/before`);
    await untilDatabaseSync(s, walFd);
    expect(syncs.log.at(-2)).toBe(walFd);
    copyFile(path, `${directory.path}/after`);
    expect(readFileSync(`${directory.path}/after`).equals(readFileSync(`${directory.path}/before`))).toBe(false);
    const held = create(s, "held");
    await turnEnds();
    expect(s.dirent(rootId, "held")).toBeNull();
    expect(s.dirent(rootId, "f0")).not.toBeNull();
    syncs.letAllGo();
    await held;
    expect(s.dirent(rootId, "held")).not.toBeNull();
  });

  test("numbers that run out during a checkpoint wait for the database's sync before the WAL is written again", async () => {
    const now: number[] = [];
    const s = store({ checkpointPages: 30, syncNow: (fd) => void now.push(fd) });
    await makeRoot(s);
    const walFd = syncs.log[0] as number;
    const databaseFd = await untilDatabaseSync(s, walFd);
    expect(databaseFd).not.toBe(walFd);
    now.length = 0;
    for (let i = 0; i < 1_500_000; i++) s.draw();
    expect(now.slice(0, 2)).toEqual([databaseFd, walFd]);
  });

  test("the WAL stays bounded under constant writing", async () => {
    const s = store({ checkpointPages: 50 });
    await makeRoot(s);
    let longest = 0;
    for (let i = 0; i < 100; i++) {
      await Promise.all(Array.from({ length: 10 }, (_, j) => create(s, `f${i}-${j}`)));
      longest = Math.max(longest, Bun.file(`${path}-wal`).size);
    }
    expect(longest).toBeLessThan(200 * 2072);
  });

  test("a WAL that one huge set made long is cut back", async () => {
    const s = store({ checkpointPages: 30 });
    await makeRoot(s);
    const names = Array.from({ length: 20_000 }, (_, i) => `file ${i} ${"x".repeat(100)}`);
    const changes = names.flatMap((name) => createChanges(rootId, name, newFile(s.draw())));
    await s.apply(set([], changes));
    expect(Bun.file(`${path}-wal`).size).toBeGreaterThan(5 << 20);
    await create(s, "f");
    await create(s, "g");
    expect(Bun.file(`${path}-wal`).size).toBeLessThan(200 << 10);
    copyDatabase(path, `${directory.path}/copy.db`);
    path = `${directory.path}/copy.db`;
    expect(store().directory(rootId, 0, 100_000)).toHaveLength(20_002);
  });

  test("a process that exits while the database is not synced leaves the WAL", async () => {
    const script = `
      import { copyFileSync } from "node:fs";
      import { openSqliteStore } from "#metadata/index.ts";
      import { systemClock } from "#base/clock.ts";
      import { systemRandom } from "#base/random.ts";
      import { silentLogger } from "#telemetry/logger.ts";
      import { create, makeRoot } from "./test/contract/metadata/kit.ts";
      const path = ${JSON.stringify(path)};
      let synced = -1;
      let made = 0;
      const sync = (fd, done) => {
        if (synced === -1) synced = fd;
        if (fd === synced) return setImmediate(() => done(null));
        console.log(made);
        process.exit(0);
      };
      const store = openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, checkpointPages: 30, sync });
      await makeRoot(store);
      const before = path + ".before";
      Bun.spawnSync(["cp", path, before]);
      for (;; made++) await create(store, "f" + made);
    `;
    const { stdout } = Bun.spawnSync([process.execPath, "-e", script], { cwd: `${import.meta.dir}/../../..` });
    const made = Number(stdout.toString());
    expect(made).toBeGreaterThan(3);
    // The power cut that follows may take every page that the checkpoint wrote.
    copyFile(`${path}.before`, path);
    expect((await store().directory(rootId, 0, 1000)).length).toBeGreaterThanOrEqual(made);
  });

  test("close waits for the sync and leaves one file", async () => {
    const s = store({ checkpointPages: 30 });
    await makeRoot(s);
    for (let i = 0; i < 50; i++) void create(s, `f${i}`);
    await s.close();
    expect(readdirSync(directory.path)).toEqual(["m.db"]);
    const again = store();
    expect(again.directory(rootId, 0, 100)).toHaveLength(50);
  });

  test("numbers are set aside durably before they are given, however many are drawn", async () => {
    const s = store();
    await makeRoot(s);
    let last = 0;
    for (let i = 0; i < 2_500_000; i++) last = s.draw();
    const id = await create(s, "f");
    expect(id).toBe((last + 1) as FileId);
    const copy = `${directory.path}/copy.db`;
    copyDatabase(path, copy);
    path = copy;
    const after = store();
    expect(after.draw()).toBeGreaterThan((s.inode(rootId) as { change: number }).change);
  });

  test("a number is not given before its reservation is synced", async () => {
    let synced = 0;
    const syncNow = (): void => void (synced = reservedIn(path, `${directory.path}/image.db`));
    const s = store({ syncNow });
    await makeRoot(s);
    syncs.hold = true;
    void create(s, "a");
    await syncs.asked();
    // While a sync does not end, blocks are used up, with and without sets in between: only what was synced counts.
    for (let i = 0; i < 40; i++) {
      for (let j = 0; j < 50_000; j++) s.draw();
      expect(s.draw()).toBeLessThan(synced);
      void create(s, `b${i}`);
      await turnEnds(1);
    }
    expect(synced).toBeGreaterThan(2_000_000);
  });
});

/** What a copy of the database says is set aside. */
function reservedIn(path: string, copy: string): number {
  copyDatabase(path, copy);
  const db = new Database(copy);
  const row = db.query<{ value: number }, []>("SELECT value FROM meta WHERE key = 'sequence_reserved'").get();
  db.close();
  return row?.value ?? 0;
}

describe("sqlite: power cut", () => {
  /**
   * What a file holds when a sync begins is what a power cut leaves at least, once the sync ended; what was written later may be
   * there or not. Whatever mixture of old and new files is opened has every set that was resolved, and a sound database.
   */
  test("every mixture of synced and unsynced files opens with everything that was resolved", async () => {
    const directory = temporaryDirectory();
    const path = `${directory.path}/m.db`;
    const durable = { db: `${directory.path}/durable`, wal: `${directory.path}/durable-wal` };
    let walFd = -1;
    let databaseSyncs = 0;
    let syncs = 0;
    const sync = (fd: number, done: Done): void => {
      // The first is for a commit.
      if (walFd === -1) walFd = fd;
      const ofWal = fd === walFd;
      if (!ofWal) databaseSyncs++;
      const begun = `${directory.path}/begun-${++syncs}`;
      copyFile(ofWal ? `${path}-wal` : path, begun);
      // What the file held when the sync began counts as durable once it ended.
      void turnEnds(1 + (syncs % 3)).then(() => {
        renameSync(begun, ofWal ? durable.wal : durable.db);
        done(null);
      });
    };
    const s = openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, sync, checkpointPages: 60 });
    copyFile(path, durable.db);
    copyFile(`${path}-wal`, durable.wal);

    const resolved: string[] = [];
    let cuts = 0;
    const cut = async (db: string, wal: string): Promise<void> => {
      const copy = `${directory.path}/cut-${cuts++}.db`;
      copyFile(db, copy);
      copyFile(wal, `${copy}-wal`);
      const expected = [...resolved];
      const survivor = openSqliteStore({ path: copy, clock: systemClock, random: systemRandom, logger: silentLogger });
      for (const name of expected) {
        const dirent = await survivor.dirent(rootId, name);
        if (dirent === null || (await survivor.inode(dirent.child)) === null) throw new Error(`cut ${cuts}: ${name} is lost (${db}, ${wal})`);
      }
      await survivor.close();
      const check = new Database(copy, { readonly: true });
      expect(check.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
      check.close();
    };

    await makeRoot(s);
    let running = 0;
    for (let round = 0; round < 42; round++) {
      // Not awaited all at once: cuts fall between a commit, its sync, and a checkpoint's steps.
      for (let i = 0; i < 8; i++) {
        const name = `f${round}-${i}-${"x".repeat((i * 37) % 200)}`;
        running++;
        void create(s, name).then(() => {
          resolved.push(name);
          running--;
        });
      }
      await turnEnds(1 + (round % 4));
      if (round % 3 === 0) await cut(path, durable.wal);
      if (round % 3 === 1) await cut(durable.db, `${path}-wal`);
      if (round % 3 === 2) await cut(durable.db, durable.wal);
      if (round % 7 === 0) await cut(path, `${path}-wal`);
    }
    while (running > 0) await turnEnds(1);
    expect(resolved.length).toBe(336);
    expect(databaseSyncs).toBeGreaterThan(3);
    await cut(path, durable.wal);
    await cut(durable.db, durable.wal);
    await s.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    directory.remove();
  }, 60_000);
});
