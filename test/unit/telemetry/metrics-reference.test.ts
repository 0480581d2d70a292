import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { declarationOf, declared, declaredTables, type MetricName } from "#telemetry/metrics/index.ts";
import { metricsReference, withReference } from "#telemetry/metrics/reference.ts";

const names = Object.keys(declared) as MetricName[];

test("docs/observability.md lists the metrics there are; ./scripts/docs makes it", () => {
  const page = readFileSync(join(import.meta.dir, "../../../docs/observability.md"), "utf8");
  expect(page).toBe(withReference(page, metricsReference()));
});

test("no metric is declared twice, and every table is in the list", () => {
  expect(declaredTables.flatMap((table) => Object.keys(table)).toSorted()).toEqual(names.toSorted());
});

test("names are Prometheus's: prefix, base units, _total for what only rises", () => {
  for (const name of names) {
    const { type, unit, labels, help, bound, buckets } = declarationOf(name);
    expect(name).toMatch(/^dittofs_[a-z][a-z0-9_]*[a-z]$/);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    expect([name, (buckets ?? []).length > 0]).toEqual([name, type === "histogram"]);
    expect([name, buckets ?? []]).toEqual([name, (buckets ?? []).toSorted((a, b) => a - b)]);
    if (["seconds", "bytes", "ratio", "info"].includes(unit)) expect(name).toContain(`_${unit}`);
    expect(name).not.toMatch(/_(?:ms|us|millis|milliseconds|kb|mb|percent)(?:_|$)/);
    for (const label of labels) expect(label).toMatch(/^[a-z][a-z_]*$/);
    expect([name, labels.filter((label) => ["client", "address", "user", "path", "le"].includes(label))]).toEqual([name, []]);
    expect(help).toMatch(/^[A-Z0-9].*\.$/);
    expect(help).not.toContain("|");
    expect(bound).not.toBe("");
  }
});
