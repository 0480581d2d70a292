import type { TSchema } from "@sinclair/typebox";
import { allRoutes } from "./index.ts";
import { type JsonSchema, jsonSchema, namedSchemas } from "./openapi-schema.ts";
import { type ErrorCode, errorCodes, problemMediaType, problemType } from "./problem.ts";
import { errorsOf } from "./route-errors.ts";
import { type AnyRoute, eventMediaType, jsonMedia, none } from "./route.ts";

type Node = { readonly [key: string]: unknown };

const retryStatuses = new Set([429, 503]);

const problemExample = (code: ErrorCode): Node => {
  const { status, title } = errorCodes[code];
  return { summary: title, value: { type: problemType(code), title, status, detail: `${title}.`, instance: "urn:dittofs:request:0123456789ab-1", code } };
};

function problemResponse(codes: readonly ErrorCode[], status: number): Node {
  return {
    description: codes.map((code) => `${code}: ${errorCodes[code].title}.`).join(" "),
    headers: { "X-Request-Id": { $ref: "#/components/headers/RequestId" }, ...(retryStatuses.has(status) ? { "Retry-After": { $ref: "#/components/headers/RetryAfter" } } : {}) },
    content: {
      [problemMediaType]: {
        schema: { allOf: [{ $ref: "#/components/schemas/Problem" }, { type: "object", properties: { code: { type: "string", enum: codes } } }] },
        examples: Object.fromEntries(codes.map((code) => [code, problemExample(code)])),
      },
    },
  };
}

/** The codes a call can be refused with, by status, each with the name its response has in the document: many calls share one. */
function problemsOf(route: AnyRoute): readonly { readonly status: number; readonly codes: readonly ErrorCode[]; readonly name: string }[] {
  return [...Map.groupBy(errorsOf(route), (code) => errorCodes[code].status)]
    .sort(([a], [b]) => a - b)
    .map(([status, codes]) => ({ status, codes: codes.toSorted(), name: codes.toSorted().join(".") }));
}

function problemResponses(): Node {
  const problems = allRoutes.flatMap(({ route }) => problemsOf(route));
  return Object.fromEntries(problems.map(({ name, codes, status }) => [name, problemResponse(codes, status)]));
}

function parameters(where: "path" | "query", schema: TSchema): readonly Node[] {
  const required = new Set((schema["required"] as readonly string[] | undefined) ?? []);
  return Object.entries(schema["properties"] as Readonly<Record<string, TSchema>>).map(([name, each]) => {
    const { description, ...rest } = jsonSchema(each) as JsonSchema & { readonly description?: string };
    return { name, in: where, required: where === "path" || required.has(name), ...(description === undefined ? {} : { description }), schema: rest };
  });
}

const eventSchema: Node = { type: "string", description: "Events whose data is the JSON of a reply each. The last one, where the server ends the stream, has the type `end` and the code and detail of a problem." };

function successResponse(route: AnyRoute): Node {
  const headers: Record<string, Node> = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } };
  const isList = route.media !== jsonMedia || Object.hasOwn((route.reply as TSchema)["properties"] ?? {}, "items");
  if (route.reply !== none && route.role !== "anyone" && !isList) headers["ETag"] = { $ref: "#/components/headers/ETag" };
  if (route.status === 201) headers["Location"] = { $ref: "#/components/headers/Location" };
  return {
    description: route.summary,
    headers,
    ...(route.reply === none ? {} : { content: { [route.media]: route.media === jsonMedia ? { schema: jsonSchema(route.reply as TSchema) } : {}, ...(route.events ? { [eventMediaType]: { schema: eventSchema } } : {}) } }),
  };
}

/** Who may make a call, in words. */
export function whoMayCall(route: AnyRoute): string {
  if (route.role === "anyone") return "anyone, without a token";
  const role = route.role === "admin" ? "role admin" : `role ${route.role} or above`;
  return `${role}${route.self === null ? "" : ", or the user themself"}${route.beforePasswordChange ? "; also before a password that must be changed is" : ""}`;
}

function operation(name: string, route: AnyRoute): Node {
  return {
    operationId: name,
    tags: [route.tag],
    summary: route.summary,
    description: `For ${whoMayCall(route)}.`,
    security: route.role === "anyone" ? [] : [{ bearer: [] }],
    parameters: [...parameters("path", route.params), ...parameters("query", route.query), ...(route.ifMatch ? [{ $ref: "#/components/parameters/IfMatch" }] : [])],
    ...(route.body === none
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: jsonSchema(route.body as TSchema), ...(route.example === null ? {} : { example: route.example }) } } } }),
    responses: { [String(route.status)]: successResponse(route), ...Object.fromEntries(problemsOf(route).map(({ status, name: key }) => [String(status), { $ref: `#/components/responses/${key}` }])) },
  };
}

function paths(): Node {
  const found: Record<string, Record<string, Node>> = {};
  for (const { name, route } of allRoutes) (found[route.path as string] ??= {})[route.method.toLowerCase()] = operation(name, route);
  return found;
}

const description = `Everything an operator changes: users, groups, shares, stores, adapters, permissions. What is changed takes effect at once.

Log in with \`POST /api/v1/auth/login\` and send the access token with every call: \`Authorization: Bearer …\`. It is good for a
quarter of an hour; \`POST /api/v1/auth/refresh\` exchanges the refresh token for new ones. Whatever is refused is answered by a
problem document (RFC 9457) with a stable \`code\` and, where there is something to do, a \`hint\`. A single object comes with an
\`ETag\`; sent back as \`If-Match\` it makes sure that nobody changed the object meanwhile. Names of shares in a path go without their
slash, or with it as \`%2F\`.`;

/** The interface as an OpenAPI 3.1 document. */
export function openApiDocument(version: string): Node {
  return {
    openapi: "3.1.1",
    info: { title: "DittoFS", version, summary: "The REST interface of the DittoFS server", description, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    tags: [...new Set(allRoutes.map(({ route }) => route.tag))].map((name) => ({ name })),
    paths: paths(),
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "The access_token of a log-in." } },
      headers: {
        RequestId: { description: "Names this request in the server's log.", schema: { type: "string" } },
        RetryAfter: { description: "Seconds to wait before trying again.", schema: { type: "integer" } },
        ETag: { description: "The version of a single object, for If-Match.", schema: { type: "string" } },
        Location: { description: "The path of what was created.", schema: { type: "string" } },
      },
      parameters: {
        IfMatch: { name: "If-Match", in: "header", required: false, description: 'The ETag of what is changed: refused with 412 where it has another by now. "*" takes any.', schema: { type: "string" }, example: '"v3"' },
      },
      responses: problemResponses(),
      schemas: namedSchemas(),
    },
  };
}
