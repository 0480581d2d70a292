import type { Clock } from "#base/clock.ts";
import { RequestWatch, type WatchedProtocol, type WatchedRequest } from "./watch.ts";

/** Somebody's interest in the requests of a protocol. */
export interface Watching<R extends WatchedRequest = WatchedRequest> {
  readonly watch: RequestWatch<R>;
  /** No longer interested; harmless when repeated. */
  end(): void;
}

/**
 * Watches a protocol's requests while at least one asks for it. Dispatchers read `watch` with every request: null costs them that
 * test and nothing else. Counts begin at nothing whenever the first asks.
 */
export class RequestSwitch<R extends WatchedRequest = WatchedRequest> {
  watch: RequestWatch<R> | null = null;
  private readonly protocol: WatchedProtocol;
  private readonly clock: Clock;
  private holders = 0;

  constructor(protocol: WatchedProtocol, clock: Clock) {
    this.protocol = protocol;
    this.clock = clock;
  }

  /** A share is no longer there. */
  forget(share: string): void {
    this.watch?.forget(share);
  }

  hold(): Watching<R> {
    this.holders++;
    const watch = (this.watch ??= new RequestWatch<R>(this.protocol, this.clock));
    let held = true;
    return {
      watch,
      end: () => {
        if (!held) return;
        held = false;
        if (--this.holders === 0) this.watch = null;
      },
    };
  }
}

/** What a dispatcher is handed that nobody will ever watch. */
export const unwatched: { readonly watch: null } = { watch: null };
