import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import type { SharePlan } from "#control/index.ts";
import { type MemoryStore, openMemoryStore } from "#metadata/index.ts";
import type { BlockStore } from "#model/block-store.ts";

/** What a share has in memory, by the names of its stores. */
interface Parts {
  readonly metadata: Map<string, MemoryStore>;
  readonly blocks: Map<string, BlockStore>;
}

/**
 * What shares have in memory. It ends with the server, or a purge, and not with a share's being closed, which happens when its stores are changed, when it
 * is deleted, which an adoption undoes, and when it moves: until a share was opened elsewhere it can be opened where it was, with all it had, and where it
 * goes is made before it is opened there.
 */
export class Volatile {
  /** By the ids of shares: one of the same name that is made later begins with nothing. */
  private readonly shares = new Map<string, Parts>();

  /** The share's metadata in this store, or one without anything in it. */
  metadata(plan: SharePlan, around: { readonly clock: Clock; readonly random: Random }): MemoryStore {
    const { metadata } = this.partsOf(plan);
    const store = metadata.get(plan.metadata.name)?.reopened() ?? openMemoryStore(around);
    metadata.set(plan.metadata.name, store);
    return store;
  }

  /** From here on the share's metadata in this store. */
  put(plan: SharePlan, store: MemoryStore): void {
    this.partsOf(plan).metadata.set(plan.metadata.name, store);
  }

  /** The share's objects in this store, or none yet; a close leaves them. */
  blocks(plan: SharePlan, bytesMax: number): BlockStore {
    const { blocks } = this.partsOf(plan);
    const store = blocks.get(plan.blocks.name) ?? openMemoryBlocks({ bytesMax, lasting: true });
    blocks.set(plan.blocks.name, store);
    return store;
  }

  /** The share is served by this plan: what it had in memory elsewhere goes. */
  opened(plan: SharePlan): void {
    const parts = this.shares.get(plan.id);
    if (parts === undefined) return;
    for (const name of parts.metadata.keys()) if (plan.metadata.type !== "memory" || name !== plan.metadata.name) parts.metadata.delete(name);
    for (const name of parts.blocks.keys()) if (plan.blocks.type !== "memory" || name !== plan.blocks.name) parts.blocks.delete(name);
  }

  /** The share begins anew where it is next opened in memory. */
  forget({ id }: SharePlan): void {
    this.shares.delete(id);
  }

  private partsOf({ id }: SharePlan): Parts {
    let parts = this.shares.get(id);
    if (parts === undefined) this.shares.set(id, (parts = { metadata: new Map(), blocks: new Map() }));
    return parts;
  }
}
