import type { Pending } from "../committer.ts";
import type { Held } from "./slots.ts";

/** A set in the queue. */
export interface Waiting extends Pending {
  /** Rows it needs that are being fetched. */
  fetching: number;
  /** What was fetched for it, kept until its turn. */
  readonly held: Held[];
  /** Its needs were looked at. */
  seen: boolean;
  readonly sinceMs: number;
  /** It is in the queue no more. */
  left: boolean;
}
