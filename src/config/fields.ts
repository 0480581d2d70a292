import { isDerived, type Fields, type JsonSchema, type Machine, type Option, type Values } from "./option.ts";
import { describeRaw, type Problem, type Raw } from "./raw.ts";
import { didYouMean } from "./suggest.ts";

/** A record as far as it was written: what is missing takes its default in `complete`. */
export type Partially = { [key: string]: unknown };

/** The path of a field: `adapters.nfs` + `port`. */
export function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** Reads a mapping against its declaration into `into`; complaints go to `problems`. */
export function readFields(fields: Fields, raw: Raw, path: string, problems: Problem[], into: Partially): void {
  if (raw.is === "scalar" && raw.value === null) return;
  const names = Object.keys(fields);
  if (raw.is !== "map") {
    problems.push({ at: raw.at, key: path, message: `${describeRaw(raw)} is not allowed here; allowed: a mapping with ${names.join(", ")}` });
    return;
  }
  for (const entry of raw.entries) {
    const key = join(path, entry.key);
    const field = Object.hasOwn(fields, entry.key) ? fields[entry.key] : undefined;
    if (field === undefined) {
      const near = didYouMean(entry.key, names);
      problems.push({ at: entry.at, key, message: `unknown key${near === null ? "" : `; did you mean ${near}?`} (allowed here: ${names.join(", ")})` });
    } else if (field.is === "section") {
      const inner = (into[entry.key] ??= {}) as Partially;
      readFields(field.fields, entry.value, key, problems, inner);
    } else {
      const value: unknown = field.read(entry.value, key, problems);
      if (value !== undefined) into[entry.key] = value;
    }
  }
}

/** Fills in the defaults, in the order of declaration, so that a derived one sees what was declared before it. */
export function complete(fields: Fields, given: Partially, path: string, machine: Machine, earlier: (path: string) => unknown): void {
  for (const [key, field] of Object.entries(fields)) {
    if (field.is === "section") {
      complete(field.fields, (given[key] ??= {}) as Partially, join(path, key), machine, earlier);
      continue;
    }
    const option: Option<unknown> = field;
    if (given[key] === undefined) given[key] = isDerived(option.default) ? option.default.from(machine, earlier) : option.default;
    if (option.fields !== null) {
      given[key] = (given[key] as readonly Partially[]).map((item) => {
        const copy = structuredClone(item);
        complete(option.fields ?? {}, copy, "", machine, earlier);
        return copy;
      });
    }
  }
}

/** The JSON schema of a record of options. */
export function fieldsSchema(fields: Fields, required: readonly string[] = []): JsonSchema {
  const properties: Record<string, JsonSchema> = {};
  for (const [key, field] of Object.entries(fields)) {
    if (field.is === "section") {
      // A section of which every line is commented out is null to YAML.
      properties[key] = { description: field.help, ...fieldsSchema(field.fields), type: ["object", "null"] };
      continue;
    }
    const option: Option<unknown> = field;
    const standard = isDerived(option.default) ? { "x-default": option.default.text } : option.fields === null ? { default: schemaDefault(option) } : {};
    properties[key] = { description: option.help, ...option.schema, ...standard };
  }
  return { type: "object", additionalProperties: false, properties, ...(required.length === 0 ? {} : { required }) };
}

function schemaDefault(option: Option<unknown>): unknown {
  return option.type === "size" || option.type === "duration" ? option.write(option.default) : option.default;
}

/** A record as YAML. */
export function writeFields(fields: Fields, values: object, indent: string): string {
  let out = "";
  for (const [key, field] of Object.entries(fields)) {
    const value = (values as Partially)[key];
    if (field.is === "section") out += `${indent}${key}:\n${writeFields(field.fields, value as object, `${indent}  `)}`;
    else out += `${indent}${key}: ${(field as Option<unknown>).write(value)}\n`;
  }
  return out;
}

/** A list of records, in the file alone. */
export function records<F extends Fields>(
  fields: F,
  about: { readonly help: string; readonly allowed: string; readonly example: string; readonly since: string; readonly required: readonly string[]; readonly default: readonly object[] },
): Option<readonly Values<F>[]> {
  return {
    is: "option",
    type: "list of records",
    help: about.help,
    default: about.default as readonly Values<F>[],
    example: about.example,
    since: about.since,
    flag: null,
    secret: false,
    allowed: about.allowed,
    schema: { type: "array", minItems: 1, items: fieldsSchema(fields, about.required) },
    repeatable: false,
    fields,
    read(raw, path, problems) {
      if (raw.is !== "list" || raw.items.length === 0) {
        problems.push({ at: raw.at, key: path, message: `${raw.is === "list" ? "an empty list" : describeRaw(raw)} is not allowed here; allowed: ${about.allowed}` });
        return undefined;
      }
      return raw.items.map((item, i) => {
        const into: Partially = {};
        const before = problems.length;
        readFields(fields, item, `${path}[${i}]`, problems, into);
        for (const key of about.required) {
          if (into[key] === undefined && problems.length === before) problems.push({ at: item.at, key: join(`${path}[${i}]`, key), message: `missing; every item needs it` });
        }
        return into as Values<F>;
      });
    },
    write: (values) => values.map((value) => `\n  - ${writeFields(fields, value, "    ").trim()}`).join(""),
  };
}
