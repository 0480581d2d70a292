import type { CheckTarget } from "#check/index.ts";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { Keyring, MeteredBlocks } from "#blocks/index.ts";
import { type Content, type ContentStats, deriveContentLimits, type Upkeep } from "#cache/index.ts";
import { type CachedBlocks, warm, type Warmed } from "#cache/disk/index.ts";
import type { Config, Limits } from "#config/index.ts";
import type { SharePlan, ShareState } from "#control/index.ts";
import type { History } from "#history/index.ts";
import { Durability } from "#model/credentials.ts";
import type { Logger } from "#telemetry/logger.ts";
import type { Share } from "#vfs/index.ts";
import type { Lifecycle } from "../process/lifecycle.ts";
import type { SharePlaces } from "./places.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import type { Scrubber } from "../work/scrubber.ts";
import { contentLimits, diskCacheLimits } from "./share-limits.ts";
import { instanceOf } from "./tree.ts";
import type { Volatile } from "./volatile.ts";
import type { Fences } from "../stores/fence.ts";
import type { WrappedBlocks } from "../stores/wrap-blocks.ts";

/** What every part of the server is handed. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Something acknowledged is at risk if the process goes on: it must end at once. */
  readonly fatal: (error: Error) => void;
}

/** What the parts of a share are handed. */
export interface ShareSurroundings extends Surroundings {
  /** This share can't be served any more, since another server took it for one; the others can. */
  readonly broken: (error: Error) => void;
  readonly volatile: Volatile;
  readonly fences: Fences;
}

/** The part of a share's time to stop that its requests in hand may take; the rest is for content on its way into its store. */
const drainPart = 0.5;
/** Nobody waits longer for a timer than it can be set for. */
const lastWorkMsMax = 2 ** 31 - 1;

/** What an acknowledgement means at present. */
export interface Tier {
  durability: Durability;
}

/** A share that is served, with what it is made of. */
interface OpenedParts {
  readonly tier: Tier;
  readonly history: History | null;
  readonly share: Share;
  readonly places: SharePlaces;
  readonly recovered: string | null;
  readonly config: Config;
  readonly content: Content;
  readonly counts: ContentStats;
  readonly diskCache: CachedBlocks | null;
  readonly wrapped: WrappedBlocks;
  readonly upkeep: Upkeep;
  readonly scrubber: Scrubber;
  readonly checkTarget: CheckTarget;
  readonly last: LastWork;
  readonly parts: Lifecycle;
}

/** What is done while a share is being closed, when nothing changes any more and its stores are still open. */
export interface LastWork {
  run: () => Promise<void>;
}

export class OpenShare {
  plan: SharePlan;
  readonly share: Share;
  readonly places: SharePlaces;
  /** What recovery did, in words; null where there was nothing to do. */
  readonly recovered: string | null;
  private readonly config: Config;
  private readonly content: Content;
  /** What its content has counted since it was opened. */
  readonly counts: ContentStats;
  private readonly tier: Tier;
  /** Null: the share keeps none. */
  readonly history: History | null;
  /** Of a remote block store alone. */
  private readonly diskCache: CachedBlocks | null;
  private readonly wrapped: WrappedBlocks;
  readonly upkeep: Upkeep;
  readonly scrubber: Scrubber;
  /** What a check of it works on. */
  readonly checkTarget: CheckTarget;
  private readonly last: LastWork;
  private readonly parts: Lifecycle;

  constructor(plan: SharePlan, opened: OpenedParts) {
    this.plan = plan;
    this.share = opened.share;
    this.share.mayBeLate = mayBeLate(plan);
    this.places = opened.places;
    this.recovered = opened.recovered;
    this.config = opened.config;
    this.content = opened.content;
    this.counts = opened.counts;
    this.tier = opened.tier;
    this.history = opened.history;
    this.diskCache = opened.diskCache;
    this.wrapped = opened.wrapped;
    this.upkeep = opened.upkeep;
    this.scrubber = opened.scrubber;
    this.checkTarget = opened.checkTarget;
    this.last = opened.last;
    this.parts = opened.parts;
  }

  /** Which tree it is, in hexadecimal. */
  get instance(): string {
    return instanceOf(this.share.store);
  }

  get dirtyBytes(): number {
    return this.content.dirtyBytes;
  }

  get unstoredBytes(): number {
    return this.content.unstoredBytes;
  }

  /** How long the oldest change has waited for the block store; null: nothing waits. */
  get oldestUnstoredMs(): number | null {
    return this.content.oldestUnstoredMs;
  }

  /** What is not in its stores yet, and why, and how its cache on disk does. */
  get report(): Omit<ShareState, "state" | "error" | "elsewhere"> {
    const { dirtyBytes, unstoredBytes, oldestUnstoredMs, storeError, storeErrorMs } = this.content;
    const history = this.history?.status ?? null;
    const wrong = storeError === null ? { storeError: history?.error ?? null, storeErrorMs: history?.errorMs ?? null } : { storeError, storeErrorMs };
    return { dirtyBytes, unstoredBytes, oldestUnstoredMs, ...wrong, diskCache: this.diskCache?.stats ?? null, history, scrub: this.scrubber.state };
  }

  get progress(): Content["progress"] {
    return this.content.progress;
  }

  /** Has the disk hold copies of what the share stores; null where its block store needs none. */
  async warm(): Promise<Warmed | null> {
    return this.diskCache === null ? null : await warm(this.diskCache, this.share.store);
  }

  /** Removes the copies that the disk holds, and gives their bytes; null where there are none to hold. */
  async evict(): Promise<number | null> {
    return (await this.diskCache?.evict()) ?? null;
  }

  /** With what its content is encrypted; null where nothing is or was. */
  get keyring(): Keyring | null {
    return this.wrapped.keyring;
  }

  /** What was asked of its block store since it was opened. */
  get requests(): MeteredBlocks["counts"] {
    return this.wrapped.meter.counts;
  }

  /** The same request by request, of a store that is asked over the wire; null for others. */
  get wire(): MeteredBlocks["wire"] {
    return this.wrapped.meter.wire;
  }

  get diskCacheStats(): CachedBlocks["stats"] | null {
    return this.diskCache?.stats ?? null;
  }

  /** Takes over what of another plan needs no closing: the policy, and what an acknowledgement means. */
  follow(plan: SharePlan): void {
    this.plan = plan;
    if (this.share.policy !== plan.policy) this.share.setPolicy(plan.policy);
    if (this.tier.durability === Durability.remote && plan.durability !== Durability.remote) void this.history?.release();
    this.tier.durability = plan.durability;
    this.share.mayBeLate = mayBeLate(plan);
    this.content.setDurability(plan.durability);
    this.scrubber.setRate(plan.scrubRate);
  }

  /** Another part of what all shares have together. */
  setLimits(limits: Limits): void {
    const given = contentLimits(this.config, limits);
    this.content.setLimits(deriveContentLimits(given), given.cacheBytes);
    this.diskCache?.setLimits(diskCacheLimits(this.config, limits));
    this.share.resizeCaches(limits.filesMaxPerShare, limits.filesMaxPerShare);
  }

  /** Stores what is accepted by now, or as far as it came when `givenUp` says so. */
  drain(givenUp: () => boolean): Promise<void> {
    return this.content.drain(givenUp);
  }

  async usage(): Promise<{ readonly bytes: number; readonly files: number }> {
    const { bytes, inodes } = await this.share.store.usage();
    return { bytes, files: inodes };
  }

  /** Something accepted is in its log and not yet in its block store. */
  get isUnstored(): boolean {
    return this.content.unstoredBytes > 0 || this.content.oldestUnstoredMs !== null;
  }

  /** Closes it, with `work` done when nothing changes any more and before its stores are closed; throws what that throws. */
  async closeAfter(work: () => Promise<void>, drainMs: number): Promise<void> {
    let failure: unknown = new Error("the share could not be closed");
    this.last.run = async () => {
      failure = null;
      await work().catch((error: unknown) => (failure = error));
    };
    await this.share.drain(drainMs);
    await this.parts.stop(lastWorkMsMax);
    if (failure !== null) throw failure;
  }

  /** When nothing of it runs any more, once it is being closed. */
  get ended(): Promise<void> {
    return this.parts.ended;
  }

  /** Closes it once no table has it any more: requests in hand are answered, content is stored. False: not in time; it goes on until `ended`. */
  async close(timeoutMs: number, clock: Clock): Promise<boolean> {
    const deadline = clock.monotonicMs() + timeoutMs;
    await this.share.drain(timeoutMs * drainPart);
    return await this.parts.stop(Math.max(0, deadline - clock.monotonicMs()));
  }
}

/** Its changes of names are answered by a bucket's word, or by a database's. */
function mayBeLate({ durability, metadata }: SharePlan): boolean {
  return durability === Durability.remote || metadata.type === "postgres";
}
