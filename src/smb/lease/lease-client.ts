import type { Lease, LeaseHolder } from "#vfs/opens/index.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeLeaseBreak, encodeLeaseContext, type LeaseContext, LeaseFlag } from "#wire/smb2/lease.ts";
import type { Durables } from "../durable/index.ts";
import type { Open } from "../open/open.ts";
import type { Session } from "../session/session.ts";

/** Opens that are kept in mind before closed ones among them are looked for. */
const keptLeast = 16;

interface Break {
  readonly lease: Lease;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly acknowledged: boolean;
}

/** The client that has a lease, told of its breaks through any of the opens that share it: not before it was told that it has one. */
export class LeaseClient implements LeaseHolder {
  private readonly version: 1 | 2;
  private readonly key: Uint8Array;
  private readonly durables: Durables;
  private readonly opens = new Set<Open>();
  private keptMax = keptLeast;
  private untold: Break[] = [];

  constructor(context: LeaseContext, durables: Durables) {
    this.durables = durables;
    this.version = context.version;
    this.key = context.key;
  }

  /** What its client knows it by. */
  get identity(): { readonly version: 1 | 2; readonly key: string } {
    return { version: this.version, key: Buffer.from(this.key).toString("hex") };
  }

  /** The answer that gives `open` its share of the lease is on its way. */
  granted(open: Open): void {
    this.opens.add(open);
    if (this.opens.size > this.keptMax) this.forgetClosed();
    const untold = this.untold;
    this.untold = [];
    for (const each of untold) this.send(each);
  }

  /** Done each time their number has doubled: a lease with many opens costs each of them little. */
  private forgetClosed(): void {
    for (const open of this.opens) if (open.file === null || open.file.closed) this.opens.delete(open);
    this.keptMax = Math.max(keptLeast, this.opens.size * 2);
  }

  broken(lease: Lease, from: number, to: number, acknowledged: boolean): boolean {
    const told = { lease, epoch: this.version === 2 ? lease.epoch : 0, from, to, acknowledged };
    if (this.opens.size > 0) return this.send(told);
    this.untold.push(told);
    return true;
  }

  /** Whether the user of a session has something open that shares the lease: nobody else agrees to its breaks. */
  isOf(session: Session): boolean {
    for (const open of this.opens) if (open.file !== null && !open.file.closed && open.tree.session.isOfSameUser(session)) return true;
    return false;
  }

  /** What a CREATE answers of the lease (MS-SMB2 3.3.5.9.8, 3.3.5.9.11). */
  answer(lease: Lease, parentKey: Uint8Array | null): Uint8Array {
    const { version, key } = this;
    return encodeLeaseContext({ version, key, state: lease.state, parentKey, epoch: lease.epoch }, lease.breaking ? LeaseFlag.BREAK_IN_PROGRESS : 0);
  }

  private send({ lease, epoch, from, to, acknowledged }: Break): boolean {
    for (const open of this.opens) {
      const { session } = open.tree;
      const own = session.reachable();
      if (own === null || session.ended || open.file === null || open.file.closed) continue;
      // What has to be encrypted goes where the session is.
      const found = session.seals ? own : (own.server.leaseClients.of(own, session) ?? own);
      found.notify(session, Command.OPLOCK_BREAK, (w) => encodeLeaseBreak(w, epoch, acknowledged, this.key, from, to));
      if (acknowledged) found.told.add(lease, found !== own || session.channels.length > 1);
      return true;
    }
    return this.durables.waitFor(this.opens, lease);
  }
}
