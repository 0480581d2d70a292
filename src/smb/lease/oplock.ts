import { Cached, type Lease, type LeaseHolder } from "#vfs/opens/index.ts";
import { OplockLevel } from "#wire/smb2/create.ts";
import { Command } from "#wire/smb2/header.ts";
import { encodeOplockBreak } from "#wire/smb2/lease.ts";
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

/** The client of one open, told when its oplock breaks: not before it was told that it has one. */
export class OplockClient implements LeaseHolder {
  private open: Open | null = null;
  private untold = -1;

  /** The answer that gives the oplock is on its way. */
  granted(open: Open): void {
    this.open = open;
    if (this.untold >= 0) this.send(open, this.untold);
  }

  broken(_lease: Lease, _from: number, to: number): boolean {
    const level = oplockOf(to);
    if (this.open !== null) return this.send(this.open, level);
    this.untold = level;
    return true;
  }

  private send(open: Open, level: number): boolean {
    return open.tree.session.notify(Command.OPLOCK_BREAK, (w) => encodeOplockBreak(w, level, open.fileId));
  }
}
