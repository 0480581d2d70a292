import { describe, expect, test } from "bun:test";
import { expressionOf } from "#smb/open/wildcard.ts";

const matches = (pattern: string, names: readonly string[]) => names.filter(expressionOf(pattern).matches);

describe("an expression (MS-FSA 2.1.4.4)", () => {
  const names = ["a", "a.txt", "A.TXT", "ab.txt", "a.b.txt", "abc", ".txt", "b.", "."];
  for (const [pattern, wanted] of [
    ["*", names],
    ["a.txt", ["a.txt", "A.TXT"]],
    ["*.txt", ["a.txt", "A.TXT", "ab.txt", "a.b.txt", ".txt"]],
    ["A*", ["a", "a.txt", "A.TXT", "ab.txt", "a.b.txt", "abc"]],
    ["a?.txt", ["ab.txt"]],
    ["???", ["abc"]],
    ["*b*", ["ab.txt", "a.b.txt", "abc", "b."]],
    ["*.*", ["a.txt", "A.TXT", "ab.txt", "a.b.txt", ".txt", "b.", "."]],
    // As clients send "*.", "a*." and "???.txt" of old.
    ["<", ["a", "abc", "b.", "."]],
    ['<"*', names],
    ["<.txt", ["a.txt", "A.TXT", "ab.txt", "a.b.txt", ".txt"]],
    ['a<"txt', ["a.txt", "A.TXT", "ab.txt", "a.b.txt"]],
    [">>>", ["a", "abc"]],
    [">>>.txt", ["a.txt", "A.TXT", "ab.txt", ".txt"]],
    ['b"', ["b."]],
    ['a"', ["a"]],
  ] as const)
    test(pattern, () => expect(matches(pattern, names)).toEqual([...wanted]));

  test("without wildcards is one name, in any case", () => {
    expect(expressionOf("Straße.txt").literal).toBe("Straße.txt");
    expect(matches("grösse", ["GRÖSSE", "grosse"])).toEqual(["GRÖSSE"]);
    expect(expressionOf("a*").literal).toBeNull();
  });

  test("takes no longer than its length times the name's", () => {
    const pattern = `${"*a".repeat(250)}b`;
    const name = "a".repeat(255);
    const expression = expressionOf(pattern);
    for (let i = 0; i < 100; i++) expect(expression.matches(name)).toBe(false);
  });
});
