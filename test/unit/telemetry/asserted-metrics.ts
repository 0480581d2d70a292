import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../support/server.ts";

/** Matchers that a wrong amount does not pass. "More than none" is none of them. */
const exact = new Set(["toBe", "toEqual", "toBeCloseTo", "toBeWithin"]);

/** An `expect(ACTUAL).MATCHER(EXPECTED)` of a test's text. */
export interface Assertion {
  readonly actual: string;
  readonly matcher: string;
  readonly expected: string;
}

/** All of them in a text; what is not written so is none. */
export function assertionsIn(text: string): Assertion[] {
  const found: Assertion[] = [];
  for (const { index } of text.matchAll(/\bexpect\(/g)) {
    const from = index + "expect".length;
    const to = endOf(text, from);
    const [, matcher] = /^\s*\.(\w+)\(/.exec(text.slice(to)) ?? [];
    if (matcher === undefined) continue;
    const at = text.indexOf("(", to);
    found.push({ actual: text.slice(from, to), matcher, expected: text.slice(at + 1, endOf(text, at) - 1).trim() });
  }
  return found;
}

/** Where the parenthesis that begins at `from` is closed again. */
function endOf(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")" && --depth === 0) return at + 1;
  }
  return text.length;
}

/** Names of series, such as dittofs_x_total or dittofs_y_seconds_count, whose value a text holds against another than nothing. */
export function assertedIn(text: string): Set<string> {
  const names = new Set<string>();
  for (const { actual, matcher, expected } of assertionsIn(text)) {
    if (!exact.has(matcher) || /^(?:0|\[[0, ]*\]|true|false)$/.test(expected)) continue;
    for (const [, name] of actual.matchAll(/"(dittofs_[a-z0-9_]+)"/g)) names.add(name as string);
  }
  return names;
}

/** Those of all tests that scrape. */
export function assertedByTests(): Set<string> {
  const names = new Set<string>();
  for (const kind of ["e2e", "unit"]) {
    const root = join(projectRoot, "test", kind);
    for (const file of readdirSync(root, { recursive: true, encoding: "utf8" })) {
      // Those of the registry itself make values up.
      if (!file.endsWith(".test.ts") || (kind === "unit" && file.startsWith("telemetry"))) continue;
      const text = readFileSync(join(root, file), "utf8");
      if (text.includes("support/scrape.ts")) for (const name of assertedIn(text)) names.add(name);
    }
  }
  return names;
}
