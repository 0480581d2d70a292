import { expect } from "bun:test";
import { Kind, type TSchema } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { Problem, errorCodes } from "../../src/api/contract/index.ts";

const problemCheck = TypeCompiler.Compile(Problem);

/** Frames and places of source code. */
export const traces = /\bat (?:async )?[\w.<>]+ \([^)]*:\d+|\.(?:ts|js|mjs):\d+|node_modules|\/src\/|bun:sqlite|SQLITE_|SQLiteError|DrizzleQuery|insert into|\bselect\b.*\bfrom\b/i;
/** What bcrypt hashes and tokens of ours look like. */
export const secretShapes = /\$2[aby]\$\d\d\$|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\./;

/** What is wrong with an answer to whatever was sent, in words; null: nothing. Bad health may be told as such. */
export function faultOf(status: number, type: string | null, text: string, secrets: readonly string[]): string | null {
  const sick = status === 503 && text.includes('"health":{');
  if (status >= 500 && !sick) return `answered ${status}: ${text.slice(0, 300)}`;
  const leaked = secrets.find((secret) => text.includes(secret));
  if (leaked !== undefined) return `holds the secret ${leaked}`;
  if (status < 400) return null;
  if (type !== "application/problem+json") return `answered ${status} as ${type}`;
  const problem = JSON.parse(text) as Problem;
  if (!problemCheck.Check(problem)) return `answered ${status} with what is no problem document: ${text.slice(0, 300)}`;
  const known = errorCodes[problem.code as keyof typeof errorCodes] as { readonly status: number } | undefined;
  if (known?.status !== status || problem.status !== status) return `answered ${status} with the code ${problem.code}`;
  return traces.test(text) ? `shows the inside: ${text.slice(0, 300)}` : null;
}

/** The problem document of an answer, after it was looked at. */
export async function problemOf(response: Response, secrets: readonly string[] = []): Promise<Problem> {
  const text = await response.text();
  expect(faultOf(response.status, response.headers.get("content-type"), text, secrets)).toBeNull();
  expect(response.status).toBeGreaterThanOrEqual(400);
  return JSON.parse(text) as Problem;
}

interface Shape {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly TSchema[];
  readonly minimum?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
}

/** A text of each pattern there is. */
const samples = ["sample12", "sample", "/sample", "12", "0123456789abcdef"];

/** Some value a schema takes, the same each time; of an object only what has to be there. */
export function sampleOf(schema: TSchema): unknown {
  const shape = schema as Shape & TSchema;
  if (shape.const !== undefined) return shape.const;
  if (shape.anyOf !== undefined) return sampleOf(shape.anyOf[0] as TSchema);
  switch (shape.type) {
    case "string":
      return samples.find((sample) => shape.pattern === undefined || new RegExp(shape.pattern).test(sample)) ?? "";
    case "integer":
    case "number":
      return shape.minimum ?? 1;
    case "boolean":
      return true;
    case "array":
      return [];
    case "null":
      return null;
    default:
      return schema[Kind] === "Object" ? Object.fromEntries((shape.required ?? []).map((name) => [name, sampleOf((shape.properties ?? {})[name] as TSchema)])) : {};
  }
}

/** A path with these parameters, encoded. */
export function pathOf(path: string, params: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
}
