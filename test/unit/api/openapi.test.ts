import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { allRoutes, errorCodes, none } from "../../../src/api/contract/index.ts";
import { openApiDocument } from "../../../src/api/contract/openapi.ts";
import { apiReference } from "../../../src/api/contract/reference.ts";
import { errorsOf } from "../../../src/api/contract/route-errors.ts";
import { type TestApi, serveApi } from "../../support/api-server.ts";
import { fakeControl } from "../../support/fake-control.ts";

type Node = Readonly<Record<string, unknown>>;

const document = JSON.parse(JSON.stringify(openApiDocument("1.2.3"))) as Node;
const paths = document["paths"] as Readonly<Record<string, Readonly<Record<string, Node>>>>;
const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));

let server: TestApi;
beforeAll(async () => {
  server = await serveApi(fakeControl());
});
afterAll(() => server.listener.stop(0));

/** Every object in the document with the way to it. */
function* nodes(value: unknown, at = "#"): Generator<{ readonly at: string; readonly node: Node }> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield { at, node: value as Node };
  for (const [key, inner] of Object.entries(value)) yield* nodes(inner, `${at}/${key}`);
}

function resolve(ref: string): unknown {
  return ref.slice(2).split("/").reduce<unknown>((node, key) => (node as Node | undefined)?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

const schemaKeys = new Set([
  ...["$ref", "type", "enum", "const", "anyOf", "allOf", "items", "properties", "patternProperties", "additionalProperties", "required", "description"],
  ...["minimum", "maximum", "minLength", "maxLength", "pattern", "maxItems", "minItems"],
]);

describe("the document", () => {
  test("has what OpenAPI 3.1 demands of its root", () => {
    expect(document["openapi"]).toMatch(/^3\.1\.\d+$/);
    expect(document["info"]).toMatchObject({ title: expect.any(String), version: "1.2.3" });
    expect(Object.keys(document).sort()).toEqual(["components", "info", "openapi", "paths", "servers", "tags"]);
    expect(Object.keys(document["components"] as Node).every((key) => /^(schemas|responses|parameters|headers|securitySchemes)$/.test(key))).toBe(true);
    for (const kind of Object.values(document["components"] as Node)) for (const name of Object.keys(kind as Node)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
  });

  test("refers to nothing that is not there", () => {
    const refs = [...nodes(document)].filter(({ node }) => "$ref" in node);
    expect(refs.length).toBeGreaterThan(500);
    for (const { at, node } of refs) expect(resolve(node["$ref"] as string), `${at} -> ${String(node["$ref"])}`).toBeDefined();
  });

  test("has an operation for every route, under its name, and no other", () => {
    expect(operations.map(({ operation }) => operation["operationId"] as string).sort()).toEqual(allRoutes.map(({ name }) => name).sort());
    for (const { path, method, operation } of operations) {
      const { route } = allRoutes.find(({ name }) => name === operation["operationId"]) as (typeof allRoutes)[number];
      expect([path, method.toUpperCase()]).toEqual([route.path, route.method]);
    }
  });

  test("declares the parameters of each path, each once and required", () => {
    for (const { path, operation } of operations) {
      const parameters = (operation["parameters"] as readonly Node[]).map((each) => (each["$ref"] === undefined ? each : (resolve(each["$ref"] as string) as Node)));
      const inPath = parameters.filter((each) => each["in"] === "path");
      expect(inPath.map((each) => each["name"]), path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]));
      expect(inPath.every((each) => each["required"] === true), path).toBe(true);
      const keys = parameters.map((each) => `${String(each["in"])} ${String(each["name"])}`);
      expect(new Set(keys).size, path).toBe(keys.length);
      for (const each of parameters) expect(["path", "query", "header"]).toContain(each["in"] as string);
    }
  });

  test("has no two paths that differ in the names of their parameters alone", () => {
    const shapes = Object.keys(paths).map((path) => path.replace(/\{\w+\}/g, "{}"));
    expect(new Set(shapes).size).toBe(shapes.length);
  });

  test("asks for a token exactly where one is needed, and says for whom", () => {
    for (const { operation } of operations) {
      const { route } = allRoutes.find(({ name }) => name === operation["operationId"]) as (typeof allRoutes)[number];
      expect(operation["security"]).toEqual(route.role === "anyone" ? [] : [{ bearer: [] }]);
      expect(operation["description"]).toContain(route.role);
    }
  });

  test("gives every response a description, and every error its problem and codes", () => {
    for (const { operation } of operations) {
      const { name, route } = allRoutes.find((each) => each.name === operation["operationId"]) as (typeof allRoutes)[number];
      const responses = operation["responses"] as Readonly<Record<string, Node>>;
      const codes = Object.entries(responses).flatMap(([status, given]) => {
        const response = (given["$ref"] === undefined ? given : resolve(given["$ref"] as string)) as Node;
        expect(response["description"], name).toEqual(expect.any(String));
        if (Number(status) < 400) return [];
        const { schema, examples } = (response["content"] as Readonly<Record<string, { schema: { allOf: Node[] }; examples: Readonly<Record<string, { value: { status: number; code: string } }>> }>>)["application/problem+json"] as never as {
          schema: { allOf: readonly Node[] };
          examples: Readonly<Record<string, { value: { status: number; code: string } }>>;
        };
        const named = ((schema.allOf[1]?.["properties"] as Node)["code"] as { enum: string[] }).enum;
        expect(Object.keys(examples)).toEqual(named);
        for (const code of named) expect(String(errorCodes[code as keyof typeof errorCodes].status)).toBe(status);
        return named;
      });
      expect(codes.sort(), name).toEqual([...errorsOf(route)].sort());
      expect(Object.keys(responses).filter((status) => Number(status) < 400), name).toEqual([String(route.status)]);
    }
  });

  test("uses nothing in schemas that JSON Schema 2020-12 doesn't know", () => {
    const isSchemaPlace = /\/(?:schema|items|additionalProperties)$|\/(?:schemas|properties|patternProperties)\/[^/]+$|\/(?:anyOf|allOf)\/\d+$/;
    let seen = 0;
    for (const { at, node } of nodes(document)) {
      if (!isSchemaPlace.test(at) || at.includes("/examples/") || at.includes("/example/")) continue;
      seen++;
      for (const key of Object.keys(node)) expect(schemaKeys.has(key), `${at}/${key}`).toBe(true);
      if (typeof node["pattern"] === "string") expect(() => new RegExp(node["pattern"] as string, "u"), at).not.toThrow();
      if (node["required"] !== undefined) for (const name of node["required"] as readonly string[]) expect(Object.keys(node["properties"] as Node), at).toContain(name);
    }
    expect(seen).toBeGreaterThan(500);
  });

  test("has examples that are what they are examples of", () => {
    for (const { name, route } of allRoutes) {
      if (route.body === none) expect(route.example, name).toBeNull();
      else expect([...Value.Errors(route.body as TSchema, route.example)].map(({ path, message }) => `${name}${path}: ${message}`)).toEqual([]);
    }
  });

  test("is served to anyone", async () => {
    const response = await server.raw("GET", "/api/openapi.json");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(((await response.json()) as { info: { version: string } }).info.version).toBe("0.0.0-test");
  });
});

describe("the browsable page", () => {
  test("needs nothing but this server", async () => {
    const response = await server.raw("GET", "/api/docs");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = response.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const html = await response.text();
    expect(html).not.toMatch(/https?:|\/\/[a-z]|<style|style=|\son\w+=|<script>/);
    const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
    expect(parts.length).toBe(5);
    for (const part of parts) {
      const served = await server.raw("GET", part);
      expect(served.status, part).toBe(200);
      expect((await served.arrayBuffer()).byteLength, part).toBeGreaterThan(100);
    }
  });

  test("its script and style are told as what they are", async () => {
    const types = await Promise.all(["swagger-ui.js", "start.js", "swagger-ui.css", "favicon.png"].map(async (name) => (await server.raw("HEAD", `/api/docs/${name}`)).headers.get("content-type")));
    expect(types).toEqual(["text/javascript; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8", "image/png"]);
  });

  test("takes no other method", async () => {
    expect((await server.raw("POST", "/api/docs")).headers.get("allow")).toBe("GET, HEAD");
  });
});

test("the reference page is that of the contract (./scripts/docs writes it)", () => {
  expect(readFileSync(join(import.meta.dir, "../../../docs/reference/api.md"), "utf8")).toBe(apiReference());
});
