import { expect, test } from "bun:test";
import { parsePath, partsOf, StreamType } from "#smb/open/path.ts";
import { NtStatus } from "#wire/ntstatus.ts";

const none = { stream: null, type: null };

test("paths are parts from the share's root", () => {
  expect(parsePath("")).toEqual({ parts: [], ...none });
  expect(parsePath("a\\b c\\D.txt")).toEqual({ parts: ["a", "b c", "D.txt"], ...none });
  expect(parsePath("a\\")).toEqual({ parts: ["a"], ...none });
  expect(parsePath("a\\b\\..\\c")).toEqual({ parts: ["a", "c"], ...none });
  expect(parsePath("a\uf022b")).toEqual({ parts: ["a:b"], ...none });
});

test("a path is what it is whatever was read before it", () => {
  const all = ["a\\b\\c", "a\\b\\d", "a\\bc\\d", "a\\b", "b", "a\\b\\c\\d\\e", "a\\b\\c\\f", "A\\b\\c", "a\\b\\c\\d\\x", "\u00e4\\b\\c", "\u00e4\\b\\d"];
  for (const before of all) {
    for (const path of all) {
      parsePath(before);
      expect(parsePath(path)).toEqual({ parts: path.split("\\"), ...none });
    }
  }
  expect(parsePath("a\\b\\c")).toMatchObject({ parts: ["a", "b", "c"] });
  for (const path of ["a\\b\\", "a\\b\\..", "a\\b\\c:s", "a\\b\\x/y"]) expect(parsePath(path)).toMatchObject({ parts: { "a\\b\\": ["a", "b"], "a\\b\\..": ["a"], "a\\b\\c:s": ["a", "b", "c"], "a\\b\\x/y": ["a", "b", "x", "y"] }[path]! });
  expect(parsePath("a\\b\\\\c")).toBe(NtStatus.OBJECT_NAME_INVALID);
  expect(parsePath(`a\\b\\${"x".repeat(256)}`)).toBe(NtStatus.OBJECT_NAME_INVALID);
});

test("a stream stands behind a colon, its type behind another", () => {
  expect(parsePath("a\\f:s")).toEqual({ parts: ["a", "f"], stream: "s", type: null });
  expect(parsePath("f:s:$data")).toEqual({ parts: ["f"], stream: "s", type: StreamType.data });
  expect(parsePath("f::$DATA")).toEqual({ parts: ["f"], stream: null, type: StreamType.data });
  expect(parsePath("d::$INDEX_ALLOCATION")).toEqual({ parts: ["d"], stream: null, type: StreamType.index });
  expect(parsePath("d:$I30:$INDEX_ALLOCATION")).toEqual({ parts: ["d"], stream: null, type: StreamType.index });
  expect(parsePath(":s")).toEqual({ parts: [], stream: "s", type: null });
  expect(parsePath("f:com.apple.metadata\uf022x")).toEqual({ parts: ["f"], stream: "com.apple.metadata:x", type: null });
  expect(parsePath("f:a*b?c")).toEqual({ parts: ["f"], stream: "a*b?c", type: null });
});

test("a slash parts names as a backslash does", () => {
  expect(parsePath("a/b\\c")).toMatchObject({ parts: ["a", "b", "c"], stream: null });
  expect(parsePath("a/b:s")).toMatchObject({ parts: ["a", "b"], stream: "s" });
});

test("what is no path gets the status of MS-FSCC 2.1.5 and MS-SMB2 3.3.5.9", () => {
  expect(parsePath("\\a")).toBe(NtStatus.INVALID_PARAMETER);
  expect(parsePath("..")).toBe(NtStatus.OBJECT_PATH_SYNTAX_BAD);
  expect(parsePath("a\\..\\..\\b")).toBe(NtStatus.OBJECT_PATH_SYNTAX_BAD);
  const invalid = ["a\\\\b", "a\\.\\b", ".", "a*", "a?", "a<", "a>", 'a"', "a|", "a\u0001", "f:", "f::", "f:s:$X", "f:s:$INDEX_ALLOCATION", "f:a:$DATA:b"];
  for (const path of [...invalid, "d:s\\f", "x\\:s", "f:a/b", "a".repeat(256), `f:${"s".repeat(256)}`]) expect(parsePath(path)).toBe(NtStatus.OBJECT_NAME_INVALID);
  expect(partsOf("f:s")).toBe(NtStatus.OBJECT_NAME_INVALID);
});
