import { Elysia } from "elysia";
import { allRoutes } from "#api/contract/index.ts";
import { type AnyRoute, none } from "#api/contract/route.ts";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Runtime } from "#control/runtime.ts";
import type { ControlPlane } from "#control/services.ts";
import type { Logger } from "#telemetry/logger.ts";
import { type Metrics, noMetrics } from "#telemetry/metrics/metrics.ts";
import type { Profiles } from "#telemetry/profiling/profiler.ts";
import { Bodies } from "./bodies.ts";
import { Calls, noSlowCalls, refuse, type SlowCalls } from "./calls.ts";
import { EventStreams } from "./event-streams.ts";
import { Exchange, type Peer, targetOf } from "./exchange.ts";
import { docsPages, servePage } from "./docs-page.ts";
import type { About, Handler } from "./handler.ts";
import { allHandlers } from "./handlers/all.ts";
import { checkHost } from "./host.ts";
import { limits } from "./limits.ts";
import { Measures } from "./measures.ts";
import { type Paths, pathsOf } from "./paths.ts";
import { type Bound, answer, bind } from "./pipeline.ts";
import { Refusal } from "./refusal.ts";
import { reply } from "./replies.ts";
import { traced } from "./traced.ts";

export interface ApiOptions {
  readonly control: ControlPlane;
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly about: About;
  readonly profiles: Profiles;
  /** Served over TLS: browsers are told never to come without. */
  readonly tls: boolean;
  /** The names it may be called by, besides addresses and localhost; null: any. */
  readonly hosts: readonly string[] | null;
  /** Absent: no call is slow. */
  readonly slow?: SlowCalls;
  readonly metrics?: Metrics;
}

export interface Api {
  /** Answers a request. Never fails: whatever goes wrong is answered by a problem document. */
  fetch(request: Request, peer: Peer): Promise<Response>;
  /** Refuses new calls; resolves when those in hand are answered. */
  close(): Promise<void>;
}

function boundRoutes(options: ApiOptions): readonly Bound[] {
  const handlers = allHandlers(options) as unknown as Readonly<Record<string, Readonly<Record<string, Handler<AnyRoute>>>>>;
  return allRoutes.map(({ name, route }) => {
    const [noun, verb] = name.split(".") as [string, string];
    return bind(name, route, handlers[noun]?.[verb] as Handler<AnyRoute>);
  });
}

/** Something whose path is known but not the method, or not even the path. */
function refuseUnrouted(paths: Paths, exchange: Exchange): Response {
  const methods = paths.methodsOf(targetOf(exchange.request).path);
  if (methods.length === 0) return refuse(exchange, new Refusal("not_found", "There is nothing at this path.", { hint: "/api/docs lists every call." }));
  const allow = methods.join(", ");
  return refuse(exchange, new Refusal("method_not_allowed", `This path takes ${allow}.`, { headers: { allow } }));
}

/** `{username}` as Elysia writes it. */
const elysiaPath = (path: string): string => path.replace(/\{(\w+)\}/g, ":$1");

/** Builds the REST interface. */
export function createApi(options: ApiOptions, measures: Measures = new Measures(options.metrics ?? noMetrics)): Api {
  const { clock, logger } = options;
  const calls = new Calls(clock, logger, measures, options.slow ?? noSlowCalls);
  const bounds = { bodies: new Bodies(), streams: new EventStreams() };
  const exchanges = new WeakMap<Request, Exchange>();
  const exchangeOf = (request: Request): Exchange => exchanges.get(request) as Exchange;
  // Where an address begins after its scheme, for Elysia's search for the path: the listener's are http:// always, and 11, for https://, would pass over a host of one or two letters.
  const app = new Elysia({ normalize: false, handler: { standardHostname: false } });
  const pageAt = (path: string, request: Request): Exchange => {
    const exchange = exchangeOf(request);
    exchange.pattern = path;
    return exchange;
  };
  const pages = docsPages(options.about.version);
  const paths = pathsOf([...["/", ...Object.keys(pages)].map((path) => ({ method: "GET" as const, path })), ...allRoutes.map(({ route }) => route)]);

  for (const bound of boundRoutes(options)) {
    const { method, path, unhurried, role, body } = bound.route;
    const stranger = role === "anyone" && body !== none;
    // Elysia reads a handler's text to learn what it uses: named so, it prepares nothing but these two.
    const handle = ({ request, params }: { request: Request; params?: Record<string, unknown> }): Promise<Response> => {
      const exchange = exchangeOf(request);
      exchange.route = bound.name;
      exchange.unhurried = unhurried;
      exchange.pattern = path;
      measures.began(exchange);
      if (unhurried) exchange.peer.unhurried();
      const begin = (): Promise<Response> => {
        const work = answer(bound, options, bounds, exchange, params ?? {});
        return unhurried ? work : calls.timed(exchange, work);
      };
      const answered = (stranger ? calls.stranger(begin) : begin()).catch((error: unknown) => refuse(exchange, error));
      return answered.finally(() => measures.done(exchange));
    };
    app.route(method, elysiaPath(path), handle, { parse: "none" });
  }
  for (const [path, served] of Object.entries(pages)) app.get(path, ({ request }) => servePage(pageAt(path, request), served));
  app.get("/", ({ request }) => reply(pageAt("/", request), 307, null, { location: "/health" }));
  app.onError(({ request, code, error }) => {
    const exchange = exchangeOf(request);
    return code === "NOT_FOUND" ? refuseUnrouted(paths, exchange) : refuse(exchange, error);
  });
  return { fetch: fetcher(app, calls, exchanges, options), close: () => (bounds.streams.close(), calls.close()) };
}

function fetcher(app: { fetch(request: Request): Response | Promise<Response> }, calls: Calls, exchanges: WeakMap<Request, Exchange>, options: ApiOptions): Api["fetch"] {
  const run = Buffer.from(options.random.bytes(6)).toString("hex");
  let number = 0;
  return async (request, peer) => {
    const exchange = new Exchange(request, peer, `${run}-${++number}`, options.clock.monotonicMs());
    exchanges.set(request, exchange);
    const work = async (): Promise<Response> => {
      if (request.url.length > limits.targetBytesMax) throw new Refusal("too_large", `The address is longer than ${limits.targetBytesMax} bytes.`);
      checkHost(request, options.hosts);
      return await app.fetch(request);
    };
    const response = await traced(exchange, () => calls.run(exchange, work));
    if (options.tls) response.headers.set("strict-transport-security", "max-age=31536000");
    return response;
  };
}
