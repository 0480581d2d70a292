import { Kind, type TSchema } from "@sinclair/typebox";
import { FieldProblem, Problem } from "./problem.ts";
import * as schemas from "./schemas.ts";

/** A JSON Schema as the document holds it (OpenAPI 3.1 takes JSON Schema 2020-12 as it is). */
export type JsonSchema = { readonly [key: string]: unknown };

const isSchema = (value: unknown): value is TSchema => typeof value === "object" && value !== null && Kind in value;

/** The schemas that have a name of their own, by which the others refer to them: objects and lists of words. */
const named: ReadonlyMap<object, string> = new Map(
  Object.entries({ ...schemas, Problem, FieldProblem } as Readonly<Record<string, unknown>>).flatMap(([name, value]) =>
    isSchema(value) && (value["type"] === "object" || value["anyOf"] !== undefined) ? [[value as object, name] as const] : [],
  ),
);

const sub = (schema: unknown): unknown => (isSchema(schema) ? jsonSchema(schema) : schema);

/** A schema of the contract as JSON Schema, with references to those that have a name. */
export function jsonSchema(schema: TSchema): JsonSchema {
  const name = named.get(schema);
  return name === undefined ? whole(schema) : { $ref: `#/components/schemas/${name}` };
}

/** Words to choose from are an `enum`, which every tool shows better than an `anyOf` of constants. */
function words(schema: TSchema): readonly unknown[] | null {
  const variants = schema["anyOf"] as readonly TSchema[] | undefined;
  return variants !== undefined && variants.every((each) => each["const"] !== undefined) ? variants.map((each) => each["const"]) : null;
}

function whole(schema: TSchema): JsonSchema {
  const choices = words(schema);
  if (choices !== null) return { type: "string", enum: choices, ...(schema.description === undefined ? {} : { description: schema.description }) };
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties" || key === "patternProperties") out[key] = Object.fromEntries(Object.entries(value as object).map(([field, each]) => [field, sub(each)]));
    else if (Array.isArray(value)) out[key] = value.map(sub);
    else out[key] = sub(value);
  }
  return out;
}

/** Every schema with a name, whole. */
export function namedSchemas(): Readonly<Record<string, JsonSchema>> {
  return Object.fromEntries([...named].map(([schema, name]) => [name, whole(schema as TSchema)]).sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)));
}
