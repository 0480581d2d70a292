import { Document, Scalar, visit } from "yaml";
import { approximateSize } from "#config/index.ts";
import { table } from "../table.ts";

export const formats = ["table", "json", "yaml"] as const;
export type Format = (typeof formats)[number];

/** What of an item a column shows. */
export type Column<T> = readonly [heading: string, cell: (item: T) => unknown];

/** What a format for programs leaves as it is and a terminal would obey: names come from others, and results are looked at, too. */
const spoken = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export function asText(value: unknown, format: "json" | "yaml"): string {
  return (format === "json" ? `${JSON.stringify(value, null, 2)}\n` : yaml(value)).replaceAll(spoken, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** With whatever has to be escaped in double quotes, which have the escapes of JSON (YAML 1.2 §5.7). */
function yaml(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === "string" && scalar.value.search(spoken) >= 0) scalar.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document.toString({ lineWidth: 0 });
}

export function itemsTable<T>(items: readonly T[], columns: readonly Column<T>[], width: number | null): string {
  const rows = items.map((item) => columns.map(([, cell]) => shown(cell(item))));
  return table([columns.map(([heading]) => heading), ...rows], width);
}

/** Every field of an object, a line each. */
export function facts(of: object): string {
  return table(Object.entries(of).map(([key, value]) => [key.replaceAll("_", " "), shownField(key, value)]));
}

function shownField(key: string, value: unknown): string {
  return key.endsWith("bytes") && typeof value === "number" ? approximateSize(value) : shown(value);
}

/** A value as people read it; what isn't there is a dash. Not yet fit for a terminal: `table` makes it so. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.map(shown).join(", ");
  if (typeof value === "object") return shown(Object.entries(value).map(([key, inner]) => `${key}=${shownField(key, inner)}`));
  return String(value);
}
