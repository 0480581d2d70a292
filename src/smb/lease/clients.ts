import type { SmbConnection } from "../connection.ts";

/** The connections of each client that uses leases, the oldest first: a lease is its client's, and its breaks go where they find him (MS-SMB2 3.3.4.7). */
export class LeaseClients {
  private readonly byGuid = new Map<string, SmbConnection[]>();

  add(connection: SmbConnection): void {
    const guid = guidOf(connection);
    const all = this.byGuid.get(guid);
    if (all === undefined) this.byGuid.set(guid, [connection]);
    else if (!all.includes(connection)) all.push(connection);
  }

  remove(connection: SmbConnection): void {
    const guid = guidOf(connection);
    const left = this.byGuid.get(guid)?.filter((each) => each !== connection) ?? [];
    if (left.length === 0) this.byGuid.delete(guid);
    else this.byGuid.set(guid, left);
  }

  /** Where the client of this connection is found now; null: nowhere. */
  of(connection: SmbConnection): SmbConnection | null {
    return this.byGuid.get(guidOf(connection))?.find((each) => !each.transport.closed && !each.deaf) ?? null;
  }
}

export function guidOf(connection: SmbConnection): string {
  return Buffer.from(connection.clientGuid).toString("latin1");
}
