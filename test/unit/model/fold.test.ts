import { expect, test } from "bun:test";
import { fold, foldVersion } from "#model/fold.ts";

const every = (judge: (unit: number, char: string) => boolean): number[] => {
  const failing: number[] = [];
  for (let unit = 0; unit < 0x10000; unit++) if (!judge(unit, String.fromCharCode(unit))) failing.push(unit);
  return failing;
};

test("a fold has as many UTF-16 units as its name and is its own fold, for every unit", () => {
  expect(every((_, char) => fold(char).length === 1 && fold(fold(char)) === fold(char))).toEqual([]);
});

test("ASCII folds to upper case; other characters of it stay", () => {
  expect(fold("abcxyz")).toBe("ABCXYZ");
  const rest = "ABCXYZ0189 !#$%&'()+,-.;=@[]^_`{}~";
  expect(fold(rest)).toBe(rest);
});

test("a name is folded unit by unit, wherever the letters stand", () => {
  expect(fold("Größe.TXT")).toBe("GRÖßE.TXT");
  expect(fold("éa")).toBe("ÉA");
  expect(fold("aÿ")).toBe("AŸ");
  expect(fold("ΣΊΣΥΦΟΣ")).toBe(fold("σίσυφος"));
  expect(fold("\uff41")).toBe("\uff21");
  expect(fold("ａｂ漢字.txt")).toBe("ＡＢ漢字.TXT");
});

test("letters that upper case does not lead back to are names of their own", () => {
  for (const [a, b] of [["ı", "I"], ["ſ", "S"], ["µ", "Μ"], ["ß", "SS"], ["ŉ", "N"], ["\u212a", "K"]] as const) expect(fold(a)).not.toBe(fold(b));
});

test("surrogates stay, alone and in pairs, and nothing is composed", () => {
  expect(every((unit, char) => unit < 0xd800 || unit > 0xdfff || fold(char) === char)).toEqual([]);
  expect(fold("\u{10428}a")).toBe("\u{10428}A");
  expect(fold("e\u0301")).toBe("E\u0301");
});

test("a letter folds only to its upper case, and both have one lower case", () => {
  const odd = new Set(["\u03c2", "\u01c5", "\u01c8", "\u01cb", "\u01f2"]);
  const wrong = every((_, char) => {
    const upper = fold(char);
    return upper === char || odd.has(char) || upper.toLowerCase() === char;
  });
  expect(wrong).toEqual([]);
});

test("the table is version 1: a change needs a new version", () => {
  let all = "";
  for (let unit = 0; unit < 0x10000; unit++) all += String.fromCharCode(unit);
  const folded = fold(all);
  const units = new Uint16Array(0x10000).map((_, unit) => folded.charCodeAt(unit));
  expect(foldVersion).toBe(1);
  expect(Bun.hash.crc32(new Uint8Array(units.buffer)).toString(16)).toBe("e9ceb6c4");
});
