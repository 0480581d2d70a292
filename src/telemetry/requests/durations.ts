/**
 * Durations in buckets whose width is a quarter of their power of two: within 25 % of the truth from a microsecond to two minutes. A
 * bucket's bounds are whole microseconds, and every power of two is one, so that coarser histograms can be read from it exactly.
 */
const bucketsPerDoubling = 4;
const doublings = 27;
export const durationBuckets: number = (doublings - 1) * bucketsPerDoubling;
const longestUs = 2 ** doublings - 1;

/** The bucket of a duration; the last also has what is longer. */
export function bucketOf(durationMs: number): number {
  const us = durationMs >= 0 ? durationMs * 1000 : 0;
  const whole = us < longestUs ? us | 0 : longestUs;
  if (whole < bucketsPerDoubling) return whole;
  const exponent = 31 - Math.clz32(whole);
  return exponent * bucketsPerDoubling - bucketsPerDoubling + ((whole >>> (exponent - 2)) & 3);
}

/** The microseconds from which on a duration is in this bucket or a later one. */
export function bucketFloorUs(bucket: number): number {
  if (bucket < bucketsPerDoubling) return bucket;
  const exponent = Math.floor(bucket / bucketsPerDoubling) + 1;
  return 2 ** exponent + (bucket % bucketsPerDoubling) * 2 ** (exponent - 2);
}
