import { expect, test } from "bun:test";
import { allowedUnit, shownName, shownStream, storedName } from "#smb/open/names.ts";

const forbidden = '"*:<>?\\|';

test("characters NTFS forbids are shown as macOS and Samba map them, and lead back", () => {
  expect(shownName('a"b*c:d<e>f?g\\h|i')).toBe("a\uf020b\uf021c\uf022d\uf023e\uf024f\uf025g\uf026h\uf027i");
  for (let unit = 1; unit < 0x20; unit++) expect(shownName(`x${String.fromCharCode(unit)}`)).toBe(`x${String.fromCharCode(0xf000 + unit)}`);
  for (const char of forbidden) {
    expect(storedName(shownName(`a${char}`))).toBe(`a${char}`);
    expect(allowedUnit(char.charCodeAt(0))).toBe(false);
  }
});

test("a space or dot at the end is mapped, elsewhere it stays; the dots are no names", () => {
  for (const [stored, shown] of [
    ["a.", "a\uf029"],
    ["a..", "a.\uf029"],
    ["a ", "a\uf028"],
    [" a.b c", " a.b c"],
    [".", "."],
    ["..", ".."],
    ["...", "..\uf029"],
  ] as const) {
    expect(shownName(stored)).toBe(shown);
    if (stored !== "." && stored !== "..") expect(storedName(shown)).toBe(stored);
  }
});

test("nothing a client sends becomes a dot, a slash or a NUL", () => {
  expect(storedName("\uf029")).toBe("\uf029");
  expect(storedName(".\uf029")).toBe(".\uf029");
  expect(storedName("\uf000\uf02f")).toBe("\uf000\uf02f");
});

test("surrogates without their half are stored as characters, and lead back", () => {
  for (const lone of ["\ud800", "\udbff", "\udc00", "\udfff", "a\udc00\ud800b", "\ud800\ud800\udc01"]) {
    const stored = storedName(lone);
    expect(stored.isWellFormed()).toBe(true);
    expect(shownName(stored)).toBe(lone);
  }
  expect(storedName("\u{1f600}")).toBe("\u{1f600}");
});

test("ordinary names stay what they are", () => {
  for (const name of ["a", "Grüße.txt", "漢字", "\u{1f600}.png", "~$a[1];=,+&%'!@"]) {
    expect(shownName(name)).toBe(name);
    expect(storedName(name)).toBe(name);
  }
});

test("a stream's name is shown as it is, but for what parts names and what no UTF-8 holds", () => {
  expect(shownStream('\u0005a"b*\n One.')).toBe('\u0005a"b*\n One.');
  expect(shownStream("com.apple:x\\y ")).toBe("com.apple\uf022x\uf026y ");
  expect(shownStream(storedName("a\ud800"))).toBe("a\ud800");
});
