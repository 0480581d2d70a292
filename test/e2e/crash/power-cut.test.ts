import { Database } from "bun:sqlite";
import { afterEach, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "../../support/server.ts";
import { PowerCutDisk, whyNoPowerCut } from "./power-cut.ts";

/** The disk that loses power: what was synced is there, the rest may be gone, and leaving syncs out is found. */

const why = whyNoPowerCut();
if (why !== null) console.log(`power-cut disk: skipped, ${why}`);

const cuts = 25;
let cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const one of cleanup) await one();
  cleanup = [];
});

async function newDisk(ignore?: string): Promise<PowerCutDisk> {
  const directory = temporaryDirectory("powercut");
  const disk = new PowerCutDisk(directory.path);
  cleanup.push(async () => {
    await disk.unmount();
    directory.remove();
  });
  await disk.mount(ignore);
  return disk;
}

async function cutAndMount(disk: PowerCutDisk, seed: number, ignore?: string): Promise<void> {
  await disk.cut(seed);
  await disk.mount(ignore);
}

function syncDirectory(path: string): void {
  const fd = fs.openSync(path, "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

function writeSynced(path: string, data: Uint8Array): void {
  const fd = fs.openSync(path, "w");
  fs.writeSync(fd, data);
  fs.fdatasyncSync(fd);
  fs.closeSync(fd);
}

// Skipped where FUSE can't be had; the reason is printed above.
describe.skipIf(why !== null)("power-cut disk", () => {
  test("synced bytes under synced names survive every cut, overwritten ones are old or new sector by sector", async () => {
    const disk = await newDisk();
    const path = join(disk.mountpoint, "f");
    const old = Buffer.alloc(40_000, 1);
    writeSynced(path, old);
    syncDirectory(disk.mountpoint);
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= cuts; seed++) {
      const fd = fs.openSync(path, "r+");
      fs.writeSync(fd, Buffer.alloc(20_000, 2), 0, 20_000, 10_000);
      fs.closeSync(fd);
      await cutAndMount(disk, seed);
      const found = fs.readFileSync(path);
      expect(found.length).toBe(old.length);
      expect(found.subarray(0, 10_000).every((byte) => byte === 1)).toBe(true);
      expect(found.subarray(30_000).every((byte) => byte === 1)).toBe(true);
      const news = found.filter((byte) => byte === 2).length;
      expect(found.filter((byte) => byte === 1).length + news).toBe(old.length);
      outcomes.add(news === 0 ? "old" : news === 20_000 ? "new" : "torn");
      writeSynced(path, old);
    }
    expect([...outcomes].sort()).toEqual(["new", "old", "torn"]);
  });

  test("an appended tail is kept, cut, or zeros; a truncate happens or not and mixes nothing", async () => {
    const disk = await newDisk();
    const path = join(disk.mountpoint, "f");
    const sizes = new Set<number>();
    for (let seed = 1; seed <= cuts; seed++) {
      writeSynced(path, Buffer.alloc(10_000, 1));
      syncDirectory(disk.mountpoint);
      fs.appendFileSync(path, Buffer.alloc(10_000, 2));
      await cutAndMount(disk, seed);
      const found = fs.readFileSync(path);
      expect(found.length).toBeGreaterThanOrEqual(10_000);
      expect(found.subarray(0, 10_000).every((byte) => byte === 1)).toBe(true);
      expect(found.subarray(10_000).every((byte) => byte === 2 || byte === 0)).toBe(true);
      sizes.add(found.length);
      writeSynced(path, Buffer.alloc(10_000, 1));
      fs.truncateSync(path, 0);
      fs.appendFileSync(path, Buffer.alloc(12_000, 3));
      await cutAndMount(disk, seed);
      const rewritten = fs.readFileSync(path);
      const whole = rewritten.length === 10_000 && rewritten.every((byte) => byte === 1);
      expect(whole || rewritten.every((byte) => byte === 3 || byte === 0)).toBe(true);
    }
    expect(sizes.size).toBeGreaterThan(3);
  });

  test("names are durable with their directory's sync, before that whole or not at all", async () => {
    const disk = await newDisk();
    const at = (name: string): string => join(disk.mountpoint, name);
    const seen = { created: new Set<boolean>(), renamed: new Set<boolean>(), removed: new Set<boolean>(), made: new Set<boolean>() };
    for (let seed = 1; seed <= cuts; seed++) {
      for (const name of ["source", "target", "victim"]) writeSynced(at(name), Buffer.from(name));
      fs.mkdirSync(at("durable"), { recursive: true });
      syncDirectory(disk.mountpoint);
      writeSynced(at("fresh"), Buffer.from("fresh"));
      fs.mkdirSync(at("newdir"));
      fs.writeFileSync(at("newdir/inner"), "x");
      fs.renameSync(at("source"), at("target"));
      fs.rmSync(at("victim"));
      await cutAndMount(disk, seed);
      expect(fs.existsSync(at("durable"))).toBe(true);
      const target = fs.readFileSync(at("target"), "utf8");
      expect(fs.existsSync(at("source")) ? "target" : "source").toBe(target);
      seen.renamed.add(target === "source");
      seen.created.add(fs.existsSync(at("fresh")));
      seen.removed.add(!fs.existsSync(at("victim")));
      seen.made.add(fs.existsSync(at("newdir")));
      for (const name of ["fresh", "newdir"]) fs.rmSync(at(name), { recursive: true, force: true });
    }
    for (const both of Object.values(seen)) expect(both.size).toBe(2);
  });

  /** Commits rows with synchronous=FULL, cuts the power, counts what is left; true when a committed row is gone. */
  async function losesRows(ignore: string | undefined): Promise<boolean> {
    const disk = await newDisk(ignore);
    const path = join(disk.mountpoint, "db");
    let rows = 0;
    for (let seed = 1; seed <= 10; seed++) {
      try {
        const db = new Database(path, { create: true });
        db.run("PRAGMA journal_mode = WAL");
        db.run("PRAGMA synchronous = FULL");
        db.run("PRAGMA wal_autocheckpoint = 20");
        db.run("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, filler BLOB)");
        const found = (db.query("SELECT count(*) AS n FROM t").get() as { n: number }).n;
        const intact = (db.query("PRAGMA integrity_check").get() as { integrity_check: string }).integrity_check === "ok";
        if (found !== rows || !intact) {
          db.close();
          return true;
        }
        syncDirectory(disk.mountpoint);
        const insert = db.prepare("INSERT INTO t VALUES (?, zeroblob(700))");
        for (let i = 0; i < 30; i++) insert.run(++rows);
        insert.finalize();
        db.close(true);
      } catch {
        return true;
      }
      await cutAndMount(disk, seed, ignore);
    }
    return false;
  }

  test("SQLite loses nothing it committed", async () => {
    expect(await losesRows(undefined)).toBe(false);
  });

  test("SQLite on a disk that ignores syncs loses rows, and that is noticed", async () => {
    expect(await losesRows("file")).toBe(true);
  });
});
