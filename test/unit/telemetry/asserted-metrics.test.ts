import { describe, expect, test } from "bun:test";
import { declarationOf, declared, type MetricName } from "#telemetry/metrics/index.ts";
import { assertedByTests, assertedIn, assertionsIn } from "./asserted-metrics.ts";

/** No metric without a test that says how much it moves: read from what the tests expect. */

/** What has to be held against a value: of a histogram how many and how much. */
const seriesOf = (name: MetricName): readonly string[] => (declarationOf(name).type === "histogram" ? [`${name}_count`, `${name}_sum`] : [name]);

test("every metric that is declared has a test that scrapes it and holds its value against the one it should have", () => {
  const asserted = assertedByTests();
  const missing = (Object.keys(declared) as MetricName[]).flatMap(seriesOf).filter((name) => !asserted.has(name));
  expect(missing).toEqual([]);
});

describe("what counts as such a test", () => {
  const found = (text: string): readonly string[] => [...assertedIn(text)];

  test("a value that is expected, or bounds on both sides", () => {
    expect(found('expect(rose("dittofs_a_total", { share: f(1) })).toBe(3);')).toEqual(["dittofs_a_total"]);
    expect(found('expect(said.value("dittofs_b"))\n.toBeWithin(1, 2);')).toEqual(["dittofs_b"]);
    expect(found('expect([rose("dittofs_a_total"), rose("dittofs_b")]).toEqual([1, 0]);')).toEqual(["dittofs_a_total", "dittofs_b"]);
  });

  test("no other: nothing at all, more than nothing, a name that is only mentioned, one that is there", () => {
    expect(found('expect(rose("dittofs_a_total")).toBe(0); expect([rose("dittofs_a_total"), rose("dittofs_b")]).toEqual([0, 0]);')).toEqual([]);
    expect(found('expect(rose("dittofs_a_total")).toBeGreaterThan(0);')).toEqual([]);
    expect(found('const name = "dittofs_a_total"; expect(1).toBe(1);')).toEqual([]);
    expect(found('expect(said.has("dittofs_a_total")).toBe(true);')).toEqual([]);
    expect(assertionsIn("expect(a).resolves;")).toEqual([]);
  });
});
