export interface TestCase {
  readonly name: string;
  readonly file: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, or how it failed, where the report says so. */
  readonly note: string;
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function decode(text: string): string {
  return text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal?: string, hex?: string, name?: string) => {
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return entities[name ?? ""] ?? whole;
  });
}

function attribute(tag: string, name: string): string {
  return decode(new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1] ?? "");
}

/** The test cases of a JUnit report as `bun test` writes it. */
export function readJunit(xml: string): readonly TestCase[] {
  const cases: TestCase[] = [];
  for (const match of xml.matchAll(/<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const tag = match[1] ?? "";
    const body = match[3] ?? "";
    const inner = /<(failure|error|skipped)\b([^>]*?)(?:\/>|>([\s\S]*?)<\/\1>)/.exec(body);
    const group = attribute(tag, "classname");
    cases.push({
      name: [group, attribute(tag, "name")].filter((part) => part !== "").join(" > "),
      file: attribute(tag, "file"),
      outcome: inner === null ? "passed" : inner[1] === "skipped" ? "skipped" : "failed",
      note: inner === null ? "" : attribute(inner[2] ?? "", "message"),
    });
  }
  return cases;
}
