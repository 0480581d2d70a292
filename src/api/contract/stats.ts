import { type Static, Type } from "@sinclair/typebox";
import { object } from "./route.ts";
import { one, orNull, ShareName, When } from "./schema-words.ts";

/** Figures of the server as it works, over the last seconds. Rates are a second's; latencies are milliseconds, within 25 %. */

export const statsSecondsMax = 30;

const rate = (description: string) => Type.Number({ minimum: 0, description: `${description}, a second.` });
const Bytes = Type.Integer({ minimum: 0 });

const Latency = object({ p50: Type.Number(), p95: Type.Number(), p99: Type.Number() }, "Milliseconds from a request to its answer; half, 95 % and 99 % took no longer.");

const activity = {
  operations: rate("Requests answered"),
  failures: rate("Of these, those answered with another status than success; a name that isn't there is one, too"),
  read_bytes: rate("Bytes of files read"),
  written_bytes: rate("Bytes of files written"),
  waiting: Type.Integer({ description: "Requests that are being waited for now." }),
  latency_ms: orNull(Latency),
};

export const StatsActivity = object(activity);

const Protocol = one(["nfs", "smb"]);

export const StatsShare = object({
  name: Type.String({ description: 'A share; "": requests that are about none; "other": shares past the 128 that are told apart.' }),
  ...activity,
  dirty_bytes: Bytes,
  backlog_bytes: Type.Integer({ minimum: 0, description: "Accepted and not yet in the block store." }),
  backlog_age_ms: orNull(Type.Number({ description: "How long the oldest of that has waited." })),
  store_error: orNull(Type.String({ description: "What keeps it from being stored or read." })),
});

export const StatsProcedure = object({ protocol: Protocol, name: Type.String({ description: "In capitals, as RFC 1813 or MS-SMB2 calls it." }), ...activity });

export const StatsClient = object({
  id: Type.String({ description: "As /api/v1/clients has it." }),
  protocol: Protocol,
  address: Type.String(),
  user: orNull(Type.String({ description: "Of SMB whoever logged in; of NFS what the client last claimed: a user of that uid, or the uid." })),
  shares: Type.Array(ShareName),
  requests: rate("Messages received"),
  received_bytes: rate("Bytes received"),
  sent_bytes: rate("Bytes sent"),
  requests_total: Type.Integer(),
  connected_at: When,
});

export const Stats = object({
  at: When,
  interval_ms: Type.Number({ description: "The time these figures are of." }),
  total: StatsActivity,
  protocols: Type.Array(object({ protocol: Protocol, ...activity })),
  procedures: Type.Array(StatsProcedure, { description: "Those that were asked for in that time, or are waited for." }),
  shares: Type.Array(StatsShare),
  clients: Type.Array(StatsClient, { description: "The busiest first, 200 at most." }),
  clients_total: Type.Integer(),
  dirty_bytes: Bytes,
  backlog_bytes: Bytes,
});
export type Stats = Static<typeof Stats>;
