import { expect, test } from "bun:test";
import { readJunit } from "../../../scripts/lib/junit.ts";

test("cases of a report, with their groups, outcomes and notes", () => {
  const xml = `<?xml version="1.0"?><testsuites><testsuite name="a.test.ts">
    <testcase name="adds" classname="numbers &gt; whole" file="test/a.test.ts" time="0.1" />
    <testcase name="a &quot;b&quot;" classname="" file="test/a.test.ts"><failure type="AssertionError" message="1 &lt; 2&#10;more">x</failure></testcase>
    <testcase name="mounts (needs root)" file="test/b.test.ts"><skipped /></testcase>
  </testsuite></testsuites>`;
  expect(readJunit(xml)).toEqual([
    { name: "numbers > whole > adds", file: "test/a.test.ts", outcome: "passed", note: "" },
    { name: 'a "b"', file: "test/a.test.ts", outcome: "failed", note: "1 < 2\nmore" },
    { name: "mounts (needs root)", file: "test/b.test.ts", outcome: "skipped", note: "" },
  ]);
});
