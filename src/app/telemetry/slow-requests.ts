import type { Clock, Timer } from "#base/clock.ts";
import { countsOf } from "#metadata/index.ts";
import type { Call as NfsCall } from "#nfs/call.ts";
import type { Call as SmbCall } from "#smb/call.ts";
import type { Distribution } from "#telemetry/distribution.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { RequestSwitch, SlowRequest, Watching } from "#telemetry/requests/index.ts";
import type { OpenShare } from "../share/open-share.ts";
import type { Telemetry } from "./telemetry.ts";

/** Waits for others by its nature, however fast the server is: for a change, for another client's lock. */
const patient: ReadonlySet<string> = new Set(["CHANGE_NOTIFY", "LOCK"]);
/** Looks at what shares count: so often that a request that is slow has one before it, and as many as are kept. */
const lookMsMin = 50;
const lookMsMax = 500;
const looksMax = 128;
/** What took less is nothing that anybody waited for. */
const spentMsMin = 1;

/** What something took, of all that was done for a share in some time. */
export interface Spent {
  readonly what: string;
  readonly times: number;
  readonly ms: number;
}

/** Requests, their clock, and where they are told of. */
interface Around {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Pick<Telemetry, "nfsRequests" | "smbRequests">;
}

/** Counts and milliseconds of what a share waits for, by what it is. */
type Sums = ReadonlyMap<string, readonly [times: number, ms: number]>;

interface Look {
  readonly atMs: number;
  readonly shares: ReadonlyMap<string, Sums>;
  /** How late looks were so far: as long something held the event loop up. */
  readonly lateMs: number;
}

/**
 * Logs requests that took long. What a request waited for is not known of each; what is logged with it is what its share did meanwhile, from
 * what stores and log count anyway: looked at a few times a second, and only while slow requests are logged.
 */
export class SlowRequests {
  private readonly around: Around;
  private readonly share: (name: string) => OpenShare | null;
  private readonly shares: () => Iterable<OpenShare>;
  /** From so many milliseconds on; 0: none is logged. */
  ms = 0;
  /** Shares that are being closed: nobody's any more, but somebody waits for it. */
  private readonly closing = new Set<OpenShare>();
  private held: readonly Watching<never>[] = [];
  private looks: Look[] = [];
  /** Shares at the last look: one that was closed since is what a call waited for. */
  private lookedAt: readonly OpenShare[] = [];
  private timer: Timer | null = null;
  private lateMs = 0;

  constructor(around: Around, share: (name: string) => OpenShare | null, shares: () => Iterable<OpenShare>) {
    this.around = around;
    this.share = share;
    this.shares = shares;
  }

  /** Logs from now on what takes at least so long; 0: nothing. */
  set(ms: number): void {
    if (ms === this.ms) return;
    this.ms = ms;
    this.timer?.cancel();
    this.timer = null;
    this.looks = [];
    this.lookedAt = [];
    for (const held of this.held) {
      held.watch.slow = null;
      held.watch.slowMs = Number.POSITIVE_INFINITY;
      held.end();
    }
    this.held = [];
    if (ms === 0) return;
    const { nfsRequests, smbRequests } = this.around.telemetry;
    this.held = [this.hold<NfsCall>("nfs", nfsRequests), this.hold<SmbCall>("smb", smbRequests)] as readonly Watching<never>[];
    this.look(this.around.clock.monotonicMs());
  }

  /** What a share does while it is closed is looked at, too. */
  lookedAtUntil<T>(share: OpenShare, closed: Promise<T>): Promise<T> {
    this.closing.add(share);
    return closed.finally(() => this.closing.delete(share));
  }

  private hold<R extends NfsCall | SmbCall>(part: string, requests: RequestSwitch<R>): Watching<R> {
    const held = requests.hold();
    const logger = this.around.logger.child({ part });
    held.watch.slowMs = this.ms;
    held.watch.slow = (slow) => this.tell(logger, slow);
    return held;
  }

  private tell(logger: Logger, { request, operation, share: name, status, durationMs, bytes }: SlowRequest<NfsCall | SmbCall>): void {
    if (patient.has(operation)) return;
    logger.warn({ ...request.logFields, status, ms: Math.round(durationMs), bytes, ...this.during(name, durationMs) }, "a slow request");
  }

  /** What is logged with a request that is answered now: what its share did since it began, and waits for still. `name` "": it was about no share. */
  during(name: string, durationMs: number): { readonly meanwhile: readonly Spent[] } {
    const share = this.share(name) ?? this.lookedAt.find(({ plan }) => plan.name === name) ?? null;
    const nowMs = this.around.clock.monotonicMs();
    const waiting = share === null ? {} : { dirtyBytes: share.dirtyBytes, unstoredBytes: share.unstoredBytes, storeError: share.report.storeError };
    return { meanwhile: this.meanwhile(share, nowMs - durationMs, nowMs), ...waiting };
  }

  /** What the share did from `beganMs` on, and what held up the event loop, the longest first. Begins with the last look before. */
  private meanwhile(share: OpenShare | null, beganMs: number, nowMs: number): readonly Spent[] {
    const before = this.looks.findLast(({ atMs }) => atMs <= beganMs) ?? this.looks[0];
    if (before === undefined) return [];
    const due = this.looks[this.looks.length - 1]!.atMs + this.lookMs;
    const lateMs = this.lateMs - before.lateMs + Math.max(0, nowMs - due);
    const spent = share === null ? [] : difference(sumsOf(share), before.shares.get(share.plan.name) ?? new Map());
    return [...spent, { what: "event loop held up", times: 1, ms: Math.round(lateMs) }].filter(({ ms }) => ms >= spentMsMin).sort((a, b) => b.ms - a.ms);
  }

  private get lookMs(): number {
    return Math.min(lookMsMax, Math.max(lookMsMin, this.ms / 2));
  }

  private look(dueMs: number): void {
    const { clock } = this.around;
    const atMs = clock.monotonicMs();
    this.lateMs += Math.max(0, atMs - dueMs);
    this.lookedAt = [...this.shares(), ...this.closing];
    this.looks.push({ atMs, lateMs: this.lateMs, shares: new Map(this.lookedAt.map((share) => [share.plan.name, sumsOf(share)])) });
    if (this.looks.length > looksMax) this.looks.shift();
    this.timer = clock.after(this.lookMs, () => this.look(atMs + this.lookMs));
  }
}

function difference(now: Sums, before: Sums): readonly Spent[] {
  return [...now].map(([what, [times, ms]]) => {
    const [timesBefore, msBefore] = before.get(what) ?? [0, 0];
    return { what, times: times - timesBefore, ms: Math.round(ms - msBefore) };
  });
}

/** All that a share counts the time of, with which requests of clients wait. */
function sumsOf({ requests, share, counts }: OpenShare): Sums {
  const sums = new Map<string, readonly [number, number]>();
  const add = (what: string, { count, sum }: Distribution) => sums.set(what, [count, sum * 1000]);
  for (const [operation, { durations }] of Object.entries(requests)) add(`block store ${operation}`, durations);
  add("block store get, first bytes", requests.get.firstBytes);
  const metadata = countsOf(share.store)?.stats;
  if (metadata !== undefined) {
    add("metadata commit", metadata.commits);
    add("metadata sync", metadata.syncs);
    add("metadata query", metadata.queries);
  }
  add("log sync", counts.log.stats.syncs);
  add("flush", counts.flushes.durations);
  return sums;
}
