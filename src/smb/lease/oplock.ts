import { Cached, type Lease, type LeaseHolder } from "#vfs/opens/index.ts";
import { OplockLevel } from "#wire/smb2/create.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeOplockBreak } from "#wire/smb2/lease.ts";
import type { Durables } from "../durable/index.ts";
import type { Open } from "../open/open.ts";

/** What each oplock lets its client cache (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.18). */
export function cachedBy(level: number): number {
  if (level === OplockLevel.BATCH) return Cached.all;
  if (level === OplockLevel.EXCLUSIVE) return Cached.read | Cached.write;
  return level === OplockLevel.II ? Cached.read : Cached.none;
}

export function oplockOf(state: number): number {
  if ((state & Cached.write) === 0) return state === Cached.none ? OplockLevel.NONE : OplockLevel.II;
  return (state & Cached.handle) === 0 ? OplockLevel.EXCLUSIVE : OplockLevel.BATCH;
}

interface Break {
  readonly lease: Lease;
  readonly level: number;
}

/** The client of one open, told when its oplock breaks: not before it was told that it has one. */
export class OplockClient implements LeaseHolder {
  private readonly durables: Durables;
  private open: Open | null = null;
  private untold: Break | null = null;

  constructor(durables: Durables) {
    this.durables = durables;
  }

  /** The answer that gives the oplock is on its way. */
  granted(open: Open): void {
    this.open = open;
    if (this.untold !== null) this.send(open, this.untold);
    this.untold = null;
  }

  broken(lease: Lease, _from: number, to: number): boolean {
    const told = { lease, level: oplockOf(to) };
    if (this.open !== null) return this.send(this.open, told);
    this.untold = told;
    return true;
  }

  private send(open: Open, { lease, level }: Break): boolean {
    const { session } = open.tree;
    const by = session.ended ? null : session.notify(Command.OPLOCK_BREAK, (w) => encodeOplockBreak(w, level, open.fileId));
    if (by !== null) {
      if (lease.breaking) by.told.add(lease, session.channels.length > 1);
      return true;
    }
    return this.durables.waitFor([open], lease);
  }
}
