/**
 * Long work on a share that is served: checks and repairs, scrubbing, the move to other stores, the removal of its data. Work that is ended before it is
 * done leaves the share as it was, or as far as it got, and never half.
 */
export { workOn } from "./check-share.ts";
export { Moves } from "./moves.ts";
export { purgeShare } from "./purge.ts";
