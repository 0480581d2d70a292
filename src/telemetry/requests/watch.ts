import type { Clock } from "#base/clock.ts";
import { bucketOf, durationBuckets } from "./durations.ts";
import { ShareRequests } from "./share-requests.ts";

/** What a protocol's requests can be: bounds every table kept of them. */
export interface WatchedProtocol {
  /** Its procedures or commands, by the number its dispatcher has for each. */
  readonly operations: readonly string[];
  /** Every status a request may end with; 0 is success. Another counts as the last one. */
  readonly statuses: readonly number[];
  /** The protocol's own name of a status. */
  statusName(operation: number, status: number): string;
}

/** A request as its watch keeps it, in fields of the request itself. */
export interface WatchedRequest {
  /** When it began, on the clock's monotonic scale; -1: nobody watched then. */
  beganMs: number;
  /** Where it is counted as waiting; null: it never had to wait. */
  waitsIn: ShareRequests | null;
}

/** A request that took long, for who asked to be told. */
export interface SlowRequest<R> {
  readonly request: R;
  readonly operation: string;
  readonly share: string;
  readonly status: string;
  readonly durationMs: number;
  /** Bytes of a file it read or wrote. */
  readonly bytes: number;
}

/** Shares told apart; the requests of more are counted together, so that no client's or operator's names can fill memory. */
export const watchedSharesMax = 128;
export const otherShares = "other";

/**
 * Counts the requests of one protocol while somebody wants to know: how many, how long they took, what they moved, by operation,
 * share and status. For each request it reads the clock once, when that is done: a request that was answered at once began
 * when the one before it ended, or when its bytes were taken up, whichever is later.
 */
export class RequestWatch<R extends WatchedRequest = WatchedRequest> {
  readonly protocol: WatchedProtocol;
  /** Told of each request that took at least `slowMs`. */
  slow: ((slow: SlowRequest<R>) => void) | null = null;
  slowMs: number = Number.POSITIVE_INFINITY;
  private readonly clock: Clock;
  private readonly operations: number;
  private readonly statuses: number;
  private readonly slots = new Map<number, number>();
  private readonly shares = new Map<string, ShareRequests>();
  private last: ShareRequests;
  /** The last reading of the clock. */
  private lastMs = 0;

  constructor(protocol: WatchedProtocol, clock: Clock) {
    this.protocol = protocol;
    this.clock = clock;
    this.operations = protocol.operations.length;
    this.statuses = protocol.statuses.length;
    protocol.statuses.forEach((status, slot) => this.slots.set(status, slot));
    this.last = new ShareRequests("", this.operations, this.statuses);
    this.shares.set("", this.last);
  }

  /** What was counted, by share. To be read, not kept across turns. */
  counted(): Iterable<ShareRequests> {
    return this.shares.values();
  }

  /** A request is begun, of bytes that were taken up at `takenMs`. */
  began(request: R, takenMs: number): void {
    request.beganMs = takenMs > this.lastMs ? takenMs : this.lastMs;
  }

  /** A request that began can't be answered yet. */
  waits(request: R, operation: number, share: string): void {
    this.lastMs = this.clock.monotonicMs();
    const counted = this.of(share);
    counted.waiting[operation]!++;
    request.waitsIn = counted;
  }

  /** A request that began is done. `bytes`: of a file, that it read or wrote. */
  ended(request: R, operation: number, share: string, status: number, bytes: number): void {
    const nowMs = this.clock.monotonicMs();
    this.lastMs = nowMs;
    const durationMs = nowMs - request.beganMs;
    request.beganMs = -1;
    const counted = share === this.last.share ? this.last : this.of(share);
    const slot = status === 0 ? 0 : (this.slots.get(status) ?? this.statuses - 1);
    counted.done[operation * this.statuses + slot]!++;
    counted.durations[operation * durationBuckets + bucketOf(durationMs)]!++;
    counted.totalMs[operation]! += durationMs;
    if (bytes > 0 && status === 0) counted.bytes[operation]! += bytes;
    if (request.waitsIn !== null) {
      request.waitsIn.waiting[operation]!--;
      request.waitsIn = null;
    }
    if (durationMs >= this.slowMs) this.tell(request, operation, share, status, durationMs, bytes);
  }

  private of(share: string): ShareRequests {
    const known = this.shares.get(share);
    if (known !== undefined) return (this.last = known);
    const name = this.shares.size > watchedSharesMax ? otherShares : share;
    let counted = this.shares.get(name);
    if (counted === undefined) {
      counted = new ShareRequests(name, this.operations, this.statuses);
      this.shares.set(name, counted);
    }
    return counted;
  }

  private tell(request: R, operation: number, share: string, status: number, durationMs: number, bytes: number): void {
    this.slow?.({ request, operation: this.protocol.operations[operation] ?? "", share, status: this.protocol.statusName(operation, status), durationMs, bytes });
  }
}
