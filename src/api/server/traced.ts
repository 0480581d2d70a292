import { allRoutes } from "#api/contract/index.ts";
import { parseTraceParent } from "#base/traceparent.ts";
import { Kind, type Span, spanned, tracer } from "#telemetry/tracing/index.ts";
import type { Exchange } from "./exchange.ts";

/** From here on an answer says that the server failed (OpenTelemetry's conventions for HTTP servers). */
const serverError = 500;

const paths = new Map(allRoutes.map(({ name, route }) => [name, route.path]));

/**
 * Answers a request, as a span where it is followed: as its caller says in `traceparent` (W3C Trace Context), else as many as of any
 * requests. Of its address the route alone is told: paths name users and shares, queries more.
 */
export function traced(exchange: Exchange, answer: () => Promise<Response>): Promise<Response> {
  const span = begun(exchange);
  return span === null ? answer() : spanned(span, answer, (_, response) => answered(span, exchange, response));
}

function begun({ request, peer }: Exchange): Span | null {
  if (tracer === null) return null;
  const header = request.headers.get("traceparent");
  const parent = header === null ? null : parseTraceParent(header);
  if (!(parent === null ? tracer.samples() : parent.sampled)) return null;
  return tracer.begin(request.method, Kind.server, { "http.request.method": request.method, "network.peer.address": peer.address }, parent);
}

function answered(span: Span, { request, route }: Exchange, { status }: Response): void {
  const path = paths.get(route);
  if (path !== undefined) {
    span.rename(`${request.method} ${path}`);
    span.set("http.route", path);
  }
  span.set("http.response.status_code", status);
  if (status >= serverError) span.fail(String(status));
}
