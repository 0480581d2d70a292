import type { Clock, Timer } from "#base/clock.ts";
import type { ClientActivity, Live, LiveFigures, ShareActivity } from "#control/live.ts";
import type { ClientInfo, ShareState } from "#control/index.ts";
import type { Logger } from "#telemetry/logger.ts";
import { ActivitySum, type Done, Rates, type RequestCounts } from "#telemetry/requests/rates.ts";
import type { Telemetry } from "./telemetry.ts";

/** Clients that are told of, the busiest. */
const clientsMax = 200;
/** Somebody who asks now and then finds figures at hand for so long; then nobody watches any more. */
const lingerMs = 5000;

/** Where figures come from. */
export interface LiveParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Have requests counted while that is asked for. */
  readonly telemetry: Pick<Telemetry, "nfsRequests" | "smbRequests">;
  /** Names of the shares that are served. */
  shares(): readonly string[];
  share(name: string): ShareState | null;
  clients(): readonly ClientInfo[];
}

/** Measures while somebody looks: a sampler for each interval that is asked for. */
export class LiveStats implements Live {
  private readonly parts: LiveParts;
  private readonly samplers = new Map<number, Sampler>();

  constructor(parts: LiveParts) {
    this.parts = parts;
  }

  /** Intervals that are measured at present. */
  get watched(): number {
    return this.samplers.size;
  }

  figures(seconds: number): Promise<LiveFigures> {
    return this.sampler(seconds).figures();
  }

  follow(seconds: number, told: (figures: LiveFigures) => void): { end(): void } {
    return this.sampler(seconds).follow(told);
  }

  private sampler(seconds: number): Sampler {
    let sampler = this.samplers.get(seconds);
    if (sampler === undefined) {
      sampler = new Sampler(this.parts, seconds * 1000, () => this.samplers.delete(seconds));
      this.samplers.set(seconds, sampler);
    }
    return sampler;
  }
}

/** A share is no longer there: what was counted of its requests goes. */
export function forgetShare({ nfsRequests, smbRequests }: LiveParts["telemetry"], name: string): void {
  nfsRequests.forget(name);
  smbRequests.forget(name);
}

interface Traffic {
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const noTraffic: Traffic = { requests: 0, bytesIn: 0, bytesOut: 0 };

interface Held {
  readonly watch: RequestCounts;
  end(): void;
}

/** What may fail while nobody waits for it. */
function awaited(): PromiseWithResolvers<LiveFigures> {
  const resolvers = Promise.withResolvers<LiveFigures>();
  resolvers.promise.catch(() => {});
  return resolvers;
}

class Sampler {
  private readonly parts: LiveParts;
  private readonly intervalMs: number;
  private readonly ended: () => void;
  private readonly watching: { readonly protocol: "nfs" | "smb"; readonly held: Held; readonly rates: Rates }[];
  private readonly followers = new Set<(figures: LiveFigures) => void>();
  private clients: Map<string, Traffic>;
  private next = awaited();
  private failing = false;
  private latest: LiveFigures | null = null;
  private measuredMs: number;
  private askedMs: number;
  private timer: Timer;

  constructor(parts: LiveParts, intervalMs: number, ended: () => void) {
    this.parts = parts;
    this.intervalMs = intervalMs;
    this.ended = ended;
    this.watching = (["nfs", "smb"] as const).map((protocol) => {
      const held: Held = protocol === "nfs" ? parts.telemetry.nfsRequests.hold() : parts.telemetry.smbRequests.hold();
      return { protocol, held, rates: new Rates(held.watch) };
    });
    this.clients = new Map(parts.clients().map((client) => [client.id, client]));
    this.measuredMs = this.askedMs = parts.clock.monotonicMs();
    this.timer = this.wait();
  }

  figures(): Promise<LiveFigures> {
    this.askedMs = this.parts.clock.monotonicMs();
    return this.latest === null ? this.next.promise : Promise.resolve(this.latest);
  }

  follow(told: (figures: LiveFigures) => void): { end(): void } {
    // One and the same function may be handed in twice.
    const follower = (figures: LiveFigures): void => told(figures);
    this.followers.add(follower);
    return {
      end: () => {
        if (this.followers.delete(follower)) this.askedMs = this.parts.clock.monotonicMs();
      },
    };
  }

  private wait(): Timer {
    return this.parts.clock.after(this.intervalMs, () => this.tick());
  }

  private tick(): void {
    const idleMs = this.parts.clock.monotonicMs() - this.askedMs;
    if (this.followers.size === 0 && idleMs > lingerMs + this.intervalMs) return this.end();
    this.latest = this.measured();
    if (this.latest !== null) {
      this.next.resolve(this.latest);
      for (const told of [...this.followers]) told(this.latest);
    }
    this.timer = this.wait();
  }

  /** Null: that failed. Whoever asked hears so, and the next interval is measured again. */
  private measured(): LiveFigures | null {
    try {
      const figures = this.measure();
      this.failing = false;
      return figures;
    } catch (error) {
      // Nobody's files depend on it.
      if (!this.failing) this.parts.logger.error({ error }, "figures for a live view could not be made; it is tried again with each interval");
      this.failing = true;
      this.next.reject(error);
      this.next = awaited();
      return null;
    }
  }

  private end(): void {
    this.timer.cancel();
    for (const { held } of this.watching) held.end();
    this.ended();
  }

  private measure(): LiveFigures {
    const nowMs = this.parts.clock.monotonicMs();
    const seconds = (nowMs - this.measuredMs) / 1000;
    this.measuredMs = nowMs;
    const now = this.parts.clock.now();
    const done = this.watching.map(({ protocol, rates }) => ({ protocol, ...rates.since() }));
    const total = new ActivitySum();
    for (const each of done) total.add(each.total);
    const shares = this.shares(done, seconds);
    const clients = this.traffic(seconds);
    return {
      at: now.sec * 1000 + Math.floor(now.nsec / 1e6),
      intervalMs: Math.round(seconds * 1000),
      total: total.over(seconds),
      protocols: done.map(({ protocol, total: of }) => ({ protocol, ...of.over(seconds) })),
      procedures: done.flatMap(({ protocol, operations }) => [...operations].map(([name, of]) => ({ protocol, name, ...of.over(seconds) }))),
      shares,
      clients: clients.sort((a, b) => b.requests - a.requests || b.requestsTotal - a.requestsTotal).slice(0, clientsMax),
      clientsTotal: clients.length,
      dirtyBytes: shares.reduce((sum, share) => sum + share.dirtyBytes, 0),
      unstoredBytes: shares.reduce((sum, share) => sum + share.unstoredBytes, 0),
    };
  }

  /** Those that are served, and whatever else requests were counted for. */
  private shares(done: readonly Done[], seconds: number): readonly ShareActivity[] {
    const sums = new Map<string, ActivitySum>(this.parts.shares().map((name) => [name, new ActivitySum()]));
    for (const { shares } of done) {
      for (const [name, sum] of shares) {
        const known = sums.get(name);
        if (known !== undefined) known.add(sum);
        else if (sum.operations > 0 || sum.waiting > 0) sums.set(name, sum);
      }
    }
    return [...sums].map(([name, sum]) => {
      const state = this.parts.share(name);
      return { name, ...sum.over(seconds), dirtyBytes: state?.dirtyBytes ?? 0, unstoredBytes: state?.unstoredBytes ?? 0, oldestUnstoredMs: state?.oldestUnstoredMs ?? null, storeError: state?.storeError ?? state?.error ?? null };
    });
  }

  private traffic(seconds: number): ClientActivity[] {
    const before = this.clients;
    const now = this.parts.clients();
    this.clients = new Map(now.map(({ id, requests, bytesIn, bytesOut }) => [id, { requests, bytesIn, bytesOut }]));
    return now.map(({ id, protocol, address, user, shares, requests, bytesIn, bytesOut, connectedAt }) => {
      const then = before.get(id) ?? noTraffic;
      return {
        id,
        protocol,
        address,
        user,
        shares,
        requests: (requests - then.requests) / seconds,
        receivedBytes: (bytesIn - then.bytesIn) / seconds,
        sentBytes: (bytesOut - then.bytesOut) / seconds,
        requestsTotal: requests,
        connectedAt,
      };
    });
  }
}
