import { TypeCompiler } from "@sinclair/typebox/compiler";
import { allRoutes, none } from "../../../src/api/contract/index.ts";
import { openApiDocument } from "../../../src/api/contract/openapi.ts";
import type { TestApi } from "../../support/api-server.ts";
import { faultOf } from "../../support/api-checks.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

/** Calls made up from the OpenAPI document alone: mostly as it says, often a little wrong, sometimes nonsense. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
}

interface Parameter {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly schema: Schema;
}

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: { readonly allOf?: readonly Schema[] } }>>;
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: { readonly "application/json": { readonly schema: Schema } } };
  readonly responses: Readonly<Record<string, Response>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>>; readonly responses: Readonly<Record<string, Response>> };
}

const document = openApiDocument("1") as unknown as Document;

/** Few names, so that calls meet what other calls made; none of those whose tokens are used. */
const words = ["alice", "alice", "alice", "staff", "staff", "staff", "/a", "/a", "/a", "logging.level", "logging.level", "path", "debug", "/srv/blocks", "bob", "lab", "default", "fast", "nfs", "/a", "/b/c", "/default", "127.0.0.1", "10.0.0.0/8", "host.example", "memory", "filesystem", "sqlite", "path", "logging.level", "max_connections", "info", "correct horse", "some text", "2026-01-31T12:00:00Z", "4k"];
const nasty: readonly unknown[] = [null, true, 0, -1, 1e300, 2 ** 53, "", " ", "\u0000", "../..", "%00", "'; DROP TABLE users; --", "\ud800", "x".repeat(5000), "𝕏".repeat(80), [], {}, [[[]]], { a: { b: {} } }, "__proto__", "NaN", "1;2", "\r\n", "/", "//", "/.", "/..", "/a/../b"];

class Maker {
  readonly chance: SeededRandom;
  /** The part of the values that are not what the schema says. */
  private readonly wrong: number;

  constructor(chance: SeededRandom, wrong: number) {
    this.chance = chance;
    this.wrong = wrong;
  }

  value(given: Schema): unknown {
    const { chance } = this;
    if (chance.chance(this.wrong)) return chance.pick(nasty);
    const schema = given.$ref === undefined ? given : (document.components.schemas[given.$ref.split("/").at(-1) as string] as Schema);
    if (schema.enum !== undefined) return chance.pick(schema.enum);
    if (schema.const !== undefined) return schema.const;
    if (schema.anyOf !== undefined) return this.value(chance.pick(schema.anyOf));
    switch (schema.type) {
      case "string":
        return this.text(schema);
      case "integer":
        return chance.pick([schema.minimum ?? 0, (schema.minimum ?? 0) + chance.below(3000), schema.maximum ?? 1000]);
      case "number":
        return chance.pick([0, 1.5, 4096]);
      case "boolean":
        return chance.chance(0.5);
      case "null":
        return null;
      case "array":
        return Array.from({ length: chance.below(4) }, () => this.value(schema.items ?? {}));
      default:
        return this.object(schema);
    }
  }

  private text(schema: Schema): string {
    const pattern = schema.pattern === undefined ? null : new RegExp(schema.pattern);
    const fitting = words.filter((word) => (pattern?.test(word) ?? true) && word.length <= (schema.maxLength ?? 4096));
    return fitting.length === 0 ? this.chance.pick(words) : this.chance.pick(fitting);
  }

  private object(schema: Schema): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    const required = new Set(schema.required);
    for (const [name, each] of Object.entries(schema.properties ?? {})) {
      const wanted = required.has(name) ? !this.chance.chance(this.wrong) : this.chance.chance(0.3);
      if (wanted) out[name] = this.value(each);
    }
    for (const each of Object.values(schema.patternProperties ?? {})) if (this.chance.chance(0.7)) out[this.chance.pick(words)] = this.value(each);
    if (this.chance.chance(this.wrong)) out[this.chance.pick(["nonsense", "__proto__", "constructor", ""])] = this.chance.pick(nasty);
    return out;
  }
}

const asText = (value: unknown): string => (typeof value === "string" ? value.toWellFormed() : JSON.stringify(value));

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly init: { readonly token?: string; readonly body?: string; readonly headers: Readonly<Record<string, string>> };
  /** The call is one of the document's, whatever is wrong with it. */
  readonly declared: boolean;
}

function make(operation: Operation, method: string, path: string, chance: SeededRandom, tokens: readonly (string | null)[]): Sent {
  const maker = new Maker(chance, chance.pick([0, 0, 0.03, 0.15]));
  const query = new URLSearchParams();
  let target = path;
  for (const parameter of operation.parameters) {
    if (parameter.$ref !== undefined) continue;
    const value = asText(maker.value(parameter.schema));
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, () => encodeURIComponent(value) || "%20");
    else if (chance.chance(0.35)) query.set(parameter.name, value);
  }
  const schema = operation.requestBody?.content["application/json"].schema;
  const headers: Record<string, string> = {};
  if (chance.chance(0.15)) headers["if-match"] = chance.pick(["*", '"v1"', '"v2"', 'W/"v1"', "v1", '"', '"a", "b"', ""]);
  if (chance.chance(0.03)) headers["content-type"] = chance.pick(["text/plain", "application/xml", "application/json; charset=utf-8", "multipart/form-data"]);
  let body = schema === undefined ? undefined : JSON.stringify(maker.value(schema));
  if (body !== undefined && chance.chance(0.03)) body = chance.pick(["", "{", body.slice(0, -1), `${body}x`, "\ufeff{}", "[".repeat(50_000)]);
  if (body === undefined && method !== "get" && chance.chance(0.03)) body = "{}";
  const otherMethod = chance.chance(0.02);
  const token = chance.pick(tokens);
  const text = query.toString();
  return {
    method: otherMethod ? chance.pick(["PATCH", "PUT", "DELETE", "POST", "OPTIONS", "PROPFIND"]) : method.toUpperCase(),
    path: `${target}${text === "" ? "" : `?${text}`}`,
    init: { ...(token === null ? {} : { token }), ...(body === undefined || (method === "get" && !otherMethod) ? {} : { body }), headers },
    // Dots alone make another path of it before it is sent.
    declared: !otherMethod && !/\/(?:\.|%2e){1,2}(?:\/|$|\?)/i.test(target),
  };
}

/** The codes an operation's answers of a status may have. */
function codesOf(operation: Operation, status: number): readonly unknown[] {
  const given = operation.responses[String(status)];
  const response = given?.$ref === undefined ? given : document.components.responses[given.$ref.slice("#/components/responses/".length)];
  return response?.content?.["application/problem+json"]?.schema.allOf?.[1]?.properties?.["code"]?.enum ?? [];
}

const replies = new Map(allRoutes.map(({ name, route }) => [name, { status: route.status, media: route.media as string, check: route.reply === none ? null : TypeCompiler.Compile(route.reply) }]));

function judge(operation: Operation, declared: boolean, status: number, type: string | null, text: string, secrets: readonly string[]): string | null {
  const name = operation.operationId;
  const ownTokens = name === "auth.login" || name === "auth.refresh";
  const fault = faultOf(status, type, text, ownTokens && status < 400 ? [] : secrets);
  if (fault !== null || !declared) return fault;
  if (status >= 400) {
    const { code } = JSON.parse(text) as { readonly code: string };
    return codesOf(operation, status).includes(code) ? null : `answered ${status} ${code}, which the document doesn't name: ${text.slice(0, 300)}`;
  }
  const reply = replies.get(name);
  if (status !== reply?.status) return `answered ${status} instead of ${reply?.status}`;
  if (reply.check === null) return text === "" ? null : `answered a body where there is none`;
  if (type !== reply.media) return `answered ${type}`;
  if (type !== "application/json") return text === "" ? "answered nothing" : null;
  const wrong = reply.check.Errors(JSON.parse(text)).First();
  return wrong === undefined ? null : `answered what is not its reply: ${wrong.path} ${wrong.message}: ${text.slice(0, 300)}`;
}

export interface FuzzOptions {
  readonly seed: number;
  readonly calls: number;
  /** Null: without a token. */
  readonly tokens: readonly (string | null)[];
  readonly secrets: readonly string[];
  /** Operations that are left out. */
  readonly except: readonly string[];
}

export interface FuzzResult {
  /** What was wrong, with the call that made it so. */
  readonly faults: readonly string[];
  /** Calls by operation that succeeded: a fuzzer that is always refused at the door finds nothing. */
  readonly succeeded: ReadonlyMap<string, number>;
}

/** Makes so many calls, one after another. The same seed makes the same calls. */
export async function fuzz(server: TestApi, options: FuzzOptions): Promise<FuzzResult> {
  const chance = new SeededRandom(options.seed);
  const operations = Object.entries(document.paths)
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
    .filter(({ operation }) => !options.except.includes(operation.operationId))
    // What is deleted at once is never used.
    .flatMap((each) => (each.method === "delete" ? [each] : [each, each, each]));
  const faults: string[] = [];
  const succeeded = new Map<string, number>();
  for (let number = 0; number < options.calls; number++) {
    const { path, method, operation } = chance.pick(operations);
    const sent = make(operation, method, path, chance, options.tokens);
    const response = await server.raw(sent.method, sent.path, sent.init);
    const text = await response.text();
    const fault = judge(operation, sent.declared, response.status, response.headers.get("content-type"), text, options.secrets);
    if (fault !== null) faults.push(`call ${number} of seed ${options.seed}, ${operation.operationId} ${sent.method} ${sent.path.slice(0, 200)} ${sent.init.body?.slice(0, 300) ?? ""}: ${fault}`);
    else if (response.status < 400) succeeded.set(operation.operationId, (succeeded.get(operation.operationId) ?? 0) + 1);
  }
  return { faults, succeeded };
}
