import { expect, test } from "bun:test";
import { changedEas, decodeEaNames, decodeEas, type Ea, eaListBytes, encodeEas, isEaName } from "#wire/ea.ts";

const ea = (name: string, value: string, flags = 0): Ea => ({ name, flags, value: new Uint8Array(Buffer.from(value)) });
const read = (bytes: Uint8Array): readonly Ea[] | number => {
  const chain = decodeEas(bytes);
  return "eas" in chain ? chain.eas.map((each) => ({ ...each, value: new Uint8Array(each.value) })) : chain.wrongAt;
};

test("a chain is written as MS-FSCC 2.4.15 lays it out, and read again", () => {
  const eas = [ea("A", "x", 0x80), ea("Name", "value")];
  const { bytes, count } = encodeEas(eas);
  expect(count).toBe(2);
  expect(Buffer.from(bytes).toString("hex")).toBe("0c00000080010100410078000000000000040500" + "4e616d65" + "00" + "76616c7565");
  expect(read(bytes)).toEqual(eas);
});

test("only whole entries are written where there is no room for all", () => {
  const eas = [ea("A", "x"), ea("B", "y")];
  for (let room = 0; room < 23; room++) expect(encodeEas(eas, room).count).toBe(room < 11 ? 0 : 1);
  expect(encodeEas(eas, 23).count).toBe(2);
});

test("a chain that is cut, goes back or lies about a length is refused", () => {
  const { bytes } = encodeEas([ea("A", "x"), ea("Name", "value")]);
  for (let length = 0; length < bytes.length; length++) expect(read(bytes.slice(0, length))).toBeNumber();
  for (const [at, value] of [[0, 4], [0, 13], [0, 0xf0], [3, 0x80], [5, 200], [6, 200], [9, 1], [12, 8], [17, 9]] as const) {
    const changed = bytes.slice();
    changed[at] = value;
    expect([at, typeof read(changed)]).toEqual([at, "number"]);
  }
});

test("random bytes end, and are never read past their end", () => {
  let state = 7;
  for (let round = 0; round < 20_000; round++) {
    const { bytes } = encodeEas([ea("A", "x"), ea("Name", "value"), ea("Third", "")]);
    for (let i = 0; i < 3; i++) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      bytes[(state >>> 8) % bytes.length] = state >>> 24;
    }
    decodeEas(bytes);
    decodeEaNames(bytes);
  }
});

test("names are looked for in any case; a value takes the place, none takes it away", () => {
  const before = [ea("User", "1"), ea("other", "2")];
  expect(changedEas(before, [ea("USER", "3"), ea("OTHER", ""), ea("new", "4"), ea("none", "")])).toEqual([ea("User", "3"), ea("new", "4")]);
  expect(eaListBytes([])).toBe(0);
  expect(eaListBytes([ea("User", "3")])).toBe(4 + 4 + 5 + 1);
});

test("names of EAs are printable ASCII without what parts paths and lists", () => {
  for (const name of ["a", "user.name", "A B", "~x!"]) expect(isEaName(name)).toBe(true);
  for (const name of ["", "a:b", "a\\b", "a/b", "a*", "a\u0001", "\u00e4", "a=b", "a;b"]) expect(isEaName(name)).toBe(false);
});
