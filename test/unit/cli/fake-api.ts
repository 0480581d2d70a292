import { Value } from "@sinclair/typebox/value";
import { allRoutes, type AnyRoute, type Body, contract, type ErrorCode, errorCodes, none, type Params, type Problem, type Query, type Reply, type schemas } from "#api/contract/index.ts";

/** One call as the server got it. */
export interface Got<R extends AnyRoute = AnyRoute> {
  readonly route: R;
  readonly params: Params<R>;
  readonly query: Query<R>;
  readonly body: Body<R>;
  readonly token: string | null;
  readonly ifMatch: string | null;
}

/** An answer that is a refusal. */
export class Refusal {
  readonly problem: Problem;
  constructor(code: ErrorCode, detail = "so it is", more: Partial<Problem> = {}) {
    this.problem = { type: `about:blank#${code}`, title: errorCodes[code].title, status: errorCodes[code].status, detail, instance: "", code, ...more };
  }
}

type Answer<R extends AnyRoute> = (got: Got<R>) => Reply<R> | Refusal | Promise<Reply<R> | Refusal>;

/**
 * A control plane that answers what a test tells it to. Every request must fit the contract, and so must every reply, so that no
 * test passes on what the server would refuse.
 */
export class FakeApi {
  readonly url: string;
  readonly got: Got[] = [];
  private readonly answers = new Map<AnyRoute, Answer<AnyRoute>>();
  private readonly server: ReturnType<typeof Bun.serve>;

  constructor() {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.handle(request) });
    this.url = `http://127.0.0.1:${this.server.port}`;
  }

  on<R extends AnyRoute>(route: R, answer: Answer<R> | Reply<R>): this {
    this.answers.set(route, (typeof answer === "function" ? answer : () => answer) as Answer<AnyRoute>);
    return this;
  }

  /** Lists in pages, as the server does. */
  onList<R extends AnyRoute>(route: R, items: Reply<R>["items"]): this {
    return this.on(route, ((got: Got<R>) => {
      const { page = 1, page_size = 100 } = got.query as { page?: number; page_size?: number };
      return { items: items.slice((page - 1) * page_size, page * page_size), page, page_size, total: items.length };
    }) as Answer<R>);
  }

  /** Forgets answers and what it got. */
  clear(): void {
    this.answers.clear();
    this.got.length = 0;
  }

  get last(): Got {
    const last = this.got.at(-1);
    if (last === undefined) throw new Error("the server got nothing");
    return last;
  }

  async stop(): Promise<void> {
    await this.server.stop(true);
  }

  private async handle(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const found = match(request.method, url.pathname);
    if (found === null) return refuse(new Refusal("not_found", `no route ${request.method} ${url.pathname}`));
    const { route, params } = found;
    const query = Value.Convert(route.query, Object.fromEntries(url.searchParams)) as Query<AnyRoute>;
    const text = await request.text();
    const body = text === "" ? undefined : JSON.parse(text);
    const got: Got = { route, params, query, body, token: request.headers.get("authorization")?.replace("Bearer ", "") ?? null, ifMatch: request.headers.get("if-match") };
    this.got.push(got);
    const wrong = wrongIn(route, got);
    if (wrong !== null) return refuse(new Refusal("invalid_request", wrong));
    if (route.role !== "anyone" && got.token === null) return refuse(new Refusal("unauthenticated"));
    const answer = this.answers.get(route);
    if (answer === undefined) return refuse(new Refusal("internal", `the test has no answer for ${route.method} ${route.path}`));
    const reply = await answer(got);
    if (reply instanceof Refusal) return refuse(reply);
    if (route.reply === none) return new Response(null, { status: 204 });
    const bad = [...Value.Errors(route.reply, reply)][0];
    if (bad !== undefined) return refuse(new Refusal("internal", `the test's answer for ${route.path} is not of the contract: ${bad.path} ${bad.message}`));
    if (reply instanceof Uint8Array) return new Response(reply as Uint8Array<ArrayBuffer>, { status: route.status, headers: { "content-type": route.media } });
    return Response.json(reply, { status: route.status });
  }
}

function refuse({ problem }: Refusal): Response {
  return new Response(JSON.stringify(problem), { status: problem.status, headers: { "content-type": "application/problem+json" } });
}

function wrongIn(route: AnyRoute, got: Got): string | null {
  for (const part of ["params", "query", "body"] as const) {
    if (part === "body" && route.body === none) {
      if (got.body !== undefined) return "takes no body";
      continue;
    }
    const error = [...Value.Errors(route[part], got[part])][0];
    if (error !== undefined) return `${part}${error.path}: ${error.message}`;
  }
  return null;
}

function match(method: string, path: string): { readonly route: AnyRoute; readonly params: Params<AnyRoute> } | null {
  // Fixed words go before parameters: /users/me/password is nobody's name.
  const routes = allRoutes.map((one) => one.route).toSorted((a, b) => a.path.split("{").length - b.path.split("{").length);
  for (const route of routes) {
    if (route.method !== method) continue;
    const names = [...route.path.matchAll(/\{(\w+)\}/g)].map((one) => one[1] as string);
    const found = new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, "([^/]+)")}$`).exec(path);
    if (found !== null) return { route, params: Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1] as string)])) };
  }
  return null;
}

const when = "2026-01-02T03:04:05.000Z";

export const admin: schemas.User = {
  username: "admin",
  uid: 1000,
  gid: 1000,
  email: "",
  display_name: "",
  role: "admin",
  enabled: true,
  must_change_password: false,
  groups: [],
  created_at: when,
  updated_at: when,
};

export function user(username: string, more: Partial<schemas.User> = {}): schemas.User {
  return { ...admin, username, role: "user", ...more };
}

export function tokens(of: schemas.User, number = 1): schemas.Tokens {
  return {
    access_token: `access-${number}`,
    refresh_token: `refresh-${number}`,
    token_type: "Bearer",
    expires_in: 900,
    expires_at: "2026-01-02T03:19:05.000Z",
    must_change_password: of.must_change_password,
    user: of,
  };
}

export function share(name: string, more: Partial<schemas.Share> = {}): schemas.Share {
  return {
    name,
    metadata: "default",
    blocks: "default",
    description: "",
    durability: "local",
    read_only: false,
    default_permission: "none",
    squash: "root_to_guest",
    anonymous_uid: 65534,
    anonymous_gid: 65534,
    allowed_clients: null,
    netgroups: [],
    protocols: { nfs: true, smb: true },
    manage_groups: false,
    quota_bytes: null,
    scrub_rate: null,
    smb_encryption: "off",
    smb_guest: false,
    smb_continuously_available: false,
    quota_files: null,
    enabled: true,
    state: "serving",
    error: null,
    volatile: false,
    effective_clients: ["127.0.0.0/8", "::1"],
    created_at: when,
    updated_at: when,
    ...more,
  };
}

/** Any route may be asked of the fake. */
export { contract };
