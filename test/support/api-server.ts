import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { type Client, createClient, memoryTokens } from "../../src/api/client/index.ts";
import { type Api, type ApiListener, createApi, listenApi } from "../../src/api/server/index.ts";
import type { Runtime } from "../../src/control/runtime.ts";
import type { ControlPlane } from "../../src/control/services.ts";
import type { Logger } from "../../src/telemetry/logger.ts";
import { fakeProfiles, fakeRuntime } from "./fake-control.ts";
import { LogLines } from "./log-lines.ts";

export interface TestApi {
  readonly api: Api;
  readonly listener: ApiListener;
  readonly log: LogLines;
  /** A client with a token; null: without. */
  client(token: string | null): Client;
  /** A request as anybody could send it. */
  raw(method: string, path: string, init?: { readonly token?: string; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }): Promise<Response>;
}

/** The REST interface on loopback over a control plane. */
export async function serveApi(control: ControlPlane, runtime: Runtime = fakeRuntime(), logger?: Logger): Promise<TestApi> {
  const log = new LogLines();
  const about = { version: "0.0.0-test", startedAt: 1_700_000_000_000, pid: 1, dataDir: "/srv/dittofs" };
  const api = createApi({ control, runtime, profiles: fakeProfiles(), clock: systemClock, random: systemRandom, logger: logger ?? log, about, tls: false, hosts: null });
  const listener = await listenApi({ host: "127.0.0.1", port: 0, tls: null, api, clock: systemClock, logger: log, connectionsMax: 256 });
  return {
    api,
    listener,
    log,
    client: (token) => createClient({ baseUrl: listener.url, timeoutMs: 40_000, clock: systemClock, ...(token === null ? {} : { tokens: memoryTokens({ accessToken: token, refreshToken: null }) }) }),
    raw: (method, path, { token, body, headers } = {}) =>
      fetch(`${listener.url}${path}`, {
        method,
        redirect: "manual",
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body }),
      }),
  };
}
