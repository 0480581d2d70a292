import type { State } from "../state/index.ts";
import type { ShareRow } from "./plans.ts";

const loopback: readonly string[] = ["127.0.0.0/8", "::1"];

/**
 * Who is let into a share: its own list or, without one, the server's; and the addresses of its netgroups. An empty list is this
 * machine alone, with netgroups too: that DNS gives no answer must never be what decides between few and many.
 */
export function effectiveClients(state: State, share: ShareRow, byDefault: readonly string[], addresses: (hostName: string) => readonly string[]): readonly string[] {
  const own = share.allowedClients ?? byDefault;
  const others = share.netgroups.flatMap((netgroupId) =>
    state.netgroupMembers.in("netgroupId", netgroupId).flatMap(({ type, value }) => (type === "hostname" ? addresses(value) : [value])),
  );
  // In one order whatever the rows have: the same clients are the same policy.
  return [...new Set([...(own.length === 0 ? loopback : own), ...others.sort()])];
}
