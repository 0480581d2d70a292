/**
 * A share's history in its own block store: every change of names and content in numbered segments, and now and then a snapshot of the
 * metadata, so that the share can be rebuilt on another machine from the bucket alone (docs/formats/history.md).
 *
 * Invariants
 * - A segment is a cut: what it has of names and of content ends at one moment. Segments count in the order of their numbers without a gap.
 * - A segment is put after everything in it is durable on this machine and every pack it points to is in the store: the bucket is never
 *   ahead of the disk, and never points at what it has not.
 * - A number is put by one owner: the store refuses a second. Who is refused acknowledges nothing any more.
 * - Whoever takes a share creates the next segment of its owner's epoch and goes on in an epoch of its own: what the former owner had on its
 *   way then is in nobody's way, and counts for nothing.
 */
export { ShareTaken, ShareTakenUnread, UnfencedStore } from "./chain.ts";
export { TurnWriter } from "./change-sets.ts";
export type { ContentRecord } from "./content-records.ts";
export { HistoryError, historyPrefix, type Manifest, type SegmentHead, shareKey } from "./format.ts";
export { lastSegmentNumber, listShares, newestSnapshot, segmentsFrom, segmentsOf, snapshotPieces } from "./reading.ts";
export { HistoryReader, type RecoveryTarget, type Replayed, takeRecovered } from "./recovering.ts";
export { endHistory, markBehind, takenElsewhere } from "./ownership.ts";
export { type Ended, endedKey, type Gone, type Leaving, leavingKey, leavingOf, listGone, markLeaving, unmarkLeaving } from "./leaving.ts";
export { History, lookMs } from "./history.ts";
export type { HistoryOptions, HistoryStatus } from "./options.ts";
