import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";

export interface Backoff {
  readonly attemptsMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Where each attempt after one that failed is counted. */
  readonly counts: { retries: number };
}

/**
 * Runs `attempt` until it succeeds, fails for good, or has been tried often enough; waits between a
 * random time up to a bound that doubles, so that those who failed together don't come back together. After a failed attempt that
 * `progressed`, counting begins anew.
 */
export async function withRetries<T>(
  backoff: Backoff,
  retried: (error: unknown) => boolean,
  attempt: () => Promise<T>,
  progressed: () => boolean = () => false,
): Promise<T> {
  for (let before = 0; ; before++) {
    try {
      return await attempt();
    } catch (error) {
      if (progressed()) before = 0;
      if (before + 1 >= backoff.attemptsMax || !retried(error)) throw error;
      await wait(backoff.clock, backoffMs(backoff, before));
      backoff.counts.retries++;
    }
  }
}

function backoffMs({ backoffMsMin, backoffMsMax, random }: Backoff, before: number): number {
  const bound = Math.min(backoffMsMax, backoffMsMin * 2 ** before);
  const [high = 0, low = 0] = random.bytes(2);
  return ((high * 256 + low) / 65_536) * bound;
}

export function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
