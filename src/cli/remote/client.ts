import { type AnyRoute, type Body, none, type Params, Problem, type Query, type Reply } from "#api/contract/index.ts";

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";
}

export interface Given<R extends AnyRoute> {
  readonly params?: Params<R>;
  readonly query?: Query<R>;
  readonly body?: Body<R>;
}

export interface ClientOptions {
  readonly baseUrl: string;
  readonly timeoutMs: number;
  readonly accessToken: () => string | null;
  readonly refresh: (stale: string) => Promise<string>;
}

export function createClient(options: ClientOptions) {
  async function once(route: AnyRoute, given: Given<AnyRoute>, token: string | null): Promise<Response> {
    let path = route.path;
    for (const [key, value] of Object.entries((given.params ?? {}) as Record<string, string>)) path = path.replace(`{${key}}`, encodeURIComponent(value));
    const url = new URL(options.baseUrl + path);
    for (const [key, value] of Object.entries((given.query ?? {}) as Record<string, unknown>)) if (value !== undefined) url.searchParams.set(key, String(value));
    const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
    if (given.body !== undefined) headers["content-type"] = "application/json";
    try {
      return await fetch(url, { method: route.method, headers, ...(given.body === undefined ? {} : { body: JSON.stringify(given.body) }), signal: AbortSignal.timeout(options.timeoutMs) });
    } catch (error) {
      throw new UnreachableError(`${options.baseUrl} does not answer: ${(error as Error).message}`);
    }
  }
  return {
    async call<R extends AnyRoute>(route: R, given: Given<R> = {}): Promise<Reply<R>> {
      const token = options.accessToken();
      let response = await once(route, given as Given<AnyRoute>, token);
      if (response.status === 401 && token !== null && route.role !== "anyone") {
        const problem = (await response.json()) as Problem;
        if (problem.code !== "token_expired") throw new ApiError(problem);
        response = await once(route, given as Given<AnyRoute>, await options.refresh(token));
      }
      if (!response.ok) throw new ApiError((await response.json()) as Problem);
      return (route.reply === none ? undefined : await response.json()) as Reply<R>;
    },
  };
}
