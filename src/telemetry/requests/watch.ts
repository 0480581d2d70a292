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
  /** Where it is counted as waiting, or `nowhere`; null: it was answered, or is being answered, as soon as it was taken up. */
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

/** Of requests that are timed one by one, and wait for nothing. */
const nowhere = new ShareRequests("", 0, 0);
/** Runs of requests answered at once that are kept until their answers have left. */
const answeredMax = 64;

/**
 * Counts the requests of one protocol while somebody wants to know: how many, how long they took, what they moved, by operation,
 * share and status. Requests that came together and are answered at once have their answers sent together, at the time of which
 * `answersLeft` reads the clock once for all of them: reading it costs as much as a look-up of attributes costs in all. Others are
 * timed one by one, and so are all while somebody is told of slow ones.
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
  /** Equal requests answered at once, one after the other: how many, and bytes of all of them. */
  private run = 0;
  private runBytes = 0;
  private runOperation = 0;
  private runShare = "";
  private runStatus = 0;
  private runBeganMs = 0;
  /** Runs since answers left: the share, operation and beginning of each, and how long it was. */
  private readonly answeredIn: ShareRequests[] = new Array<ShareRequests>(answeredMax).fill(nowhere);
  private readonly answeredOperation = new Int32Array(answeredMax);
  private readonly answeredBeganMs = new Float64Array(answeredMax);
  private readonly answeredCount = new Int32Array(answeredMax);
  private answered = 0;

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
    this.answersLeft();
    return this.shares.values();
  }

  /** A share is no longer there: its counts go, and another may be told apart in its place. */
  forget(share: string): void {
    if (share === "") return;
    this.answersLeft();
    this.shares.delete(share);
    this.last = this.of("");
  }

  /** A request is begun, of bytes that were taken up at `takenMs`. */
  began(request: R, takenMs: number): void {
    request.beganMs = takenMs;
  }

  /** A request is begun that was not taken up just now: one after another that was waited for. */
  beganLate(request: R): void {
    request.beganMs = this.clock.monotonicMs();
    request.waitsIn = nowhere;
  }

  /** A request that began can't be answered yet. */
  waits(request: R, operation: number, share: string): void {
    const counted = this.of(share);
    counted.waiting[operation]!++;
    request.waitsIn = counted;
  }

  /** A request that began is done. `bytes`: of a file, that it read or wrote. So small that the engine puts it into its callers. */
  ended(request: R, operation: number, share: string, status: number, bytes: number): void {
    if (request.beganMs === this.runBeganMs && operation === this.runOperation && status === this.runStatus && share === this.runShare && request.waitsIn === null && this.slow === null) {
      request.beganMs = -1;
      this.run++;
      this.runBytes += bytes;
    } else this.endedApart(request, operation, share, status, bytes);
  }

  /** One that is not like the one before. */
  private endedApart(request: R, operation: number, share: string, status: number, bytes: number): void {
    const { beganMs } = request;
    request.beganMs = -1;
    if (request.waitsIn === null && this.slow === null) {
      this.beginRun(operation, share, status, beganMs);
      this.run++;
      this.runBytes += bytes;
      return;
    }
    const durationMs = this.clock.monotonicMs() - beganMs;
    const counted = this.of(share);
    this.add(counted, operation, status, 1, bytes);
    addDuration(counted, operation, durationMs, 1);
    if (request.waitsIn !== null && request.waitsIn !== nowhere) request.waitsIn.waiting[operation]!--;
    request.waitsIn = null;
    if (durationMs >= this.slowMs) this.tell(request, operation, share, status, durationMs, bytes);
  }

  /** Those that were answered as soon as they were taken up have their answers sent: they end now. */
  answersLeft(): void {
    const { run } = this;
    // Mostly all were equal.
    if (this.answered === 0 && run > 0) {
      const counted = this.of(this.runShare);
      this.add(counted, this.runOperation, this.runStatus, run, this.runBytes);
      addDuration(counted, this.runOperation, this.clock.monotonicMs() - this.runBeganMs, run);
      this.run = 0;
      this.runBytes = 0;
      return;
    }
    this.endRun();
    if (this.answered > 0) this.flushAnswered();
  }

  private flushAnswered(): void {
    const nowMs = this.clock.monotonicMs();
    for (let i = 0; i < this.answered; i++) {
      addDuration(this.answeredIn[i]!, this.answeredOperation[i]!, nowMs - this.answeredBeganMs[i]!, this.answeredCount[i]!);
    }
    this.answered = 0;
  }

  private beginRun(operation: number, share: string, status: number, beganMs: number): void {
    this.endRun();
    this.runOperation = operation;
    this.runShare = share;
    this.runStatus = status;
    this.runBeganMs = beganMs;
  }

  private endRun(): void {
    const { run } = this;
    if (run === 0) return;
    if (this.answered === answeredMax) this.flushAnswered();
    const counted = this.of(this.runShare);
    this.add(counted, this.runOperation, this.runStatus, run, this.runBytes);
    const at = this.answered++;
    this.answeredIn[at] = counted;
    this.answeredOperation[at] = this.runOperation;
    this.answeredBeganMs[at] = this.runBeganMs;
    this.answeredCount[at] = run;
    this.run = 0;
    this.runBytes = 0;
  }

  private add(counted: ShareRequests, operation: number, status: number, times: number, bytes: number): void {
    const slot = status === 0 ? 0 : (this.slots.get(status) ?? this.statuses - 1);
    counted.done[operation * this.statuses + slot]! += times;
    if (status === 0) counted.bytes[operation]! += bytes;
  }

  private of(share: string): ShareRequests {
    if (share === this.last.share) return this.last;
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

function addDuration({ durations, totalMs }: ShareRequests, operation: number, durationMs: number, times: number): void {
  durations[operation * durationBuckets + bucketOf(durationMs)]! += times;
  totalMs[operation]! += durationMs * times;
}
