import { resolve } from "node:path";
import { type AnyRoute, contract, pageSizeMax, type Query, type Reply } from "#api/contract/index.ts";
import { parseDuration } from "#config/index.ts";
import { type Context, ExitStatus } from "../ports.ts";
import { ApiError, createClient, type Given } from "./client.ts";
import { ContextStore, type SavedContext, withContext, withoutTokens } from "./contexts.ts";
import { CommandFailure, notLoggedIn, UsageError } from "./failure.ts";

export const defaultServer = "http://127.0.0.1:8080";
const timeoutMsDefault = 30_000;
/** No list is read further than this many pages, whatever the server says. */
const pagesMax = 10_000;

/** Which server, as whom, and how. */
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
}

/** A server's address without anything after its host and port; throws UsageError. */
export function serverUrl(given: string): string {
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
  private readonly store: ContextStore;
  private readonly client: ReturnType<typeof createClient>;
  private token: string | null;
  /** The token that came from the context, and whose place a fresh one can take. */
  private stored: string | null;
  private refreshing: Promise<string> | null = null;

  /** `timeoutMs`: unless the person says otherwise. */
  constructor(context: Context, flags: Connection, timeoutMs: number = timeoutMsDefault) {
    this.store = new ContextStore(context);
    const { environment } = context;
    const { contexts, current } = this.store.read();
    const named = flags.context ?? (environment["DITTOFS_CONTEXT"] || null);
    const chosen = named === null ? (current === null ? null : (contexts[current] ?? null)) : Object.hasOwn(contexts, named) ? (contexts[named] ?? null) : null;
    const server = flags.server ?? (environment["DITTOFS_SERVER"] || null);
    if (named !== null && chosen === null && server === null) throw new CommandFailure(ExitStatus.usage, `there is no context ${named}`, "dittofs context list shows those there are; dittofs login --context makes one");
    this.server = server === null ? (chosen?.server ?? defaultServer) : serverUrl(server);
    this.contextName = chosen === null ? named : (named ?? current);
    // A context's tokens are for its own server: another one must never see them.
    this.saved = chosen !== null && chosen.server === this.server ? chosen : null;
    // An empty one is how log-in says: none.
    this.token = flags.token !== undefined ? flags.token || null : (environment["DITTOFS_TOKEN"] || this.saved?.access_token || null);
    this.stored = this.saved?.refresh_token === undefined ? null : (this.saved.access_token ?? null);
    this.tls = tlsOf(flags, this.saved);
    this.client = createClient({
      baseUrl: this.server,
      timeoutMs: timeoutOf(flags.timeout, timeoutMs),
      accessToken: () => this.token,
      refresh: (stale) => (stale === this.stored ? this.refresh(stale) : Promise.reject(notLoggedIn(this.server))),
    });
  }

  /** Whether there is a token to try. */
  get loggedIn(): boolean {
    return this.token !== null;
  }

  /** Goes on as somebody else, whose token nobody refreshes. */
  useToken(token: string): void {
    this.token = token;
  }

  get username(): string | null {
    return this.saved?.username ?? null;
  }

  async call<R extends AnyRoute>(route: R, given: Given<R> = {}): Promise<Reply<R>> {
    if (route.role !== "anyone" && this.token === null) throw notLoggedIn(this.server);
    return await this.client.call(route, given);
  }

  /** All items of a list, or the first `limit`. */
  async all<R extends AnyRoute>(route: R, given: Given<R>, limit: number = Number.POSITIVE_INFINITY): Promise<Reply<R>["items"]> {
    const items: unknown[] = [];
    for (let page = 1; page <= pagesMax; page++) {
      const query = { ...(given.query as Query<R> | undefined), page, page_size: Math.min(limit, pageSizeMax) } as Query<R>;
      const found = (await this.call(route, { ...given, query })) as { items: readonly unknown[]; total: number };
      items.push(...found.items);
      if (found.items.length === 0 || items.length >= Math.min(found.total, limit)) break;
    }
    return items.slice(0, limit) as Reply<R>["items"];
  }

  /** One refresh for all who wait here, and one at a time of all processes: a refresh token that is used twice ends the session. */
  private async refresh(stale: string): Promise<string> {
    this.refreshing ??= this.refreshStored(stale).finally(() => (this.refreshing = null));
    return await this.refreshing;
  }

  private async refreshStored(stale: string): Promise<string> {
    const name = this.contextName ?? "";
    let fresh: string | null = null;
    await this.store.update(async (now) => {
      const saved = now.contexts[name];
      if (saved?.refresh_token === undefined || saved.server !== this.server) return now;
      if (saved.access_token !== undefined && saved.access_token !== stale) {
        fresh = saved.access_token;
        return now;
      }
      try {
        const tokens = await this.client.call(contract.auth.refresh, { body: { refresh_token: saved.refresh_token } });
        fresh = tokens.access_token;
        return withContext(now, name, { ...saved, access_token: tokens.access_token, refresh_token: tokens.refresh_token, expires_at: tokens.expires_at });
      } catch (error) {
        if (error instanceof ApiError && error.problem.status === 401) return withContext(now, name, withoutTokens(saved));
        throw error;
      }
    });
    if (fresh === null) throw new CommandFailure(ExitStatus.denied, `the log-in to ${this.server} has ended`, `dittofs login${name === "" ? "" : ` --context ${name}`}`);
    this.token = fresh;
    this.stored = fresh;
    return fresh;
  }
}

function timeoutOf(given: string | undefined, standard: number): number {
  if (given === undefined) return standard;
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
