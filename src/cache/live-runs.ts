import type { FileExtent } from "#model/metadata-store.ts";
import { frameBytes } from "./packs/index.ts";

/** Bytes read at a time. */
const runBytesMax = 4 * 2 ** 20;

/** Extents of one pack that lie in the same frames, or in frames side by side: one read brings them all, and no frame that nobody needs. */
export interface LiveRun {
  readonly from: number;
  to: number;
  readonly extents: FileExtent[];
}

/** What is alive in one pack, as runs of it. */
export function liveRuns(found: readonly FileExtent[]): readonly LiveRun[] {
  const sorted = [...found].sort((a, b) => a.extent.pack - b.extent.pack || a.extent.packOffset - b.extent.packOffset);
  const runs: LiveRun[] = [];
  for (const one of sorted) {
    const { pack, packOffset: from, length } = one.extent;
    const run = runs[runs.length - 1];
    const to = Math.max(run?.to ?? 0, from + length);
    const joins = run !== undefined && run.extents[0]?.extent.pack === pack && Math.floor(from / frameBytes) <= Math.ceil(run.to / frameBytes) && to - run.from <= runBytesMax;
    if (joins) {
      run.to = to;
      run.extents.push(one);
    } else runs.push({ from, to: from + length, extents: [one] });
  }
  return runs;
}

/** The stretches of a run that extents cover without a gap: each of its bytes once, however many extents share it. */
export function covered(run: LiveRun): readonly LiveRun[] {
  const stretches: LiveRun[] = [];
  for (const one of run.extents) {
    const { packOffset: from, length } = one.extent;
    const last = stretches[stretches.length - 1];
    if (last !== undefined && from <= last.to) {
      last.to = Math.max(last.to, from + length);
      last.extents.push(one);
    } else stretches.push({ from, to: from + length, extents: [one] });
  }
  return stretches;
}
