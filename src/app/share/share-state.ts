import type { ShareState } from "#control/index.ts";
import { stillClosing } from "./not-served.ts";
import type { OpenShare } from "./open-share.ts";
import { OtherTree } from "./tree.ts";

type Shares = ReadonlyMap<string, OpenShare>;

/** How a share is doing: served, still being closed, or why it is neither; null: nobody wants it served. */
export function stateOf(name: string, open: Shares, closing: Shares, failed: ReadonlyMap<string, Error>): ShareState | null {
  const share = open.get(name);
  if (share !== undefined) return { state: "serving", error: null, ...share.report };
  const late = closing.get(name);
  if (late !== undefined) return { state: "failed", error: stillClosing(name), ...late.report };
  const why = failed.get(name);
  return why === undefined ? null : { state: "failed", error: why.message, elsewhere: why instanceof OtherTree, dirtyBytes: 0, unstoredBytes: 0, oldestUnstoredMs: null, storeError: null, diskCache: null };
}
