import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporary } from "../../../support/temporary.ts";
// The composition root has no door to its parts.
import { gatherPacks } from "../../../../src/app/share/gather-packs.ts";

const directory = temporary("gather-packs");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("packs are found where they are looked for, whatever the store did with them before; other files stay", async () => {
  const [from, to] = [join(directory, "staging"), join(directory, "deep/packs")];
  await gatherPacks(from, to);
  mkdirSync(from);
  writeFileSync(join(from, "pack-0000000000000a.open"), "a pack");
  writeFileSync(join(from, "notes"), "other");
  await gatherPacks(from, to);
  expect([readdirSync(from), readdirSync(to)]).toEqual([["notes"], ["pack-0000000000000a.open"]]);
  await gatherPacks(to, from);
  expect(readFileSync(join(from, "pack-0000000000000a.open"), "utf8")).toBe("a pack");
});
