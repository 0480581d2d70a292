import type { Stats } from "#api/contract/schemas.ts";
import type { Activity, LiveFigures } from "#control/live.ts";
import { when } from "../views.ts";

function activityView({ operations, failures, readBytes, writtenBytes, waiting, latency }: Activity): Stats["total"] {
  return { operations, failures, read_bytes: readBytes, written_bytes: writtenBytes, waiting, latency_ms: latency === null ? null : { ...latency } };
}

export function statsView(figures: LiveFigures): Stats {
  return {
    at: when(figures.at),
    interval_ms: figures.intervalMs,
    total: activityView(figures.total),
    protocols: figures.protocols.map((each) => ({ protocol: each.protocol, ...activityView(each) })),
    procedures: figures.procedures.map((each) => ({ protocol: each.protocol, name: each.name, ...activityView(each) })),
    shares: figures.shares.map((share) => ({
      name: share.name,
      ...activityView(share),
      dirty_bytes: share.dirtyBytes,
      backlog_bytes: share.unstoredBytes,
      backlog_age_ms: share.oldestUnstoredMs,
      store_error: share.storeError,
    })),
    clients: figures.clients.map((client) => ({
      id: client.id,
      protocol: client.protocol,
      address: client.address,
      user: client.user,
      shares: [...client.shares],
      requests: client.requests,
      received_bytes: client.receivedBytes,
      sent_bytes: client.sentBytes,
      requests_total: client.requestsTotal,
      connected_at: when(client.connectedAt),
    })),
    clients_total: figures.clientsTotal,
    dirty_bytes: figures.dirtyBytes,
    backlog_bytes: figures.unstoredBytes,
  };
}
