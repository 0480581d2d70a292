import type { Clock } from "#base/clock.ts";

/** Pause after a request the store did not take, twice as long each time, up to the bound. */
const retryMs = 250;
const retryMsMax = 4_000;

interface Insisting {
  readonly clock: Clock;
  /** The store did not take something, or does again (null). */
  readonly trouble: (error: unknown) => void;
}

/** Tries until it succeeds, or everything ended. */
export async function insist({ clock, trouble }: Insisting, ended: () => boolean, attempt: () => Promise<boolean>): Promise<void> {
  let failed = false;
  for (let pauseMs = retryMs; !ended(); pauseMs = Math.min(pauseMs * 2, retryMsMax)) {
    try {
      if (await attempt()) {
        if (failed) trouble(null);
        return;
      }
    } catch (error) {
      failed = true;
      if (!ended()) trouble(error);
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
}
