import type { Extent } from "#model/change-set.ts";
import { type Finding, type FindingKind, finding } from "./finding.ts";

/** How damage can be put right, for `repair`. Each leads to change sets with conditions. */
export type Mend =
  | { readonly by: "links"; readonly id: number; readonly delta: number; readonly ctime: { readonly sec: number; readonly nsec: number } }
  | { readonly by: "parent"; readonly id: number; readonly parent: number }
  | { readonly by: "mode"; readonly id: number }
  /** Say of an inode what streams and attributes it has. */
  | { readonly by: "flags"; readonly id: number }
  /** Put a name in its directory anew. */
  | { readonly by: "cookie"; readonly parent: number; readonly name: string; readonly child: number }
  /** Give what has no name, or none that can be reached, one in lost+found. */
  | { readonly by: "adopt"; readonly id: number }
  /** Take a name to lost+found. */
  | { readonly by: "move"; readonly parent: number; readonly name: string; readonly child: number }
  /** Make an inode of what is left of it. */
  | { readonly by: "rebuild"; readonly id: number }
  | { readonly by: "recount"; readonly what: "inode" | "pack"; readonly id: number }
  | { readonly by: "recountUsage" }
  | { readonly by: "skipAhead"; readonly to: number }
  /** Make a pack's row anew from the footer of its object. */
  | { readonly by: "packRow"; readonly id: number }
  /** Move what is whole of a pack to fresh ones. */
  | { readonly by: "relocate"; readonly id: number };

/** Damage that was seen twice. */
export interface Damage {
  readonly finding: Finding;
  /** Null: only recorded; what is there stays as it is. */
  readonly mend: Mend | null;
}

export function damage(kind: FindingKind, message: string, about: Partial<Finding>, mend: Mend | null = null): Damage {
  return { finding: finding({ kind, message, ...about }), mend };
}

export function rangeOf(extent: Extent): { readonly from: number; readonly to: number } {
  return { from: extent.offset, to: extent.offset + extent.length };
}
