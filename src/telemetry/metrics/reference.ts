import { declarationOf, declared, type MetricName } from "./declared.ts";

const begin = "<!-- metrics: made by ./scripts/docs from their declarations -->";
const end = "<!-- end of metrics -->";

/** Every metric as its documentation lists it. */
export function metricsReference(): string {
  const lines = ["| metric | type | labels | |", "|---|---|---|---|"];
  for (const name of Object.keys(declared) as MetricName[]) {
    const { type, help, unit, labels, bound, buckets } = declarationOf(name);
    const inUnit = unit === "info" || name.includes(`_${unit}`) ? "" : ` (${unit})`;
    const spread = buckets === undefined ? "" : ` ${buckets.length} buckets from ${inUnits(buckets[0], unit)} to ${inUnits(buckets.at(-1), unit)}.`;
    lines.push(`| \`${name}\` | ${type}${inUnit} | ${labels.map((label) => `\`${label}\``).join(" ")} | ${help}${spread}${labels.length === 0 ? "" : ` Bounded by ${bound}.`} |`);
  }
  return `${lines.join("\n")}\n`;
}

function inUnits(value = 0, unit: string): string {
  return unit === "seconds" ? inSeconds(value) : `${value}`;
}

function inSeconds(seconds: number): string {
  if (seconds >= 1) return `${Number(seconds.toPrecision(3))} s`;
  return seconds >= 0.001 ? `${Number((seconds * 1e3).toPrecision(3))} ms` : `${Number((seconds * 1e6).toPrecision(3))} µs`;
}

/** A page with the list between its marks made anew. */
export function withReference(page: string, reference: string): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page lacks the marks "${begin}" and "${end}"`);
  return `${page.slice(0, from + begin.length)}\n\n${reference}\n${page.slice(to)}`;
}
