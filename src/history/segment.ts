import { assert } from "#base/assert.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HeldPacks } from "#model/history.ts";
import type { Links } from "#telemetry/tracing/index.ts";
import { isPassing, readHead, ShareTaken, unread } from "./chain.ts";
import { hexOf, HistoryError, type SegmentHead, segmentKey } from "./format.ts";

/** A segment on its way into the bucket. */
export interface Segment {
  readonly serial: number;
  readonly head: SegmentHead;
  readonly slices: readonly Uint8Array[];
  /** What slices lie in that is used again once the segment is put. */
  readonly memory: readonly Buffer[];
  readonly bytes: number;
  readonly sinceMs: number;
  readonly packs: HeldPacks;
  /** Requests whose changes it has, as far as they are followed. */
  readonly followed: Links | null;
  begun: boolean;
  done: boolean;
}

/**
 * Puts a segment where nothing is yet. Null: it is there, put now or by a request of ours whose answer was lost; else why the share is
 * somebody else's: his has its place.
 */
export async function putSegment(blocks: BlockStore, instance: string, segment: Segment): Promise<HistoryError | null> {
  try {
    await blocks.put(segmentKey(instance, segment.head.place), { from: "slices", slices: segment.slices, atOnce: true });
    return null;
  } catch (error) {
    if (isPassing(error)) throw error;
    // Refused for its key, it may be: whose is the one that is there?
    const found = await readHead(blocks, instance, segment.head.place).catch(unread);
    if (found === null) throw error;
    if (found instanceof HistoryError) return found;
    return isSame(found, segment.head) ? null : new ShareTaken(found);
  }
}

/** Whether a segment that was found is the one we wanted to put. */
function isSame(found: SegmentHead, ours: SegmentHead): boolean {
  assert(found.place.number === ours.place.number, "segments of one place are compared");
  return hexOf(found.owner.token) === hexOf(ours.owner.token) && found.turns.crc === ours.turns.crc && found.content.crc === ours.content.crc;
}

export function crcOf(slices: readonly Uint8Array[]): number {
  let crc = 0;
  for (let i = 0; i < slices.length; i++) crc = Bun.hash.crc32(slices[i] as Uint8Array, crc);
  return crc;
}
