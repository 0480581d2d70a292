import { Type } from "@sinclair/typebox";
import { HistoryStatus } from "./history-status.ts";
import { object } from "./route.ts";
import { one, orNull, ShareName, When } from "./schema-words.ts";

/** How a share is doing. */

export const Bytes = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
export const ShareState = one(["serving", "disabled", "failed", "deleted"]);
export const Durability = one(["writeback", "local", "remote"], "When a COMMIT is answered: with the kernel, synced to the local disk, or in the block store.");
export const Volatile = Type.Boolean({ description: "Its metadata or its content is in memory: what it holds is gone when the server stops." });
export const DiskCache = object({
  hit_rate: orNull(Type.Number({ minimum: 0, maximum: 1, description: "The part of the reads since the server's start that are hits. Null: nothing was read." })),
  hits: Type.Integer({ description: "Reads, below the cache in memory, that needed no request of their own to the block store." }),
  misses: Type.Integer({ description: "Reads that needed one." }),
  hit_bytes: Type.Integer(),
  miss_bytes: Type.Integer(),
  bytes: Type.Integer({ description: "What it takes of the disk." }),
  max_bytes: Type.Integer({ description: "What it may take." }),
  objects: Type.Integer({ description: "Objects of which it has copies." }),
  evicted_bytes: Type.Integer({ description: "Removed to make room." }),
  damaged: Type.Integer({ description: "Copies that did not match their checksum and were fetched anew." }),
});
export const ShareStatus = object({
  name: ShareName,
  state: ShareState,
  error: orNull(Type.String()),
  mounts: Type.Integer(),
  clients: Type.Integer(),
  used_bytes: orNull(Bytes),
  used_files: orNull(Bytes),
  durability: Durability,
  volatile: Volatile,
  dirty_bytes: Type.Integer({ description: "Accepted bytes that are only in memory and the write-ahead log." }),
  unstored_bytes: Type.Integer({ description: "Accepted bytes that are not yet in the block store, the dirty ones included." }),
  oldest_unstored_ms: orNull(Type.Integer({ description: "How long the oldest of them has waited, since the server's start at most. Null: nothing waits." })),
  scrub: orNull(
    object({
      rate: orNull(Type.Integer({ description: "Bytes a second; null: off." })),
      running: Type.Boolean(),
      checked_bytes: Type.Integer({ description: "Of the pass that is under way." }),
      damaged: Type.Integer({ description: "Found by it." }),
      last_ended_at: orNull(When),
      last_damaged: orNull(Type.Integer({ description: "Found by the last that ended." })),
    }),
  ),
  store_error: orNull(Type.String({ description: "Why content can't be stored or read at present; it heals by itself once the reason is gone. Null: it can." })),
  store_error_ms: orNull(Type.Integer({ description: "How long that has been so. Null: it can, or that isn't known." })),
  history: orNull(HistoryStatus),
  disk_cache: orNull(DiskCache),
});
