import type { Timer } from "#base/clock.ts";
import type { StreamServer } from "./stream-server.ts";

/** While a server stops, a client that takes no byte of its replies for so long has no use for them: nobody who reads is that slow. */
export const stopStalledMs = 2_000;
const looksPerTimeout = 4;

/**
 * Of a server that stops, cuts off connections whose clients have taken nothing since now, or since they last did, until it is cancelled. A socket
 * says that it has room again only when a third of its buffer is free, which may be more than a megabyte: what counts is what clients acknowledge.
 */
export function cutStalled<C>(server: StreamServer<C>): Timer {
  const { clock, logger, stats } = server;
  const sinceMs = clock.monotonicMs();
  /** By connection: what its client had acknowledged when that was last seen to have changed, and when that was. */
  const taken = new Map<number, { readonly bytes: number; readonly atMs: number }>();
  for (const connection of server.list()) taken.set(connection.id, { bytes: connection.acknowledged, atMs: sinceMs });
  const look = (): void => {
    timer = clock.after(stopStalledMs / looksPerTimeout, look);
    const now = clock.monotonicMs();
    for (const connection of server.list()) {
      const bytes = connection.acknowledged;
      let last = taken.get(connection.id);
      if (last === undefined || last.bytes !== bytes) taken.set(connection.id, (last = { bytes, atMs: now }));
      const stalledMs = now - Math.max(last.atMs, connection.progressMs);
      if (connection.waitsForClient !== "receive" || stalledMs < stopStalledMs) continue;
      stats.stalled++;
      logger.info({ client: connection.address, connection: connection.id, stalledMs: Math.round(stalledMs) }, "closed a connection while stopping: it takes no replies");
      connection.close();
    }
  };
  let timer = clock.after(stopStalledMs / looksPerTimeout, look);
  return { cancel: () => timer.cancel() };
}
