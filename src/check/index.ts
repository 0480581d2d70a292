/**
 * Whether a share is whole: its names, inodes and extents fit each other, and its content is what its checksums say. It knows metadata and
 * blocks through their ports, and the rest of the share through `ContentSide`.
 *
 * - A share is checked while it is served. `survey.ts` walks all tables once and finds what seems not to fit; `confirm*.ts` and
 *   `objects.ts` look at each suspect again with all that belongs to it, read while it held still. Only what is wrong then is damage.
 * - Repairs (`repair.ts`, `relocate.ts`) are change sets with conditions, right beside clients. Nothing is deleted on doubt: what can't be
 *   explained is named and stays as it is. A repair counts once another look no longer finds the damage.
 */
export { type Finding, FindingKind, finding, type Severity } from "./finding.ts";
export { fsck, type FsckOptions, type FsckResult } from "./fsck.ts";
export { type Pace, unpaced } from "./frames.ts";
export { gc, type GarbageSide, type GcResult } from "./gc.ts";
export { Rate, scrub, type ScrubMark, type ScrubMemory } from "./scrub.ts";
export { type Contents, contentsOf } from "./compare.ts";
export { copyContent, type Copied } from "./copy.ts";
export { Cancelled, type CheckTarget, type ContentSide, type Piece, type Watch } from "./target.ts";
