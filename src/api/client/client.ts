import type { Clock } from "#base/clock.ts";
import { contract } from "#api/contract/index.ts";
import { type Problem, problemMediaType } from "#api/contract/problem.ts";
import { type AnyRoute, type Reply, eventMediaType, jsonMedia, none, pageSizeMax } from "#api/contract/route.ts";
import type { Tokens } from "#api/contract/schemas.ts";
import { ApiError, ConnectError, explain } from "./errors.ts";
import { repliesOf, StreamEnded } from "./events.ts";
import type { Args } from "./input.ts";
import type { TokenPair, TokenSource } from "./tokens.ts";

export interface ClientTls {
  /** PEM: authorities to trust instead of the system's. */
  readonly ca?: string;
  /** PEM: what to show a server that asks for a client certificate. */
  readonly cert?: string;
  readonly key?: string;
  /** Take any certificate: the answers may come from anybody. */
  readonly insecure?: boolean;
}

export interface ClientOptions {
  /** `http://127.0.0.1:8080`. */
  readonly baseUrl: string;
  readonly tokens?: TokenSource;
  readonly tls?: ClientTls;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** `dittofs/0.2.0`. */
  readonly userAgent?: string;
  /** The trace its calls belong to, as W3C Trace Context writes it; null: none. */
  readonly traceParent?: string | null;
}

/** A reply with what its headers say. */
export interface Exchange<R extends AnyRoute> {
  readonly body: Reply<R>;
  readonly etag: string | null;
  readonly location: string | null;
}

interface List<T> {
  readonly items: readonly T[];
  readonly total: number;
}

/** The routes whose reply is a page of a list. */
type ListRoute = AnyRoute & { readonly reply: { readonly static: List<unknown> } };
type Item<R extends ListRoute> = Reply<R> extends List<infer T> ? T : never;

export interface Client {
  /** Calls a route and gives the reply's body. Throws ApiError, ConnectError. */
  call<R extends AnyRoute>(route: R, ...args: Args<R>): Promise<Reply<R>>;
  /** The same with the ETag. */
  exchange<R extends AnyRoute>(route: R, ...args: Args<R>): Promise<Exchange<R>>;
  /** The replies of a route that has an event stream, as they come, until the caller has enough. Throws StreamEnded where the server does. */
  follow<R extends AnyRoute>(route: R, ...args: Args<R>): AsyncGenerator<Reply<R>>;
  /** Every item of a list, page by page. */
  all<R extends ListRoute>(route: R, ...args: Args<R>): Promise<Item<R>[]>;
}

interface AnyInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly ifMatch?: string | undefined;
  readonly timeoutMs?: number | null;
  readonly signal?: AbortSignal;
}

function urlOf(base: string, route: AnyRoute, input: AnyInput): string {
  const path = (route.path as string).replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = input.params?.[name] ?? "";
    // Any of these would make another path of it.
    if (value === "" || value === "." || value === "..") throw new TypeError(`${name} can't be ${JSON.stringify(value)}`);
    return encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input.query ?? {})) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return `${base}${path}${text === "" ? "" : `?${text}`}`;
}

/** A client of the server at `baseUrl`. */
export function createClient(options: ClientOptions): Client {
  const wire = new Wire(options);
  const exchange = async <R extends AnyRoute>(route: R, input: AnyInput): Promise<Exchange<R>> => {
    const response = await wire.send(route, input);
    const body = (route.reply === none ? undefined : route.media === jsonMedia ? await wire.json(response) : await response.bytes()) as Reply<R>;
    return { body, etag: response.headers.get("etag"), location: response.headers.get("location") };
  };
  const client: Client = {
    exchange: (route, ...[input]) => exchange(route, (input ?? {}) as AnyInput),
    follow: async function* <R extends AnyRoute>(route: R, ...[input]: Args<R>) {
      const given = (input ?? {}) as AnyInput;
      const abort = new AbortController();
      const enough = (): void => abort.abort();
      given.signal?.addEventListener("abort", enough);
      try {
        const { body } = await wire.send(route, given, abort);
        if (body !== null) yield* repliesOf(body) as AsyncGenerator<Reply<R>>;
      } catch (error) {
        if (given.signal?.aborted === true) return;
        throw error instanceof StreamEnded || error instanceof ApiError || error instanceof ConnectError ? error : explain(options.baseUrl, error);
      } finally {
        given.signal?.removeEventListener("abort", enough);
        enough();
      }
    },
    call: async (route, ...[input]) => (await exchange(route, (input ?? {}) as AnyInput)).body,
    all: async <R extends ListRoute>(route: R, ...[input]: Args<R>) => {
      const given = (input ?? {}) as AnyInput;
      const items: Item<R>[] = [];
      for (let page = 1; ; page++) {
        const { body } = await exchange(route, { ...given, query: { page_size: pageSizeMax, ...given.query, page } });
        const list = body as List<Item<R>>;
        items.push(...list.items);
        if (list.items.length === 0 || items.length >= list.total) return items;
      }
    },
  };
  return client;
}

/** Sends requests, with a token that is renewed once where it has expired. */
class Wire {
  private readonly options: ClientOptions;
  private readonly base: string;
  private renewing: Promise<TokenPair | null> | null = null;

  constructor(options: ClientOptions) {
    this.options = options;
    this.base = options.baseUrl.replace(/\/+$/, "");
  }

  /** `following`: an event stream is asked for; it is not read here, and ends when this is aborted. */
  async send(route: AnyRoute, input: AnyInput, following: AbortController | null = null): Promise<Response> {
    const url = urlOf(this.base, route, input);
    const pair = route.role === "anyone" ? null : ((await this.options.tokens?.read()) ?? null);
    const response = await this.once(url, route, input, pair, following);
    if (response.ok) return response;
    const error = await this.errorOf(response);
    if (error.code !== "token_expired" || pair === null) throw error;
    const renewed = await this.renewed(pair);
    if (renewed === null) throw error;
    const second = await this.once(url, route, input, renewed, following);
    if (second.ok) return second;
    throw await this.errorOf(second);
  }

  /** New tokens for those that have expired: one renewal at a time, since a refresh token is good once. */
  private renewed(expired: TokenPair): Promise<TokenPair | null> {
    this.renewing ??= this.renew(expired).finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  private async renew(expired: TokenPair): Promise<TokenPair | null> {
    const { tokens } = this.options;
    if (tokens === undefined) return null;
    const work = async (): Promise<TokenPair | null> => {
      const pair = await tokens.read();
      // Somebody else did it meanwhile.
      if (pair === null || pair.accessToken !== expired.accessToken) return pair;
      if (pair.refreshToken === null) return null;
      const input = { body: { refresh_token: pair.refreshToken } };
      const response = await this.once(urlOf(this.base, contract.auth.refresh, input), contract.auth.refresh, input, null);
      if (!response.ok) throw await this.errorOf(response);
      const fresh = (await this.json(response)) as Tokens;
      await tokens.save(fresh);
      return { accessToken: fresh.access_token, refreshToken: fresh.refresh_token };
    };
    return tokens.exclusive === undefined ? work() : tokens.exclusive(work);
  }

  private async once(url: string, route: AnyRoute, input: AnyInput, pair: TokenPair | null, following: AbortController | null = null): Promise<Response> {
    const { clock, tls, userAgent, traceParent } = this.options;
    const patient = route.unhurried && following === null;
    const limitMs = input.timeoutMs === undefined ? (patient ? null : this.options.timeoutMs) : input.timeoutMs;
    const abort = following ?? new AbortController();
    const timer = limitMs === null ? null : clock.after(limitMs, () => abort.abort());
    const accepted = route.media === jsonMedia ? jsonMedia : `${route.media}, ${problemMediaType}`;
    const headers: Record<string, string> = { accept: following === null ? accepted : eventMediaType };
    if (userAgent !== undefined) headers["user-agent"] = userAgent;
    if (traceParent != null) headers["traceparent"] = traceParent;
    if (pair !== null) headers["authorization"] = `Bearer ${pair.accessToken}`;
    if (input.ifMatch !== undefined) headers["if-match"] = input.ifMatch;
    if (route.body !== none) headers["content-type"] = "application/json";
    try {
      const response = await fetch(url, {
        method: route.method,
        headers,
        redirect: "manual",
        signal: abort.signal,
        ...(limitMs === null || following !== null ? { timeout: false } : {}),
        ...(route.body === none ? {} : { body: JSON.stringify(input.body) }),
        ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
      } as RequestInit);
      if (following !== null && response.ok) {
        if (response.headers.get("content-type") !== eventMediaType) throw this.stranger(response, null);
        return response;
      }
      // All of it, so that the time limit covers the body, too.
      return new Response(await response.arrayBuffer(), { status: response.status, headers: response.headers });
    } catch (error) {
      if (abort.signal.aborted) throw new ConnectError(this.base, `no answer from ${this.base} within ${(limitMs ?? 0) / 1000} seconds. Is the server overloaded, or is something between that drops packets? What the call began may have taken effect.`, error);
      throw explain(this.base, error);
    } finally {
      timer?.cancel();
    }
  }

  async json(response: Response): Promise<unknown> {
    const text = await response.text();
    try {
      return JSON.parse(text);
    } catch (error) {
      throw this.stranger(response, error);
    }
  }

  private async errorOf(response: Response): Promise<ApiError> {
    const problem = (await this.json(response)) as Partial<Problem> | null;
    if (typeof problem !== "object" || problem === null || typeof problem.code !== "string" || typeof problem.detail !== "string") throw this.stranger(response, null);
    const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
    return new ApiError(problem as Problem, Number.isFinite(wait) ? wait : null);
  }

  private stranger(response: Response, cause: unknown): ConnectError {
    return new ConnectError(this.base, `${this.base} answered ${response.status} with ${response.headers.get("content-type") ?? "nothing"}, which is not what a DittoFS server says. Is this the address of its REST interface, and is there a proxy between?`, cause);
  }
}

function tlsOptions(tls: ClientTls): object {
  return {
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

