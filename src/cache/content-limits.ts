/**
 * A flush begins when the log is so many times `flushBytes` long, however few of its bytes are not overwritten: a start has to read it, a GiB in about a second.
 * Were it less, what a database writes over and over would be stored several times before it has its age.
 */
const logPerDirty = 8;
/** The part of the page memory that may be dirty. */
const dirtyMemoryPart = 0.75;

export interface ContentLimits {
  /** Dirty bytes in memory past which writers wait. */
  readonly dirtyBytesMax: number;
  /** Memory of the pages dirty bytes lie in past which writers wait: below the cache's, so that reads always find some. */
  readonly dirtyMemoryMax: number;
  /** Bytes in the log and in packs not stored yet, past which writers wait. */
  readonly unstoredBytesMax: number;
  /** Such a log is flushed without waiting for its age, or so much in packs, which a block store near by takes over as they are. */
  readonly logBytesDue: number;
  /** A change is on its way into the store after this. */
  readonly flushAgeMs: number;
  /** So many dirty bytes are flushed without waiting for their age; so much in packs, too, where it takes the block store its time. */
  readonly flushBytes: number;
}

/** What is told of the limits; the rest follows from it (`deriveContentLimits`). */
export type GivenLimits = Omit<ContentLimits, "dirtyMemoryMax" | "logBytesDue">;

/** A log without anything in it that is needed is still up to two segments long: limits below that would never be kept. */
export function deriveContentLimits(given: { readonly limits: GivenLimits; readonly cacheBytes: number; readonly segmentBytes: number }): ContentLimits {
  const { limits, cacheBytes, segmentBytes } = given;
  const unstoredBytesMax = Math.max(limits.unstoredBytesMax, segmentBytes * 4);
  return {
    ...limits,
    unstoredBytesMax,
    dirtyMemoryMax: Math.floor(cacheBytes * dirtyMemoryPart),
    logBytesDue: Math.min(unstoredBytesMax / 2, Math.max(limits.flushBytes * logPerDirty, segmentBytes * 2)),
  };
}
