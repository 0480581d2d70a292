import type { TSchema } from "@sinclair/typebox";
import { type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import type { FieldError } from "#control/errors.ts";
import { limits } from "./limits.ts";

interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Shape[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly maxItems?: number;
}

const range = (from: number | undefined, to: number | undefined): string =>
  from !== undefined && to !== undefined ? ` from ${from} to ${to}` : from !== undefined ? ` of at least ${from}` : to !== undefined ? ` of at most ${to}` : "";

/** What a value of a schema is, in words. */
function describe(schema: Shape): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf !== undefined) {
    if (schema.anyOf.every((each) => each.const !== undefined)) return `one of ${schema.anyOf.map((each) => String(each.const)).join(", ")}`;
    return schema.anyOf.map(describe).join(" or ");
  }
  switch (schema.type) {
    case "string":
      if (schema.description !== undefined && (schema.pattern !== undefined || schema.minLength !== undefined)) return `text: ${schema.description.replace(/\.$/, "")}`;
      return schema.pattern === undefined ? `text${range(schema.minLength, schema.maxLength)}${schema.maxLength === undefined && schema.minLength === undefined ? "" : " characters"}` : `text that matches ${schema.pattern}`;
    case "integer":
      return `a whole number${range(schema.minimum, schema.maximum)}`;
    case "number":
      return `a number${range(schema.minimum, schema.maximum)}`;
    case "boolean":
      return "true or false";
    case "array":
      return `a list${schema.maxItems === undefined ? "" : ` of at most ${schema.maxItems}`}`;
    case "null":
      return "null";
    default:
      return "an object";
  }
}

const fieldLengthMax = 80;

/** `/settings/max_read_size` as people write it. What a caller chose as a name is cut and shown without control characters. */
function fieldOf(path: string): string {
  const name = path.slice(1).replaceAll("/", ".").replaceAll("~1", "/").replaceAll("~0", "~").replace(/[\u0000-\u001f\u007f]/g, "?");
  return name.length > fieldLengthMax ? `${name.slice(0, fieldLengthMax)}…` : name;
}

function messageOf(error: ValueError): string {
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `is missing; it must be ${describe(error.schema as Shape)}`;
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return "is no field of this call";
  return `must be ${describe(error.schema as Shape)}`;
}

/** One entry for each field that is wrong, the first thing wrong with it. Values are never repeated: they may be secrets. */
export function fieldErrors(errors: Iterable<ValueError>): FieldError[] {
  const found = new Map<string, FieldError>();
  for (const error of errors) {
    const field = fieldOf(error.path);
    if (!found.has(field)) found.set(field, { field, message: messageOf(error) });
    if (found.size >= limits.fieldProblemsMax) break;
  }
  return [...found.values()];
}

/**
 * A query as its schema wants it: whole numbers and truth values come as text. What doesn't read as what it should be stays text, and
 * the schema refuses it. Names given twice or unknown are errors.
 */
export function fromQuery(schema: TSchema, query: string): { readonly value: Record<string, unknown>; readonly errors: FieldError[] } {
  const properties = schema["properties"] as Readonly<Record<string, Shape>>;
  const value: Record<string, unknown> = {};
  const errors: FieldError[] = [];
  for (const [name, text] of new URLSearchParams(query)) {
    const field = fieldOf(`/${name}`);
    if (errors.length >= limits.fieldProblemsMax) break;
    if (!Object.hasOwn(properties, name)) errors.push({ field, message: "is no parameter of this call" });
    else if (Object.hasOwn(value, name)) errors.push({ field, message: "is given more than once" });
    else value[name] = fromText(properties[name] as Shape, text);
  }
  return { value, errors };
}

function fromText(shape: Shape, text: string): unknown {
  if (shape.type === "integer" && /^-?\d{1,16}$/.test(text)) return Number(text);
  if (shape.type === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}
