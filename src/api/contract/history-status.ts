import { Type } from "@sinclair/typebox";
import { object } from "./route.ts";
import { orNull } from "./schema-words.ts";

/** How far the history that a share keeps in its block store is behind. */
export const HistoryStatus = object({
  recoverable: Type.Boolean({ description: "Whether the share could be rebuilt from its block store alone; since a start while that is away, what was so before." }),
  lag_segments: Type.Integer({ description: "Segments of it that are not in the block store yet." }),
  lag_bytes: Type.Integer({ description: "Their bytes, in memory." }),
  lag_ms: orNull(Type.Integer({ description: "How long the oldest change that is not in it yet has waited. Null: everything is." })),
  error: orNull(Type.String({ description: "What keeps it from being published at present; it heals by itself once the reason is gone. Null: nothing that is known." })),
});
