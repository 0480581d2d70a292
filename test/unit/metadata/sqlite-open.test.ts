import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { Database } from "bun:sqlite";
import { systemClock } from "#base/clock.ts";
import { systemRandom } from "#base/random.ts";
import { MetadataStoreError, openSqliteStore } from "#metadata/index.ts";
import { rootId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { create, makeRoot } from "../../contract/metadata/kit.ts";
import { type TemporaryDirectory, temporaryDirectory } from "./sqlite-files.ts";

/** What is opened, made and refused. */
describe("sqlite: opening", () => {
  let directory: TemporaryDirectory;
  let path: string;
  beforeEach(() => {
    directory = temporaryDirectory();
    path = `${directory.path}/m.db`;
  });
  afterEach(() => directory.remove());

  function store(writer = "DittoFS 9.9.9"): MetadataStore {
    return openSqliteStore({ path, clock: systemClock, random: systemRandom, logger: silentLogger, writer });
  }

  function refusal(): Error {
    try {
      void store().close();
    } catch (error) {
      return error as Error;
    }
    throw new Error("it was opened");
  }

  function edit(sql: string): void {
    const db = new Database(path, { create: true, readwrite: true });
    db.run(sql);
    db.close();
  }

  test("an empty file is a new store", async () => {
    writeFileSync(path, "");
    const s = store();
    await makeRoot(s);
    await s.close();
  });

  test("a newer format is refused: both versions, what wrote it, what to do; and it is left as it was", async () => {
    const s = store();
    await makeRoot(s);
    await s.close();
    edit("PRAGMA user_version = 7");
    const before = readFileSync(path);
    const error = refusal();
    expect(error).toBeInstanceOf(MetadataStoreError);
    expect(error.message).toContain(path);
    expect(error.message).toContain("format 7, written by DittoFS 9.9.9");
    expect(error.message).toContain("reads formats up to 3");
    expect(error.message).toContain("Start the newer program");
    expect(readFileSync(path).equals(before)).toBe(true);
    edit("DROP TABLE meta");
    expect(refusal().message).toContain("written by a newer program");
  });

  test("an SQLite database of another program is refused and left as it was", () => {
    edit("CREATE TABLE theirs (a)");
    const before = readFileSync(path);
    const error = refusal();
    expect(error).toBeInstanceOf(MetadataStoreError);
    expect(error.message).toContain("not one of DittoFS");
    expect(readFileSync(path).equals(before)).toBe(true);
    edit("PRAGMA application_id = 5");
    expect(refusal().message).toContain("application id 5");
  });

  test("a file that is no database is refused and left as it was", () => {
    writeFileSync(path, "Dear diary, ".repeat(1000));
    const error = refusal();
    expect(error).toBeInstanceOf(MetadataStoreError);
    expect(error.message).toContain("not a DittoFS metadata database");
    expect(readFileSync(path, "utf8").startsWith("Dear diary")).toBe(true);
  });

  test("a directory that is missing, and a path that is a directory, are refused", () => {
    path = `${directory.path}/nowhere/m.db`;
    expect(refusal().message).toContain("its directory must exist");
    path = `${directory.path}/m.db`;
    mkdirSync(path);
    expect(refusal()).toBeInstanceOf(MetadataStoreError);
  });

  test("a second server is refused, in this process and in another, and does the first no harm", async () => {
    const s = store();
    await makeRoot(s);
    for (let i = 0; i < 2; i++) {
      const error = refusal();
      expect(error).toBeInstanceOf(MetadataStoreError);
      expect(error.message).toContain("in use");
      await create(s, `f${i}`);
    }
    const script = `
      import { openSqliteStore } from "#metadata/index.ts";
      import { systemClock } from "#base/clock.ts";
      import { systemRandom } from "#base/random.ts";
      import { silentLogger } from "#telemetry/logger.ts";
      try {
        openSqliteStore({ path: ${JSON.stringify(path)}, clock: systemClock, random: systemRandom, logger: silentLogger });
        console.log("opened");
      } catch (error) { console.log(error.name + ": " + error.message); }
    `;
    for (let i = 2; i < 4; i++) {
      const { stdout } = Bun.spawnSync([process.execPath, "-e", script], { cwd: `${import.meta.dir}/../../..` });
      expect(stdout.toString()).toContain("MetadataStoreError: ");
      expect(stdout.toString()).toContain("in use");
      await create(s, `f${i}`);
    }
    await s.close();
    const again = store();
    expect(again.directory(rootId, 0, 10)).toHaveLength(4);
    await again.close();
  });

  test("a server that was killed left no lock behind", async () => {
    const script = `
      import { openSqliteStore } from "#metadata/index.ts";
      import { systemClock } from "#base/clock.ts";
      import { systemRandom } from "#base/random.ts";
      import { silentLogger } from "#telemetry/logger.ts";
      import { create, makeRoot } from "./test/contract/metadata/kit.ts";
      const store = openSqliteStore({ path: ${JSON.stringify(path)}, clock: systemClock, random: systemRandom, logger: silentLogger });
      await makeRoot(store);
      for (let i = 0; ; i++) { await create(store, "f" + i); console.log("f" + i); }
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { cwd: `${import.meta.dir}/../../..`, stdout: "pipe" });
    let said = "";
    for await (const chunk of child.stdout) {
      said += Buffer.from(chunk).toString();
      if (said.length > 2000) break;
    }
    child.kill("SIGKILL");
    await child.exited;
    const s = store();
    const acknowledged = said.split("\n").slice(0, -1);
    expect(acknowledged.length).toBeGreaterThan(300);
    for (const name of acknowledged) expect(await s.dirent(rootId, name)).not.toBeNull();
    await s.close();
  });


  test("nobody else may read the files: the key of the handles is in them", async () => {
    const s = store();
    await makeRoot(s);
    for (const name of readdirSync(directory.path)) expect([name, statSync(`${directory.path}/${name}`).mode & 0o777]).toEqual([name, 0o600]);
    await s.close();
  });

  test("the database says what it is", async () => {
    await store().close();
    const header = readFileSync(path);
    expect(header.subarray(68, 72).toString("latin1")).toBe("DtFS");
    expect(header.readUInt32BE(60)).toBe(3);
    expect(header.readUInt16BE(16)).toBe(2048);
  });
});
