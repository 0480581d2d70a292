import { ControlError, type Logins } from "#control/index.ts";
import type { Metrics, Sample } from "#telemetry/metrics/index.ts";
import type { Protocols } from "../server/protocols.ts";

/** What is known of the connections of anything that listens. */
interface NetStats {
  readonly connections: number;
  readonly accepted: number;
  readonly refused: number;
  readonly forceClosed: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly pauses?: number;
}

/** Gives the metrics the connections of one protocol; `stats` null: it is not served now. */
export function collectConnections(metrics: Metrics, protocol: string, stats: () => NetStats | null): void {
  const one = (value: (stats: NetStats) => number) => (): readonly Sample[] => {
    const now = stats();
    return now === null ? [] : [{ labels: [protocol], value: value(now) }];
  };
  metrics.collect("dittofs_connections", one((now) => now.connections));
  metrics.collect("dittofs_connections_accepted_total", one((now) => now.accepted));
  metrics.collect("dittofs_connections_refused_total", one((now) => now.refused));
  metrics.collect("dittofs_connections_closed_total", one((now) => now.accepted - now.connections));
  metrics.collect("dittofs_connections_force_closed_total", one((now) => now.forceClosed));
  metrics.collect("dittofs_network_bytes_total", () => {
    const now = stats();
    return now === null ? [] : [{ labels: [protocol, "in"], value: now.bytesIn }, { labels: [protocol, "out"], value: now.bytesOut }];
  });
  metrics.collect("dittofs_network_read_pauses_total", () => {
    const pauses = stats()?.pauses;
    return pauses === undefined ? [] : [{ labels: [protocol], value: pauses }];
  });
}

/** Gives the metrics what the protocols' adapters count anyway. */
export function collectProtocols(metrics: Metrics, { nfs, smb }: Protocols): void {
  collectConnections(metrics, "nfs", () => nfs.stats()?.net ?? null);
  collectConnections(metrics, "portmapper", () => nfs.portmapperStats());
  collectConnections(metrics, "smb", () => smb.stats()?.net ?? null);
  const ofNfs = (read: (stats: NonNullable<ReturnType<typeof nfs.stats>>) => readonly Sample[]) => () => {
    const now = nfs.stats();
    return now === null ? [] : read(now);
  };
  const ofSmb = (read: (stats: NonNullable<ReturnType<typeof smb.stats>>) => readonly Sample[]) => () => {
    const now = smb.stats();
    return now === null ? [] : read(now);
  };
  metrics.collect("dittofs_nfs_rejected_calls_total", ofNfs(({ rpc: { denied, rejected } }) => [{ labels: ["credential"], value: denied }, { labels: ["call"], value: rejected - denied }]));
  metrics.collect("dittofs_authentication_attempts_total", ofNfs(({ rpc: { credentials, denied, malformed } }) => [{ labels: ["auth_sys"], value: credentials + denied - malformed }]));
  metrics.collect("dittofs_authentication_failures_total", ofNfs(({ rpc: { denied } }) => [{ labels: ["auth_sys"], value: denied }]));
  metrics.collect("dittofs_authentication_attempts_total", ofSmb(({ logins }) => [{ labels: ["ntlm"], value: logins.attempts }]));
  metrics.collect("dittofs_authentication_failures_total", ofSmb(({ logins }) => [{ labels: ["ntlm"], value: logins.failures }]));
}

/** Counts who proves to be somebody at the REST interface, and who doesn't. */
export function countedLogins(logins: Logins, metrics: Metrics): Logins {
  const attempts = metrics.counter("dittofs_authentication_attempts_total");
  const failures = metrics.counter("dittofs_authentication_failures_total");
  const counted = async <T>(mechanism: string, work: Promise<T>): Promise<T> => {
    attempts.add(1, mechanism);
    try {
      return await work;
    } catch (error) {
      // Anything else is a fault of this server's, or of its database.
      if (error instanceof ControlError && refusals.has(error.code)) failures.add(1, mechanism);
      throw error;
    }
  };
  return {
    login: (name, password, address) => counted("password", logins.login(name, password, address)),
    changeOwnPassword: (caller, current, next, address) => counted("password", logins.changeOwnPassword(caller, current, next, address)),
    refresh: (token, address) => counted("refresh_token", logins.refresh(token, address)),
    authenticate: (token) => counted("token", logins.authenticate(token)),
    logout: (caller) => logins.logout(caller),
  };
}

const refusals: ReadonlySet<string> = new Set(["wrong_credentials", "too_many_attempts", "invalid_token", "token_expired"]);
