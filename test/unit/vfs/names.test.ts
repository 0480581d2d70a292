import { expect, test } from "bun:test";
import { FsError } from "#model/fs-error.ts";
import { judgeName, judgeNewName, judgeRemovedName, judgeRenamedName, utf8Bytes } from "#vfs/names.ts";

test("utf8Bytes counts what an encoder writes", () => {
  const encoder = new TextEncoder();
  for (const text of ["", "a", "é", "€", "😀", "a😀é€b", "\u07ff\u0800\uffff", "日本語".repeat(30)]) {
    expect(utf8Bytes(text)).toBe(encoder.encode(text).length);
  }
});

const code = (outcome: FsError | null): string => outcome?.code ?? "fine";

test("the bound is 255 bytes, however many characters they are", () => {
  for (const [character, bytes] of [
    ["a", 1],
    ["é", 2],
    ["€", 3],
    ["😀", 4],
  ] as const) {
    const most = Math.floor(255 / bytes);
    const rest = "a".repeat(255 - most * bytes);
    expect(code(judgeName(character.repeat(most) + rest))).toBe("fine");
    expect(code(judgeName(`${character.repeat(most)}${rest}a`))).toBe("nameTooLong");
  }
});

test("what each operation says to which name", () => {
  const table: readonly (readonly [string, string, string, string, string])[] = [
    // name, judgeName, new, removed, renamed
    ["", "invalid", "invalid", "invalid", "invalid"],
    [".", "fine", "exists", "invalid", "invalid"],
    ["..", "fine", "exists", "exists", "invalid"],
    ["...", "fine", "fine", "fine", "fine"],
    ["a/b", "invalid", "invalid", "invalid", "invalid"],
    ["/", "invalid", "invalid", "invalid", "invalid"],
    ["a\0", "invalid", "invalid", "invalid", "invalid"],
    ["\udc00", "invalid", "invalid", "invalid", "invalid"],
    ["a\nb", "fine", "fine", "fine", "fine"],
  ];
  for (const [name, ...expected] of table) {
    const judged = [judgeName, judgeNewName, judgeRemovedName, judgeRenamedName].map((judge) => code(judge(name)));
    expect(judged).toEqual(expected);
  }
});
