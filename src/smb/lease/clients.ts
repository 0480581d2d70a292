import type { SmbConnection } from "../connection.ts";
import type { Session } from "../session/session.ts";

/**
 * The connections of each client that uses leases, the oldest first: a lease is its client's, and its breaks go where they find him
 * (MS-SMB2 3.3.4.7). Whoever knows a client's GUID can claim to be it: what is a user's goes where he is logged in.
 */
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

  /** Where the client of this connection is found now, for what is to reach the user of a session; null: nowhere. */
  of(connection: SmbConnection, session: Session): SmbConnection | null {
    return this.byGuid.get(guidOf(connection))?.find((each) => !each.transport.closed && !each.deaf && serves(each, session)) ?? null;
  }
}

function serves(connection: SmbConnection, session: Session): boolean {
  for (const channel of connection.channels.values()) if (channel.session.isOfSameUser(session)) return true;
  return false;
}

export function guidOf(connection: SmbConnection): string {
  return Buffer.from(connection.clientGuid).toString("latin1");
}
