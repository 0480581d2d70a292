import type { TSchema } from "@sinclair/typebox";
import { allRoutes } from "./index.ts";
import { type JsonSchema, jsonSchema, namedSchemas } from "./openapi-schema.ts";
import { whoMayCall } from "./openapi.ts";
import { type ErrorCode, commonErrors, errorCodes, tokenErrors } from "./problem.ts";
import { errorsOf } from "./route-errors.ts";
import { type AnyRoute, jsonMedia, none } from "./route.ts";

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ").trim();
}

type Fields = Readonly<Record<string, JsonSchema>>;

/** A schema's type in a few words; one with a name is a link. */
function typeOf(schema: JsonSchema): string {
  const ref = schema["$ref"] as string | undefined;
  if (ref !== undefined) {
    const name = ref.slice(ref.lastIndexOf("/") + 1);
    return `[${name}](#${name.toLowerCase()})`;
  }
  const anyOf = schema["anyOf"] as readonly JsonSchema[] | undefined;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(" or ");
  const choices = schema["enum"] as readonly string[] | undefined;
  if (choices !== undefined) return choices.map((word) => `\`${word}\``).join(", ");
  if (schema["const"] !== undefined) return `\`${String(schema["const"])}\``;
  if (schema["type"] === "array") return `list of ${typeOf(schema["items"] as JsonSchema)}`;
  if (schema["type"] === undefined) return "anything";
  return `${String(schema["type"])}${bounds(schema)}`;
}

function bounds(schema: JsonSchema): string {
  const { minimum, maximum, maxLength } = schema as { readonly minimum?: number; readonly maximum?: number; readonly maxLength?: number };
  if (minimum !== undefined && maximum !== undefined) return maximum === Number.MAX_SAFE_INTEGER ? ` from ${minimum}` : ` ${minimum}–${maximum}`;
  return maxLength === undefined ? "" : `, at most ${maxLength}`;
}

function fieldRows(schema: JsonSchema): string {
  const required = new Set((schema["required"] as readonly string[] | undefined) ?? []);
  const rows = Object.entries((schema["properties"] as Fields | undefined) ?? {}).map(
    ([name, field]) => `| \`${name}\`${required.has(name) ? "" : " (optional)"} | ${cell(typeOf(field))} | ${cell(String(field["description"] ?? ""))} |`,
  );
  return rows.length === 0 ? "" : `| field | type | |\n|---|---|---|\n${rows.join("\n")}\n`;
}

function parameterRows(route: AnyRoute): string {
  const rows = [
    ...Object.entries((jsonSchema(route.params as TSchema)["properties"] as Fields) ?? {}).map(([name, field]) => [`\`${name}\` in the path`, field] as const),
    ...Object.entries((jsonSchema(route.query as TSchema)["properties"] as Fields) ?? {}).map(([name, field]) => [`\`${name}\` in the query`, field] as const),
  ].map(([name, field]) => `| ${name} | ${cell(typeOf(field))} | ${cell(String(field["description"] ?? ""))} |`);
  return rows.length === 0 ? "" : `\n| parameter | type | |\n|---|---|---|\n${rows.join("\n")}\n`;
}

function replyOf(route: AnyRoute): string {
  if (route.reply === none) return `${route.status}, no body`;
  if (route.media !== jsonMedia) return `${route.status}, \`${route.media}\``;
  const schema = jsonSchema(route.reply as TSchema);
  const items = (schema["properties"] as Fields | undefined)?.["items"];
  if (schema["$ref"] === undefined && items !== undefined) return `${route.status}, ${Object.hasOwn(schema["properties"] as Fields, "page") ? "a page: " : ""}\`items\` is a ${typeOf(items)}`;
  return `${route.status}, ${typeOf(schema)}`;
}

const common = new Set<ErrorCode>([...commonErrors, ...tokenErrors, "unsupported_media_type"]);

function routeSection(name: string, route: AnyRoute): string {
  const errors = errorsOf(route).filter((code) => !common.has(code));
  const lines = [
    `### ${route.method} ${route.path}`,
    `\`${name}\`: ${route.summary} For ${whoMayCall(route)}.`,
    parameterRows(route),
    route.body === none ? "" : `Body: ${typeOf(jsonSchema(route.body as TSchema))}${route.example === null ? "" : `, such as \`${JSON.stringify(route.example)}\``}.\n`,
    `Answers ${replyOf(route)}.${route.ifMatch ? " Takes `If-Match`." : ""}${errors.length === 0 ? "" : ` Refuses with ${errors.map((code) => `\`${code}\``).join(", ")}.`}`,
  ];
  return lines.filter((line) => line !== "").map((line) => line.trim()).join("\n\n");
}

function routeSections(): string {
  return [...Map.groupBy(allRoutes, ({ route }) => route.tag as string)]
    .map(([tag, routes]) => `## ${tag}\n\n${routes.map(({ name, route }) => routeSection(name, route)).join("\n\n")}`)
    .join("\n\n");
}

function schemaSections(): string {
  return Object.entries(namedSchemas())
    .map(([name, schema]) => {
      const about = schema["description"] === undefined ? "" : `${String(schema["description"])}\n\n`;
      const fields = fieldRows(schema);
      return `### ${name}\n\n${about}${fields === "" ? `${typeOf(schema)}\n` : fields}`;
    })
    .join("\n");
}

/** The reference page of the REST interface, in Markdown. */
export function apiReference(): string {
  const codes = Object.entries(errorCodes).map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${cell(title)} |`);
  return `# REST interface

<!-- Made by \`scripts/docs\` from src/api/contract; edit the declarations there. -->

The server speaks HTTP and JSON on 127.0.0.1:8080 unless \`controlplane.host\` and \`controlplane.port\` say otherwise. A running
server shows this page for itself at \`/api/docs\`, and as an OpenAPI 3.1 document at \`/api/openapi.json\`.

- **Log in** with \`POST /api/v1/auth/login\` and send the access token with every call: \`Authorization: Bearer …\`. It is good for
  15 minutes; \`POST /api/v1/auth/refresh\` exchanges the refresh token, which is good once and for 7 days, for new ones.
- **Roles**: admin may do all that operator may, operator all that user may.
- **Shares in a path** go without the slash their names begin with, or with it encoded: \`/api/v1/shares/export\`,
  \`/api/v1/shares/%2Fexport\`, \`/api/v1/shares/a%2Fb\`.
- **Lists** come in pages: \`?page=2&page_size=50&sort=-created_at\`.
- **ETag**: a single object comes with one. Sent back as \`If-Match\` with PUT, PATCH or DELETE it makes sure that nobody changed
  the object meanwhile: then the answer is 412 and nothing was done. A share's grants have the share's ETag.
- **Bodies** are JSON objects of at most 1 MiB, with \`Content-Type: application/json\`. A field the call doesn't know is an error.
- **Errors** are problem documents (RFC 9457, \`application/problem+json\`): \`code\` is stable and for programs, \`detail\` and \`hint\`
  are for people, \`errors\` names each field that is wrong, \`instance\` the request in the server's log.

| code | status | |
|---|---|---|
${codes.join("\n")}

Any call can be refused with ${commonErrors.map((code) => `\`${code}\``).join(", ")}; one that needs a token also with
${tokenErrors.map((code) => `\`${code}\``).join(", ")}; one that takes a body with \`unsupported_media_type\`. They are not repeated below.

${routeSections()}

## Objects

Sizes are bytes, times ISO 8601 in UTC; what can't be known is null.

${schemaSections()}`;
}
