import type * as Yaml from "yaml";
import type { Document, Node } from "yaml";
import type { Problem, Raw, RawEntry } from "./raw.ts";

/** Loaded for a file alone: a server without one does without the parser. */
let loaded: typeof Yaml | null = null;
function yaml(): typeof Yaml {
  return (loaded ??= require("yaml") as typeof Yaml);
}

/** Aliases may nest; this many levels are more than any configuration has. */
const depthMax = 20;

/** The tree of a YAML text with the line of every value, or what is wrong with it. `file` is the name complaints use. */
export function parseYaml(source: string, file: string): { readonly raw: Raw | null; readonly problems: readonly Problem[] } {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const place = (offset: number | undefined) => `${file}:${lines.linePos(offset ?? 0).line}`;
  const problems: Problem[] = document.errors.map((error) => ({ at: place(error.pos[0]), key: "", message: error.message }));
  if (problems.length > 0 || document.contents === null) return { raw: null, problems };
  return { raw: convert(document.contents, document, place, problems, 0), problems };
}

function convert(node: Node | null, document: Document, place: (offset: number | undefined) => string, problems: Problem[], depth: number): Raw {
  const { isAlias, isMap, isScalar, isSeq } = yaml();
  const at = place(node?.range?.[0]);
  if (depth > depthMax) {
    problems.push({ at, key: "", message: `nested deeper than ${depthMax} levels` });
    return { is: "scalar", at, value: null };
  }
  if (isAlias(node)) {
    const target = node.resolve(document);
    if (target !== undefined) return convert(target as Node, document, place, problems, depth + 1);
  }
  if (isMap(node)) {
    const entries: RawEntry[] = node.items.map((pair) => {
      const key = pair.key as Node | null;
      const keyAt = place(key?.range?.[0]);
      const value = convert(pair.value as Node | null, document, place, problems, depth + 1);
      return { key: isScalar(key) ? String(key.value) : "?", at: keyAt, value: pair.value === null ? { ...value, at: keyAt } : value };
    });
    return { is: "map", at, entries };
  }
  if (isSeq(node)) return { is: "list", at, items: node.items.map((item) => convert(item as Node, document, place, problems, depth + 1)) };
  const value: unknown = isScalar(node) ? node.value : null;
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") return { is: "scalar", at, value };
  return { is: "scalar", at, value: String(value) };
}
