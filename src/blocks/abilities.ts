import type { AdoptsFiles, BlockStore, SynchronousReads } from "#model/block-store.ts";

/** The ability of a store to read at once; null where it hasn't. */
export function readsNow(store: BlockStore): SynchronousReads | null {
  return "getNow" in store ? (store as unknown as SynchronousReads) : null;
}

/** Where a store adopts files from; null where it doesn't. */
export function adoptsFrom(store: BlockStore): string | null {
  return "stagingDirectory" in store ? (store as unknown as AdoptsFiles).stagingDirectory : null;
}
