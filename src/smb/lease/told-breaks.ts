import type { Lease } from "#vfs/opens/index.ts";

/** Breaks that are kept in mind before those are looked for that are over. */
const keptLeast = 16;

/**
 * The breaks a client was told of on one connection and has to agree to: it may not have heard of them when the connection is lost, and is
 * told again on another it has (MS-SMB2 3.3.4.6, 3.3.4.7).
 */
export class ToldBreaks {
  private readonly leases = new Set<Lease>();
  private keptMax = keptLeast;

  add(lease: Lease): void {
    this.leases.add(lease);
    if (this.leases.size <= this.keptMax) return;
    for (const each of this.leases) if (!each.breaking) this.leases.delete(each);
    this.keptMax = Math.max(keptLeast, this.leases.size * 2);
  }

  /** The connection is gone, and no session's any more. */
  again(): void {
    const told = [...this.leases];
    this.leases.clear();
    for (const lease of told) if (lease.breaking && !lease.holder.broken(lease, lease.state, lease.target, true)) lease.drop();
  }
}
