import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OpenRecordFiles, openRecordsFolder, openRecordsMax } from "#app/share/open-records.ts";
import { temporary } from "../../../support/temporary.ts";

test("records are there for the next start, replaced whole, and gone when removed", async () => {
  const directory = temporary("open-records");
  const records = new OpenRecordFiles(directory);
  expect((await records.load()).size).toBe(0);
  await records.put("00000000000000a1", Uint8Array.of(1, 2, 3));
  await records.put("00000000000000a2", Uint8Array.of(4));
  await records.put("00000000000000a1", Uint8Array.of(5, 6));
  await records.remove("00000000000000a2");
  await records.remove("00000000000000a2");
  expect([...(await new OpenRecordFiles(directory).load())]).toEqual([["00000000000000a1", Uint8Array.of(5, 6)]]);
});

test("what a stop left half written is removed, and there is a bound", async () => {
  const directory = temporary("open-records");
  const folder = join(directory, openRecordsFolder);
  mkdirSync(folder);
  writeFileSync(join(folder, "00000000000000a1.new"), "half");
  for (let i = 0; i < openRecordsMax; i++) writeFileSync(join(folder, i.toString(16).padStart(16, "0")), "");
  const records = new OpenRecordFiles(directory);
  expect((await records.load()).size).toBe(openRecordsMax);
  expect(readdirSync(folder)).toHaveLength(openRecordsMax);
  expect(records.put("ffffffffffffffff", Uint8Array.of(1))).rejects.toThrow("the most there may be");
  await records.put("0000000000000000", Uint8Array.of(1));
});

test("changes of one record that are asked for at once take effect in that order", async () => {
  const directory = temporary("open-records");
  const records = new OpenRecordFiles(directory);
  const large = new Uint8Array(300_000).fill(1);
  const puts = [large, Uint8Array.of(2), large, Uint8Array.of(4)].map((record) => records.put("0123456789abcdef", record));
  await Promise.all(puts);
  expect(await new OpenRecordFiles(directory).load()).toEqual(new Map([["0123456789abcdef", Uint8Array.of(4)]]));
  await Promise.all([records.put("0123456789abcdef", large), records.remove("0123456789abcdef")]);
  expect((await new OpenRecordFiles(directory).load()).size).toBe(0);
});
