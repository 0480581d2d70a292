import { assert } from "#base/assert.ts";
import type { HeldPacks } from "#model/history.ts";
import type { Links } from "#telemetry/tracing/index.ts";
import { hexOf, type SegmentHead } from "./format.ts";

/** A segment on its way into the bucket. */
export interface Segment {
  readonly serial: number;
  readonly head: SegmentHead;
  readonly slices: readonly Uint8Array[];
  readonly bytes: number;
  readonly sinceMs: number;
  readonly packs: HeldPacks;
  /** Requests whose changes it has, as far as they are followed. */
  readonly followed: Links | null;
  begun: boolean;
  done: boolean;
}

/** Whether a segment that was found is the one we wanted to put. */
export function isSame(found: SegmentHead, ours: SegmentHead): boolean {
  assert(found.place.number === ours.place.number, "segments of one place are compared");
  return hexOf(found.owner.token) === hexOf(ours.owner.token) && found.turns.crc === ours.turns.crc && found.content.crc === ours.content.crc;
}

export function crcOf(slices: readonly Uint8Array[]): number {
  let crc = 0;
  for (let i = 0; i < slices.length; i++) crc = Bun.hash.crc32(slices[i] as Uint8Array, crc);
  return crc;
}
