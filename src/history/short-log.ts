import type { HistoryMark } from "#model/history.ts";
import { HistoryError } from "./format.ts";

/**
 * The last content change that the history knows of: the numbers up to there are taken. `reached`: the last one that the share's log accounts for, whether it
 * has it still or not. A change is in the log, synced, before it is published; so the log is an older one, or the disk damaged its end, where that is less and
 * the history has changes that were stored nowhere else. Then it throws: to go on would be to go on without what was acknowledged.
 */
export function publishedTo(mark: HistoryMark | null, reached: number): number {
  if (mark === null) return 0;
  const { continues, sequence, oldestNeeded } = mark;
  if (continues && reached < sequence && oldestNeeded <= sequence) {
    throw new HistoryError(
      `the share's log ends with content change ${reached}, and its history in the block store goes on to ${sequence}: the log is an older one, or the disk damaged its end. Put the newest log back; ` +
        "or disable the share, move the segments (*.log) out of its directory log, leave the directory, and enable the share: what the history has, which is all that this log has and more, is put there",
    );
  }
  return sequence;
}
