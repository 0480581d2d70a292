import type { WatchedProtocol } from "#telemetry/requests/index.ts";
import { MountStat3, Mount3Procedure } from "#wire/mount3.ts";
import { Nfs3Procedure, NfsStat3 } from "#wire/nfs3.ts";
import { AcceptStat } from "#wire/rpc.ts";

/** The first of MOUNT's procedures among those that are watched: NFS's come before, each at its own number. */
export const mountOperations: number = Nfs3Procedure.COMMIT + 1;

/** An answer that ends with RPC's own error (RFC 5531 §9) has a status of its own, beyond those of NFS and MOUNT. */
const rpcErrors = 1_000_000;

export function rpcErrorStatus(status: AcceptStat): number {
  return rpcErrors + status;
}

const nfsNames = namesOf(NfsStat3);
const mountNames = namesOf(MountStat3);
const rpcNames = namesOf(AcceptStat);
const operations = [...Object.keys(Nfs3Procedure), ...Object.keys(Mount3Procedure).map((name) => (name === "NULL" ? "MOUNT_NULL" : name))];

/** What NFS version 3 and MOUNT can be asked and answer. MOUNT's statuses are a part of NFS's numbers, with names of their own. */
export const nfsRequests: WatchedProtocol = {
  operations,
  statuses: [...nfsNames.keys(), ...[AcceptStat.GARBAGE_ARGS, AcceptStat.SYSTEM_ERR].map(rpcErrorStatus)],
  statusName(operation, status) {
    if (status >= rpcErrors) return `RPC_${rpcNames.get(status - rpcErrors) ?? "UNKNOWN"}`;
    const isMount = operation === mountOperations + Mount3Procedure.MNT;
    // The others of MOUNT, and NULL, have no status but RPC's.
    if (operation === Nfs3Procedure.NULL || (operation >= mountOperations && !isMount)) return "RPC_SUCCESS";
    return (isMount ? mountNames : nfsNames).get(status) ?? "UNKNOWN";
  },
};

function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]));
}
