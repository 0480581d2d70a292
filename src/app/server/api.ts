import type { ApiOptions } from "#api/server/api.ts";
import type { ConnectionStats } from "#api/server/connections.ts";
import { listenApi } from "#api/server/listener.ts";
import { isLoopback } from "#api/server/host.ts";
import { apiOnDemand } from "#api/server/on-demand.ts";
import type { Listening } from "#cli/ports.ts";
import type { Config } from "#config/index.ts";
import { apiConnectionsWithin, openFilesMax } from "../process/open-files.ts";
import type { Surroundings } from "../share/open-share.ts";

/** What of a stop's time the calls in hand may take, at most. */
const stopMsMax = 5000;

/** The REST interface of a server, listening. */
export interface RunningApi {
  readonly listening: Listening;
  stats(): ConnectionStats;
  reloadCertificate(): Promise<boolean>;
  stop(leftMs: number): Promise<void>;
}

/** Opens the REST interface. */
export async function startApi(config: Config, options: Omit<ApiOptions, "clock" | "random" | "logger" | "tls" | "hosts">, around: Surroundings): Promise<RunningApi> {
  const { clock, random } = around;
  const logger = around.logger.child({ part: "api" });
  const { host, port, tls, allowed_hosts } = config.controlplane;
  const files = tls.cert_file === "" ? null : { certFile: tls.cert_file, keyFile: tls.key_file, clientCa: tls.client_ca === "" ? null : tls.client_ca };
  const hosts = isLoopback(host) ? allowed_hosts.map((name) => name.toLowerCase()) : null;
  const api = apiOnDemand({ ...options, clock, random, logger, tls: files !== null, hosts });
  const listener = await listenApi({ host, port, tls: files, api, clock, logger, connectionsMax: apiConnectionsWithin(openFilesMax()) });
  return {
    listening: { protocol: "api", address: listener.address, port: listener.port, ...(files === null ? {} : { tls: true }) },
    stats: () => listener.stats(),
    reloadCertificate: () => listener.reloadCertificate(),
    stop: (leftMs) => listener.stop(Math.min(leftMs, stopMsMax)),
  };
}
