import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };
import icon from "swagger-ui-dist/favicon-32x32.png" with { type: "file" };
import { openApiDocument } from "#api/contract/openapi.ts";
import type { Exchange } from "./exchange.ts";
import { reply } from "./replies.ts";

/**
 * The browsable page of the interface and the document it shows. Everything comes from this server, so that it works without a
 * network and under a policy that lets nothing else in. Anyone may read it: it tells what can be asked, not what is there.
 */

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>DittoFS REST interface</title>
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/api/docs/favicon.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript. The document it shows is at <a href="/api/openapi.json">/api/openapi.json</a>.</noscript>
<script src="/api/docs/swagger-ui.js"></script>
<script src="/api/docs/start.js"></script>
</body>
</html>
`;

const start = `SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayOperationId: true,
  filter: true,
  validatorUrl: null,
});
`;

/** Scripts and styles from here alone. Swagger UI draws its icons from data addresses. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Served {
  readonly type: string;
  readonly body: () => string | Blob;
}

/** What is served beside the routes of the contract, by path. */
export function docsPages(version: string): Readonly<Record<string, Served>> {
  let document: string | null = null;
  return {
    "/api/openapi.json": { type: "application/json", body: () => (document ??= JSON.stringify(openApiDocument(version))) },
    "/api/docs": { type: "text/html; charset=utf-8", body: () => page },
    "/api/docs/start.js": { type: "text/javascript; charset=utf-8", body: () => start },
    "/api/docs/swagger-ui.js": { type: "text/javascript; charset=utf-8", body: () => Bun.file(script) },
    "/api/docs/swagger-ui.css": { type: "text/css; charset=utf-8", body: () => Bun.file(style) },
    "/api/docs/favicon.png": { type: "image/png", body: () => Bun.file(icon) },
  };
}

export function servePage(exchange: Exchange, served: Served): Response {
  return reply(exchange, 200, served.body(), { "content-type": served.type, "content-security-policy": policy });
}
