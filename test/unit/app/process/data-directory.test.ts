import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkLayout, DataDirectoryError, makeDataDirectory, safeName } from "#app/process/data-directory.ts";
import { makeDirectory, replaceFile } from "#app/process/durable-files.ts";
import { temporary } from "../../../support/temporary.ts";

const fresh = () => temporary("data");

describe("layout", () => {
  test("a new directory is marked, and opened again", () => {
    const directory = fresh();
    checkLayout(directory);
    expect(readFileSync(join(directory, "FORMAT"), "utf8")).toBe("dittofs data directory, layout 1\n");
    checkLayout(directory);
    expect(readdirSync(directory)).toEqual(["FORMAT"]);
  });
  test("a newer one is refused and left as it is", () => {
    const directory = fresh();
    writeFileSync(join(directory, "FORMAT"), "dittofs data directory, layout 2\n");
    expect(() => checkLayout(directory)).toThrow(`${directory} has layout 2, made by a newer DittoFS; this one knows layouts up to 1. Nothing was changed.`);
    expect(readdirSync(directory)).toEqual(["FORMAT"]);
  });
  test("a file that is not ours, and shares nobody says the layout of, are refused", () => {
    const other = fresh();
    writeFileSync(join(other, "FORMAT"), "ext4");
    expect(() => checkLayout(other)).toThrow(DataDirectoryError);
    const unmarked = fresh();
    mkdirSync(join(unmarked, "shares"));
    expect(() => checkLayout(unmarked)).toThrow(DataDirectoryError);
  });
});

test("a directory that can't be made is told with the path and the reason", () => {
  const file = join(fresh(), "file");
  writeFileSync(file, "");
  expect(() => makeDataDirectory(file)).toThrow(`the data directory ${file} can't be made: there is something else that is no directory; name another with --data-dir`);
  expect(() => makeDataDirectory(join(file, "below"))).toThrow(DataDirectoryError);
  makeDataDirectory(join(fresh(), "a", "b"));
});

test("names of shares become names of directories, no two the same", () => {
  expect(safeName("/export")).toBe("export");
  expect(safeName("/a/b")).toBe("a%2Fb");
  expect(safeName("/a%2Fb")).toBe("a%252Fb");
  expect(safeName("/.hidden")).toBe("%2Ehidden");
  expect(safeName("/a b+ü")).toBe("a%20b%2B%C3%BC");
  const long = safeName(`/${"ü".repeat(126)}`);
  expect(long.split("/").every((part) => part.length > 0 && part.length <= 255)).toBe(true);
});

test("directories are made with those above them, for the server alone", () => {
  const path = join(fresh(), "a", "b", "c");
  makeDirectory(path);
  makeDirectory(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  writeFileSync(join(path, "f"), "");
  expect(() => makeDirectory(join(path, "f"))).toThrow();
});

test("a file is replaced whole", () => {
  const path = join(fresh(), "f");
  replaceFile(path, "one");
  replaceFile(path, "two");
  expect(readFileSync(path, "utf8")).toBe("two");
  expect(existsSync(`${path}.new`)).toBe(false);
});
