import type { Lease } from "#vfs/opens/index.ts";
import type { SmbConnection } from "../connection.ts";

/** Breaks that are kept in mind before those are looked for that are over. */
const keptLeast = 16;
/** How long after a break it is looked whether the client's machine has acknowledged it: what takes longer is lost on a network that works. */
export const heardMs = 3_000;

/**
 * The breaks a client was told of on one connection and has to agree to. It may not have heard of them when the connection is lost, or its
 * machine acknowledges nothing: then it is told again on another it has (MS-SMB2 3.3.4.6, 3.3.4.7).
 */
export class ToldBreaks {
  private readonly connection: SmbConnection;
  private readonly leases = new Set<Lease>();
  private keptMax = keptLeast;
  private looking = false;

  constructor(connection: SmbConnection) {
    this.connection = connection;
  }

  /** `others`: the client could be told on another connection. */
  add(lease: Lease, others: boolean): void {
    this.leases.add(lease);
    if (others) this.look();
    if (this.leases.size <= this.keptMax) return;
    for (const each of this.leases) if (!each.breaking) this.leases.delete(each);
    this.keptMax = Math.max(keptLeast, this.leases.size * 2);
  }

  /** The connection is gone, or nothing gets through it: it is chosen for nothing any more. */
  again(): void {
    const told = [...this.leases];
    this.leases.clear();
    for (const lease of told) if (lease.breaking && !lease.holder.broken(lease, lease.state, lease.target, true)) lease.drop();
  }

  private look(): void {
    if (this.looking) return;
    this.looking = true;
    const { connection } = this;
    connection.server.clock.after(heardMs, () => {
      this.looking = false;
      if (connection.transport.closed || (!connection.tested.unheard && connection.transport.unacknowledgedMs() < heardMs)) return;
      connection.deafAtMs = connection.server.clock.monotonicMs();
      this.again();
    });
  }
}
