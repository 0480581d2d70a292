import { type AnyRoute, eventMediaType, jsonMedia, none } from "#api/contract/route.ts";
import type { Caller } from "#control/services.ts";
import { admit, callerOfRequest } from "./entry.ts";
import { RouteChecks } from "./checks.ts";
import { etagOf, versionOf } from "./etag.ts";
import { type Exchange, targetOf } from "./exchange.ts";
import type { EventStreams } from "./event-streams.ts";
import type { Answer, Call, Followed, Handler, Services } from "./handler.ts";
import type { Bodies } from "./bodies.ts";
import { hostOf } from "./host.ts";
import { Refusal } from "./refusal.ts";
import { jsonReply, reply } from "./replies.ts";
import { shareNameOf } from "./share-access.ts";

/** A route and what answers it. */
export interface Bound {
  readonly name: string;
  readonly route: AnyRoute;
  readonly handler: Handler<AnyRoute>;
  readonly checks: RouteChecks;
}

/** What bounds the calls of all routes together. */
export interface Bounds {
  readonly bodies: Bodies;
  readonly streams: EventStreams;
}

function accepts(request: Request, mediaType: string): boolean {
  return (request.headers.get("accept") ?? "").split(",").some((range) => range.split(";", 1)[0]?.trim().toLowerCase() === mediaType);
}

export function bind(name: string, route: AnyRoute, handler: Handler<AnyRoute>): Bound {
  return { name, route, handler, checks: new RouteChecks(route) };
}

function ifVersionOf(route: AnyRoute, request: Request): number | null {
  const header = request.headers.get("if-match");
  if (header === null) return null;
  // A condition that is not looked at would be taken for one that held.
  if (!route.ifMatch) throw new Refusal("invalid_request", "This call takes no If-Match.");
  return versionOf(header);
}

/** The share a call is about, where it names one. */
function shareOf(route: string, { params, query, body }: Call<AnyRoute>): string | null {
  const named = params.share ?? query?.share ?? body?.share ?? (route === "shares.create" ? body?.name : undefined);
  return typeof named === "string" && named !== "" ? shareNameOf(named) : null;
}

/**
 * Everything the contract demands, in this order, so that nobody learns more than they may: the token, the role, the parameters, the
 * body. Then the handler. Throws what is refused.
 */
export async function answer(bound: Bound, services: Services, { bodies, streams }: Bounds, exchange: Exchange, params: Record<string, unknown>): Promise<Response> {
  const { route, checks } = bound;
  const { request, peer } = exchange;
  let caller: Caller | null = null;
  if (route.role !== "anyone") {
    caller = await callerOfRequest(request, services.control.logins);
    exchange.about.user = caller.user.name;
    admit(route, caller, params);
  }
  const call: Call<AnyRoute> = {
    params: checks.paramsOf(params),
    query: checks.queryOf(targetOf(request).query),
    body: await (caller === null || route.body === none ? checks.bodyOf(request) : bodies.read(caller.user.name, () => checks.bodyOf(request))),
    ifVersion: ifVersionOf(route, request),
    caller,
    actor: { name: caller?.user.name ?? "", address: peer.address },
    address: peer.address,
    host: hostOf(request),
    events: route.events && accepts(request, eventMediaType),
    gone: request.signal,
  } as Call<AnyRoute>;
  const share = shareOf(bound.name, call);
  if (share !== null) exchange.about.share = share;
  const result = (await bound.handler(call)) as Answer<unknown> | Followed<unknown> | undefined;
  if (result !== undefined && "follow" in result) {
    const mayGoOn = async (): Promise<void> => admit(route, await callerOfRequest(request, services.control.logins), params);
    return streams.reply(exchange, result, caller?.user.name ?? "", mayGoOn);
  }
  if (result === undefined) return reply(exchange, route.status, null, {});
  const headers: Record<string, string> = {};
  if (result.version !== undefined) headers["etag"] = etagOf(result.version);
  if (result.location !== undefined) headers["location"] = result.location;
  if (route.media === jsonMedia) return jsonReply(exchange, route.status, result.body, headers);
  return reply(exchange, route.status, result.body as Uint8Array<ArrayBuffer>, { "content-type": route.media, ...headers });
}
