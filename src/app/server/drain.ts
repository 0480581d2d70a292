import type { Clock } from "#base/clock.ts";
import { approximateSize } from "#config/index.ts";
import { ControlError } from "#control/index.ts";
import type { OpenShare } from "../share/open-share.ts";
import { lasts } from "../share/tree.ts";

/** Looks at a drain's progress per time-out. */
const looksPerTimeout = 20;

/**
 * Stores what a share has accepted by now and gives the bytes of it. Refused as `no_progress` when nothing of it was stored for
 * `stallMs`: what is not stored stays in the log, and is tried again as ever.
 */
export async function drainShare(open: OpenShare, stallMs: number, clock: Clock): Promise<number> {
  const upTo = open.progress.accepted;
  const before = open.unstoredBytes;
  let givenUp = false;
  const done = open.drain(() => givenUp).then(() => true);
  let oldest = open.progress.oldest;
  let least = before;
  let progressMs = clock.monotonicMs();
  for (;;) {
    const look = Promise.withResolvers<false>();
    const timer = clock.after(Math.max(1, stallMs / looksPerTimeout), () => look.resolve(false));
    const isDone = await Promise.race([done, look.promise]);
    timer.cancel();
    if (isDone || open.progress.oldest > upTo) return before;
    if (open.progress.oldest > oldest || open.unstoredBytes < least) {
      oldest = open.progress.oldest;
      least = Math.min(least, open.unstoredBytes);
      progressMs = clock.monotonicMs();
    } else if (clock.monotonicMs() - progressMs >= stallMs) {
      givenUp = true;
      const { storeError } = open.report;
      const why = storeError === null ? "" : `: ${storeError}`;
      throw new ControlError("no_progress", `nothing of share ${open.plan.name} was stored for ${Math.round(stallMs / 1000)} s; ${approximateSize(open.unstoredBytes)} wait${why}`, {
        hint: `Look at the health of its block store and at the server's log. ${lasts(open.plan) ? "What waits is in the write-ahead log and is not lost." : "What waits is lost when the server stops, as all of a share in memory."}`,
      });
    }
  }
}

/** The same of several shares at once: bytes by share. */
export async function drainShares(shares: readonly OpenShare[], stallMs: number, clock: Clock): Promise<ReadonlyMap<string, number>> {
  const bytes = await Promise.all(shares.map((share) => drainShare(share, stallMs, clock)));
  return new Map(shares.map((share, i) => [share.plan.name, bytes[i] as number]));
}
