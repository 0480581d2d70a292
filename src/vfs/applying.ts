import type { ApplyResult, ChangeSet, Condition, Touched } from "#model/change-set.ts";
import type { FsError } from "#model/fs-error.ts";
import { InodeFlag, XattrName } from "#model/inode-flags.ts";
import { carrying } from "./cache/descriptors.ts";
import { noSpace, notEmpty } from "./errors.ts";
import { Operation, trustedDecisions } from "./operation.ts";
import { GatheredTimes } from "./owner-times.ts";
import type { ShareCore } from "./share-core.ts";

type Applied = ApplyResult & { applied: true };

/** Both ways of a change set: to the store with its conditions, and back into the caches at the moment it takes effect. */
export class Applying {
  private readonly share: ShareCore;

  constructor(share: ShareCore) {
    this.share = share;
  }

  /** Resolves when the set is durable, with the rows it touched; null: a condition failed, decide anew. */
  async apply(operation: Operation, attempt: number): Promise<readonly Touched[] | FsError | null> {
    const { publication } = this.share;
    const refused = publication === null ? null : publication.refuses();
    if (refused !== null) return refused;
    const applied = this.share.store.apply(operation);
    const outcome = publication === null ? null : applied.then((result) => (result.applied ? publication.published() : null));
    operation.settled = (outcome ?? applied).then(ignore, ignore);
    const result = await applied;
    if (result.applied) {
      this.afterSync(operation, result.touched);
      return outcome === null ? result.touched : ((await outcome) ?? result.touched);
    }
    if (result.failed === "noSpace") return noSpace;
    // Nothing but its entries decides this one, and the store just looked.
    if (result.failed.is === "directoryEmpty") return notEmpty;
    if (attempt >= trustedDecisions) this.distrust(result.failed);
    return null;
  }

  /**
   * Called by the store for every set, also those of content, in commit order: rows first, so that entries find the objects
   * they refer to.
   */
  onApplied(set: ChangeSet, result: Applied): void {
    const operation = set instanceof Operation ? set : null;
    const watched = operation === null ? 0 : operation.watched;
    if (operation !== null && watched !== 0) operation.before = this.share.inodes.hit(watched);
    this.explicitTimes(set);
    for (let i = 0; i < result.touched.length; i++) this.touched(result.touched[i] as Touched, operation);
    this.secured(set);
    if (operation !== null && watched !== 0) operation.after = this.share.inodes.hit(watched);
    for (let i = 0; i < set.changes.length; i++) this.named(set, i);
    if (operation !== null && operation.moved !== null) this.share.opens.renamed(operation.moved);
    if (set instanceof GatheredTimes) return;
    if (this.share.notify.size !== 0) this.share.notify.applied(set, result.touched);
    if (this.share.opens.size !== 0) this.listed(set, operation === null ? null : operation.by);
  }

  /** Leases on directories whose listings show something of the set. */
  private listed(set: ChangeSet, by: string | null): void {
    for (let i = 0; i < set.changes.length; i++) {
      const change = set.changes[i];
      if (change?.do === "touchDirectory") this.share.opens.directoryChanged(change.id, by);
      else if (change?.do === "setAttributes") this.share.listed(change.id, by);
    }
  }

  /** Times that were set take the place of those that were only noted. */
  private explicitTimes(set: ChangeSet): void {
    const { accessTimes, ownerTimes } = this.share;
    for (let i = 0; i < set.changes.length; i++) {
      const change = set.changes[i];
      if (change?.do !== "setAttributes") continue;
      if (change.atime !== undefined) accessTimes.forget(change.id);
      if (change.mtime !== undefined && !(set instanceof GatheredTimes)) ownerTimes.forget(change.id);
    }
  }

  private touched(one: Touched, operation: Operation | null): void {
    const { inodes, accessTimes, ownerTimes } = this.share;
    inodes.supersede(one.id);
    const row = one.after;
    if (row === null || (row.links === 0 && this.share.opens.of(one.id) === null)) {
      inodes.remove(one.id);
      accessTimes.forget(one.id);
      ownerTimes.forget(one.id);
    } else if (one.before === null) {
      inodes.admit(this.share.current(row)).making = operation;
    } else {
      const node = inodes.peek(one.id);
      if (node !== undefined) node.inode = this.share.current(carrying(row, node.inode));
    }
  }

  /** Security descriptors that were given or taken away. */
  private secured(set: ChangeSet): void {
    const { inodes } = this.share;
    for (let i = 0; i < set.changes.length; i++) {
      const change = set.changes[i];
      if (change?.do !== "setXattr" || change.name !== XattrName.security || change.value === null) continue;
      const node = inodes.peek(change.id);
      if (node?.inode != null) node.inode = node.inode.with({ security: inodes.descriptors.of(change.value) });
    }
  }

  private named(set: ChangeSet, index: number): void {
    const change = set.changes[index];
    if (change === undefined) return;
    if (change.do === "insertDirent") {
      const parent = this.share.inodes.peek(change.parent);
      const child = this.share.inodes.peek(change.child) ?? null;
      if (parent !== undefined) this.share.names.inserted(parent, change.name, change.child, child);
      if (child !== null) {
        child.name = change.name;
        child.under = change.parent;
      }
    } else if (change.do === "deleteDirent") {
      const parent = this.share.inodes.peek(change.parent);
      if (parent === undefined) return;
      const child = parent.names?.byName.get(change.name)?.node ?? null;
      if (child !== null && child.under === change.parent && child.name === change.name) child.name = null;
      this.share.names.deleted(parent, change.name);
    }
  }

  /** Only now that the set is durable may content let go of a file: a crash before would have brought the file back. */
  private afterSync(operation: Operation, touched: readonly Touched[]): void {
    for (let i = 0; i < touched.length; i++) {
      const { id, before, after } = touched[i] as Touched;
      if (before === null) {
        const node = this.share.inodes.peek(id);
        if (node?.making === operation) node.making = null;
      } else if (before.links > 0 && (after === null || after.links === 0)) {
        const open = this.share.opens.of(id);
        if (open !== null) open.orphaned = true;
        else this.share.letGo(id, before.type, after !== null);
      }
    }
  }

  /** The caches are exact; should they ever not be, an operation that keeps failing reads what it relied on again. */
  private distrust(failed: Condition): void {
    switch (failed.is) {
      case "direntAbsent":
      case "foldAbsent":
      case "direntRefersTo": {
        const parent = this.share.inodes.peek(failed.parent);
        if (parent !== undefined) this.share.names.forget(parent, failed.name);
        return;
      }
      case "live":
      case "streamless":
      case "links":
      case "attributeVersion":
      case "changeTime": {
        const row = this.share.store.inode(failed.id);
        // Whoever decides anew reads it, and learns what went wrong with it.
        if (row instanceof Promise) row.catch(ignore);
        // One with a descriptor is read again together with that.
        const incomplete = row instanceof Promise || row === null || row.links === 0 || (row.flags & InodeFlag.hasSecurity) !== 0;
        if (incomplete) this.share.inodes.remove(failed.id);
        else this.share.inodes.replace(this.share.current(row));
        return;
      }
      case "directoryEmpty":
      case "treeVersion":
        return;
    }
  }
}

function ignore(): void {}
