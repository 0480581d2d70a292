import { type Pack, PackState } from "#model/change-set.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { CachedBlocks } from "./cached-blocks.ts";
import { pieceBytesMax } from "./fetches.ts";

const rowsPage = 1024;
/** Requests to the store at a time. */
const atATime = 8;

export interface Warmed {
  /** Fetched by this call. */
  readonly bytes: number;
  /** There was room for everything; else for the newest of it. */
  readonly complete: boolean;
}

/** Has the disk hold a copy of whatever a share stores, the newest first, as far as there is room without removing any. */
export async function warm(cache: CachedBlocks, store: MetadataStore): Promise<Warmed> {
  const packs: Pick<Pack, "key" | "size">[] = [];
  for (let after = 0; ; ) {
    const rows = await store.packs(after, rowsPage);
    for (const { key, size, state } of rows) if (state === PackState.live) packs.push({ key, size });
    const last = rows[rows.length - 1];
    if (last === undefined || rows.length < rowsPage) break;
    after = last.id;
  }
  let bytes = 0;
  let complete = true;
  let at = 0;
  const worker = async (): Promise<void> => {
    for (let pack = packs[packs.length - 1]; pack !== undefined; pack = packs[packs.length - 1]) {
      const from = at;
      at = Math.min(from + pieceBytesMax, pack.size);
      if (at === pack.size) {
        packs.pop();
        at = 0;
      }
      const got = from === pack.size ? 0 : await cache.hold(pack.key, from, Math.min(pieceBytesMax, pack.size - from));
      if (got !== null) bytes += got;
      else {
        complete = false;
        packs.length = 0;
      }
    }
  };
  const working = Array.from({ length: atATime }, () =>
    worker().catch((error: unknown) => {
      packs.length = 0;
      throw error;
    }),
  );
  // All of them come to an end before the caller knows of one that failed; what was fetched stays.
  for (const outcome of await Promise.allSettled(working)) if (outcome.status === "rejected") throw outcome.reason;
  await cache.remember();
  return { bytes, complete };
}
