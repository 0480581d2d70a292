import { declare, storageSeconds } from "../declaration.ts";

const protocols = "nfs, portmapper, smb, api and metrics";
const mechanisms = "auth_sys, ntlm, password, token and refresh_token";

/** Connections, log-ins and the REST interface. */
export const networkMetrics = declare({
  dittofs_connections: {
    type: "gauge",
    help: "Connections open now.",
    unit: "connections",
    labels: ["protocol"],
    bound: protocols,
  },
  dittofs_connections_accepted_total: {
    type: "counter",
    help: "Connections accepted.",
    unit: "connections",
    labels: ["protocol"],
    bound: protocols,
  },
  dittofs_connections_refused_total: {
    type: "counter",
    help: "Connections closed at once because there were too many, or the server was stopping.",
    unit: "connections",
    labels: ["protocol"],
    bound: protocols,
  },
  dittofs_connections_closed_total: {
    type: "counter",
    help: "Accepted connections that ended, by whomever.",
    unit: "connections",
    labels: ["protocol"],
    bound: protocols,
  },
  dittofs_connections_force_closed_total: {
    type: "counter",
    help: "Of those that ended, the ones this server closed before their clients did: stalled, malformed, too many, by an operator, at a stop that took too long.",
    unit: "connections",
    labels: ["protocol"],
    bound: protocols,
  },
  dittofs_network_bytes_total: {
    type: "counter",
    help: "Bytes received from clients (in) and sent to them (out), headers included.",
    unit: "bytes",
    labels: ["protocol", "direction"],
    bound: protocols,
  },
  dittofs_network_read_pauses_total: {
    type: "counter",
    help: "Times a client was not read from because it, or all together, had enough in hand.",
    unit: "pauses",
    labels: ["protocol"],
    bound: "nfs, portmapper and smb",
  },
  dittofs_authentication_attempts_total: {
    type: "counter",
    help: "Proofs of identity looked at: AUTH_SYS credentials, each once for a connection that goes on with it; SMB's log-ins to their end (ntlm); of the REST interface passwords, access tokens and refresh tokens.",
    unit: "attempts",
    labels: ["mechanism"],
    bound: mechanisms,
  },
  dittofs_authentication_failures_total: {
    type: "counter",
    help: "Those of them that were refused: wrong, malformed, expired, of somebody disabled or slowed for guessing, or of a kind this server doesn't take.",
    unit: "failures",
    labels: ["mechanism"],
    bound: mechanisms,
  },
  dittofs_api_requests_total: {
    type: "counter",
    help: "Calls of the REST interface answered. A path that is none has the route none.",
    unit: "requests",
    labels: ["method", "route", "status"],
    bound: "the interface's routes, their methods and statuses",
  },
  dittofs_api_request_duration_seconds: {
    type: "histogram",
    help: "Time from the head of a call of the REST interface until its answer was made.",
    unit: "seconds",
    labels: ["method", "route"],
    bound: "the interface's routes and their methods",
    buckets: storageSeconds,
  },
  dittofs_api_requests_in_flight: {
    type: "gauge",
    help: "Calls of the REST interface that are being worked on now.",
    unit: "requests",
    labels: ["method", "route"],
    bound: "the interface's routes and their methods",
  },
});
