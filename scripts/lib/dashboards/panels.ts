import { type Panel, type Query, type Step, Unit } from "./grafana.ts";

const half = 12;
const third = 8;
const quarter = 6;
export const width = { half, third, quarter, sixth: 4, whole: 24 } as const;

export type Extras = Partial<Pick<Panel, "width" | "stacked" | "max" | "steps">>;

export function lines(title: string, description: string, unit: Unit, queries: readonly Query[], extras: Extras = {}): Panel {
  return { type: "timeseries", title, description, unit, queries, width: half, ...extras };
}

export function stat(title: string, description: string, unit: Unit, query: Query | readonly Query[], extras: Extras & Pick<Panel, "words"> = {}): Panel {
  return { type: "stat", title, description, unit, queries: "expr" in query ? [query] : query, width: quarter, ...extras };
}

/** How fast counters rise, added up by labels. */
export function rate(by: readonly string[], selector: string): string {
  return `sum by (${by.join(", ")}) (rate(${selector}[$__rate_interval]))`;
}

/** A quantile of a histogram, whose name has no "_bucket". */
export function quantile(q: number, by: readonly string[], name: string, labels: string): string {
  return `histogram_quantile(${q}, ${rate([...by, "le"], `${name}_bucket{${labels}}`)})`;
}

/** Median and 99th percentile. */
export function latency(title: string, description: string, by: readonly string[], name: string, labels: string, extras: Extras = {}): Panel {
  const legend = by.map((label) => `{{${label}}}`).join(" ");
  const queries = [0.5, 0.99].map((q) => ({ expr: quantile(q, by, name, labels), legend: `${legend} p${q * 100}` }));
  return lines(title, description, Unit.seconds, queries, extras);
}

/** How requests of a histogram are spread over durations, all together. */
export function spread(title: string, description: string, name: string, labels: string): Panel {
  return { type: "heatmap", title, description, unit: Unit.seconds, queries: [{ expr: rate(["le"], `${name}_bucket{${labels}}`), legend: "{{le}}" }], width: half };
}

/** Green below, red from `bad` on. */
export function badFrom(bad: number, warn: number | null = null): readonly Step[] {
  return [[null, "green"], ...(warn === null ? [] : [[warn, "orange"] as const]), [bad, "red"]];
}

/** Red below, green from `good` on. */
export function goodFrom(good: number, warn: number | null = null): readonly Step[] {
  return [[null, "red"], ...(warn === null ? [] : [[warn, "orange"] as const]), [good, "green"]];
}
