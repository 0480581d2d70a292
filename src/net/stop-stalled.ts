import type { Timer } from "#base/clock.ts";
import type { StreamServer } from "./stream-server.ts";

/** While a server stops, a client that takes no byte of its replies for so long has no use for them: nobody who reads is that slow. */
export const stopStalledMs = 2_000;
const looksPerTimeout = 4;

/** Of a server that stops, cuts off connections whose clients have taken nothing since now, or since they last did, until it is cancelled. */
export function cutStalled<C>(server: StreamServer<C>): Timer {
  const { clock, logger, stats } = server;
  const sinceMs = clock.monotonicMs();
  const look = (): void => {
    timer = clock.after(stopStalledMs / looksPerTimeout, look);
    const now = clock.monotonicMs();
    for (const connection of server.list()) {
      const stalledMs = now - Math.max(sinceMs, connection.progressMs);
      if (connection.waitsForClient !== "receive" || stalledMs < stopStalledMs) continue;
      stats.stalled++;
      logger.info({ client: connection.address, connection: connection.id, stalledMs: Math.round(stalledMs) }, "closed a connection while stopping: it takes no replies");
      connection.close();
    }
  };
  let timer = clock.after(stopStalledMs / looksPerTimeout, look);
  return { cancel: () => timer.cancel() };
}
