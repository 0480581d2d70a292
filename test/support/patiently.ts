import { NfsError, Status } from "./nfs-types.ts";
import { until } from "./wait.ts";

/** Asks again while the server says "later" (JUKEBOX), as every client does. */
export async function patiently<T>(call: () => Promise<T>, limitMs = 30_000): Promise<T> {
  const found = await until("an answer other than JUKEBOX", limitMs, async () => {
    try {
      return { value: await call() };
    } catch (error) {
      if (error instanceof NfsError && error.status === Status.jukebox) return null;
      throw error;
    }
  });
  return found.value;
}
