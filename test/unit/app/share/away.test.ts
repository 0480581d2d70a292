import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkBlocksAreThere, checkDatabaseIsThere, checkLogIsThere } from "#app/share/away.ts";
import { temporary } from "../../../support/temporary.ts";

const fresh = () => temporary("away");

test("a share that was in use needs its log; one whose first start failed does not", () => {
  const content = fresh();
  expect(() => checkLogIsThere("/a", content, true)).toThrow(`share /a has been in use, but there is no write-ahead log in ${content}/log,`);
  checkLogIsThere("/a", content, false);
  mkdirSync(join(content, "log"));
  checkLogIsThere("/a", content, true);
});

test("a share with packs needs its block store", () => {
  const directory = fresh();
  expect(() => checkBlocksAreThere("/a", directory, true)).toThrow(`share /a has content, but there is no block store in ${directory}.`);
  checkBlocksAreThere("/a", directory, false);
  writeFileSync(join(directory, "format"), "");
  checkBlocksAreThere("/a", directory, true);
});

test("a share with a log needs the database it is the log of", () => {
  const content = fresh();
  const database = join(content, "elsewhere.db");
  checkDatabaseIsThere("/a", content, database);
  mkdirSync(join(content, "log"));
  checkDatabaseIsThere("/a", content, database);
  writeFileSync(join(content, "log", "0000000000000001.log"), "");
  expect(() => checkDatabaseIsThere("/a", content, database)).toThrow(`share /a has been in use, as its write-ahead log in ${content}/log shows, but there is no database ${database}.`);
  writeFileSync(database, "");
  checkDatabaseIsThere("/a", content, database);
});
