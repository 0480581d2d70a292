import { closedDescriptor, type SecurityDescriptor } from "#model/acl.ts";
import type { Inode } from "#model/inode.ts";
import { InodeFlag } from "#model/inode-flags.ts";
import { decodeSecurityDescriptor } from "#model/security-descriptor.ts";

/** Descriptors parsed and kept, by their bytes: what is inherited is the same for thousands of files. */
const keptMax = 4096;

/** The stored descriptors of a share's cached inodes, each of them parsed once however many have it. */
export class Descriptors {
  private kept = new Map<string, SecurityDescriptor>();

  /** What stored bytes say; what can't be read lets nobody in whom it might have kept out. */
  of(stored: Uint8Array | null): SecurityDescriptor {
    if (stored === null) return closedDescriptor;
    const key = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength).toString("latin1");
    const known = this.kept.get(key);
    if (known !== undefined) return known;
    const parsed = decodeSecurityDescriptor(stored) ?? closedDescriptor;
    if (this.kept.size >= keptMax) this.kept = new Map();
    this.kept.set(key, parsed);
    return parsed;
  }
}

/** A row that was just written with the descriptor it had before: whether that changed its set says, not the row. */
export function carrying(row: Inode, before: Inode | null): Inode {
  if ((row.flags & InodeFlag.hasSecurity) === 0 || before === null || before.security === undefined) return row;
  return row.with({ security: before.security });
}
