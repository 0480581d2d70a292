import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ApiError, type Client, type ClientTls, createClient, memoryTokens, type TokenSource } from "#api/client/index.ts";
import { type AnyRoute, type Body, pageSizeMax, type Params, type Query, type Reply } from "#api/contract/index.ts";
import { systemRandom } from "#base/random.ts";
import { formatTraceParent, parseTraceParent } from "#base/traceparent.ts";
import { parseDuration } from "#config/index.ts";
import { type Context, describeVersion, ExitStatus } from "../ports.ts";
import { contextTokens, ContextStore, type SavedContext } from "./contexts.ts";
import { CommandFailure, notLoggedIn, UsageError } from "./failure.ts";

const defaultServer = "http://127.0.0.1:8080";
const timeoutMsDefault = 30_000;

/** Which server, as whom, and how: the flags. */
export interface Connection {
  readonly server?: string;
  readonly token?: string;
  readonly context?: string;
  readonly cacert?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly tlsSkipVerify?: boolean;
  readonly timeout?: string;
  readonly verbose?: boolean;
  readonly trace?: boolean;
}

/** A server's address without anything after its host and port; throws UsageError. */
function serverUrl(given: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(given) ? given : `http://${given}`);
  const wrong = url === null || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "";
  if (wrong) throw new UsageError(`${JSON.stringify(given)} is no server's address; allowed: http://HOST:PORT or https://HOST:PORT`);
  return url.href.replace(/\/+$/, "");
}

/** One command's talk with a server. Tokens come from a context and are refreshed there, or are given (`--token`). */
export class Session {
  readonly server: string;
  /** The context that was chosen, also where another server was named than its own. */
  readonly contextName: string | null;
  readonly tls: Pick<SavedContext, "cacert" | "client_cert" | "client_key" | "tls_skip_verify">;
  private readonly saved: SavedContext | null;
  private readonly context: Context;
  private readonly flags: Connection;
  private readonly traceParent: string | null;
  private client: Client;
  private hasToken: boolean;

  /** `mayBeNew`: a context that isn't there is about to be made. */
  constructor(context: Context, flags: Connection, mayBeNew = false) {
    this.context = context;
    this.flags = flags;
    const { environment } = context;
    const store = new ContextStore(context);
    const { contexts, current } = store.read();
    const name = flags.context ?? (environment["DITTOFS_CONTEXT"] || current);
    const chosen = name !== null && Object.hasOwn(contexts, name) ? (contexts[name] ?? null) : null;
    const server = flags.server ?? (environment["DITTOFS_SERVER"] || null);
    if (name !== null && chosen === null && server === null && !mayBeNew) throw new CommandFailure(ExitStatus.usage, `there is no context ${name}`, "dittofs context list shows those there are; dittofs login --context makes one");
    this.server = server === null ? (chosen?.server ?? defaultServer) : serverUrl(server);
    this.contextName = name;
    // A context's tokens are for its own server: another one must never see them.
    this.saved = chosen?.server === this.server ? chosen : null;
    this.tls = tlsOf(flags, this.saved);
    const token = flags.token ?? (environment["DITTOFS_TOKEN"] || null);
    this.traceParent = traceParentOf(context, flags);
    this.hasToken = token !== null || this.saved?.access_token !== undefined;
    const fromContext = token === null && this.saved !== null && name !== null;
    this.client = this.clientWith(fromContext ? contextTokens(store, name, this.server) : memoryTokens(token === null ? null : { accessToken: token, refreshToken: null }));
  }

  /** Goes on with this token alone. */
  useToken(token: string): void {
    this.hasToken = true;
    this.client = this.clientWith(memoryTokens({ accessToken: token, refreshToken: null }));
  }

  private clientWith(tokens: TokenSource): Client {
    const { clock, version } = this.context;
    return createClient({ baseUrl: this.server, traceParent: this.traceParent, tokens, tls: pem(this.tls), timeoutMs: timeoutOf(this.flags.timeout), clock, userAgent: `dittofs/${describeVersion(version)}` });
  }

  /** Whether there is a token to try. */
  get loggedIn(): boolean {
    return this.hasToken;
  }

  get username(): string | null {
    return this.saved?.username ?? null;
  }

  async call<R extends AnyRoute>(route: R, given: Given<R> = {}): Promise<Reply<R>> {
    if (route.role !== "anyone" && !this.hasToken) throw notLoggedIn(this.server);
    const limit = this.flags.timeout === undefined ? {} : { timeoutMs: timeoutOf(this.flags.timeout) };
    const startMs = this.context.clock.monotonicMs();
    let result = "";
    try {
      // What a route takes is checked where it is given; here it is any route's.
      const call = this.client.call as (route: AnyRoute, input: unknown) => Promise<Reply<R>>;
      const reply = await call(route, { ...given, ...limit });
      result = String(route.status);
      return reply;
    } catch (error) {
      result = error instanceof ApiError ? `${error.status} ${error.code}` : "no answer";
      throw error;
    } finally {
      if (this.flags.verbose === true) this.context.terminal.err(`${route.method} ${this.server}${pathOf(route, given.params)}: ${result} (${Math.round(this.context.clock.monotonicMs() - startMs)} ms)\n`);
    }
  }

  /** The replies of an event stream, until the caller has enough or, thrown as StreamEnded, the server does. */
  follow<R extends AnyRoute>(route: R, given: Given<R> = {}): AsyncGenerator<Reply<R>> {
    if (route.role !== "anyone" && !this.hasToken) throw notLoggedIn(this.server);
    const follow = this.client.follow as (route: AnyRoute, input: unknown) => AsyncGenerator<Reply<R>>;
    return follow(route, given);
  }

  /** All items of a list, or the first `limit`. */
  async all<R extends AnyRoute>(route: R, given: Given<R>, limit: number = Number.POSITIVE_INFINITY): Promise<Reply<R>["items"]> {
    const items: unknown[] = [];
    for (let page = 1; ; page++) {
      const query = { ...(given.query as object | undefined), page, page_size: Math.min(limit, pageSizeMax) } as Query<R>;
      const found = (await this.call(route, { ...given, query })) as { items: readonly unknown[]; total: number };
      items.push(...found.items);
      if (found.items.length === 0 || items.length >= Math.min(found.total, limit)) return items.slice(0, limit) as Reply<R>["items"];
    }
  }
}

/** A new trace where one is asked for, which is said; else the one that whoever runs this is in, as OpenTelemetry's variable has it. */
function traceParentOf({ environment, terminal }: Context, flags: Connection): string | null {
  if (flags.trace !== true) {
    const given = environment["TRACEPARENT"] ?? "";
    return parseTraceParent(given) === null ? null : given;
  }
  const hex = (bytes: number): string => Buffer.from(systemRandom.bytes(bytes)).toString("hex");
  const parent = { traceId: hex(16), spanId: hex(8), sampled: true };
  terminal.err(`trace ${parent.traceId}\n`);
  return formatTraceParent(parent);
}

function pathOf(route: AnyRoute, params: unknown): string {
  return (route.path as string).replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent((params as Record<string, string> | undefined)?.[name] ?? ""));
}

/** What a call is given. */
export interface Given<R extends AnyRoute> {
  readonly params?: Params<R>;
  readonly query?: Query<R>;
  readonly body?: Body<R>;
  readonly ifMatch?: string;
  /** Ends an event stream. */
  readonly signal?: AbortSignal;
}

function timeoutOf(given: string | undefined): number {
  if (given === undefined) return timeoutMsDefault;
  const ms = parseDuration(given);
  if (ms === null || ms <= 0) throw new UsageError(`--timeout: ${JSON.stringify(given)} is not allowed here; allowed: a duration such as 500ms, 30s or 5m`);
  return ms;
}

/** From flags, else from the context; files by their whole path, for the next command may run elsewhere. */
function tlsOf(flags: Connection, saved: SavedContext | null): Session["tls"] {
  const pick = <K extends string>(key: K, given: string | undefined, kept: string | undefined) => (given === undefined ? (kept === undefined ? {} : { [key]: kept }) : { [key]: resolve(given) });
  return {
    ...pick("cacert", flags.cacert, saved?.cacert),
    ...pick("client_cert", flags.clientCert, saved?.client_cert),
    ...pick("client_key", flags.clientKey, saved?.client_key),
    ...(flags.tlsSkipVerify === true || saved?.tls_skip_verify === true ? { tls_skip_verify: true } : {}),
  };
}

function pem(tls: Session["tls"]): ClientTls {
  const read = (flag: string, path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch (error) {
      throw new CommandFailure(ExitStatus.usage, `${flag}: ${(error as Error).message}`);
    }
  };
  return {
    ...(tls.cacert === undefined ? {} : { ca: read("--cacert", tls.cacert) }),
    ...(tls.client_cert === undefined ? {} : { cert: read("--client-cert", tls.client_cert) }),
    ...(tls.client_key === undefined ? {} : { key: read("--client-key", tls.client_key) }),
    ...(tls.tls_skip_verify === true ? { insecure: true } : {}),
  };
}
