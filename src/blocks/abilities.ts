import type { AdoptsFiles, BlockStore, SynchronousReads } from "#model/block-store.ts";
import type { S3Blocks } from "./s3/index.ts";

/** The ability of a store to read at once; null where it hasn't. */
export function readsNow(store: BlockStore): SynchronousReads | null {
  return "getNow" in store ? (store as unknown as SynchronousReads) : null;
}

/** Where a store adopts files from; null where it doesn't. */
export function adoptsFrom(store: BlockStore): string | null {
  return "stagingDirectory" in store ? (store as unknown as AdoptsFiles).stagingDirectory : null;
}

/** What a store knows of its requests over the wire; null where there are none. */
export function wireOf(store: BlockStore): Pick<S3Blocks, "attempts" | "uploads"> | null {
  return "attempts" in store ? (store as unknown as S3Blocks) : null;
}
