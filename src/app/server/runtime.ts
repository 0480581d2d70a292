import { type Config, deriveLimits, sharesMax } from "#config/index.ts";
import { type AdapterState, type AdapterType, type ClientInfo, ControlError, type Desired, type Failure, type MountInfo, type Runtime, type SharePlan, type ShareState, type StoreHealth, type StorePlan } from "#control/index.ts";
import { type Absence, ShareTable } from "#vfs/index.ts";
import { drainShares } from "./drain.ts";
import { JobTable } from "./jobs.ts";
import { SlowRequests } from "../telemetry/slow-requests.ts";
import { forgetShare, LiveStats } from "../telemetry/live-stats.ts";
import { absenceOf, handlesOf, NotNow } from "../share/absence.ts";
import { evictShare, warmShare } from "../share/share-cache.ts";
import { Moves } from "../work/moves.ts";
import { Protocols } from "./protocols.ts";
import { Runs } from "./runs.ts";
import type { Listening } from "#cli/ports.ts";
import type { LoginAttempts } from "#model/identity.ts";
import { connectionsWithin, openFilesMax } from "../process/open-files.ts";
import type { Measured } from "../metrics/index.ts";
import type { OpenShare, Surroundings } from "../share/open-share.ts";
import { openShare } from "../share/share-opening.ts";
import { stateOf } from "../share/share-state.ts";
import { refuseMore, stillClosing, writeBytesMax } from "../share/not-served.ts";
import { placesOf, refuseCollision } from "../share/places.ts";
import { GivenUp } from "../share/given-up.ts";
import { leftBehind, purgeShare } from "../work/purge.ts";
import { isOther, mustReopen } from "../share/reopen.ts";
import { warnOf } from "../share/share-warnings.ts";
import { Volatile } from "../share/volatile.ts";
import { checkTree, lasts } from "../share/tree.ts";
import { Fences } from "../stores/fence.ts";
import { checkKeys, requestsOf, rotateKeys } from "../stores/rotate-keys.ts";
import { tryStore } from "../stores/try-store.ts";

/** What a server's parts are told besides their plans. */
export interface RuntimeOptions {
  readonly config: Config;
  readonly around: Surroundings;
  /** A share was opened whose log had something to go on with. */
  readonly recovered: (share: string, summary: string) => void;
  /** Notes which tree a share is, where nobody knows; gives what is known then. */
  readonly identify: (shareId: string, instance: string) => Promise<string>;
  /** Slows those who guess passwords. */
  readonly attempts: LoginAttempts;
  /** The log says from now on what is at least so severe. */
  readonly setLogLevel: (level: string) => void;
  /** What is listened on or shared changed. */
  readonly changed: () => void;
}

/**
 * The running server: shares and adapters, brought to what the control plane desires, one run at a time. Policies are replaced at once, a run that
 * opens or closes something notwithstanding. Closed before anything is opened; a share that can't be opened is a failure of its own, and tried again.
 */
export class ServerRuntime implements Runtime {
  readonly protocols: Protocols;
  private readonly config: Config;
  private readonly options: RuntimeOptions;
  private readonly table = new ShareTable();
  private readonly open = new Map<string, OpenShare>();
  readonly share = (name: string): ShareState | null => stateOf(name, this.open, this.closing, this.failed);
  readonly clients = (): readonly ClientInfo[] => this.protocols.clients();
  readonly mounts = (): readonly MountInfo[] => this.protocols.mounts();
  readonly adapter = (type: AdapterType): AdapterState => this.protocols.state(type);
  readonly plans = (): readonly SharePlan[] => [...this.open.values()].map((share) => share.plan);
  readonly disconnect = (id: string): boolean => this.protocols.disconnect(id);
  readonly usage = async (name: string) => (await this.open.get(name)?.usage()) ?? null;
  readonly refuseLosing = (name: string): Promise<void> => this.moves.refuseLosing(name);
  readonly warm = (name: string) => warmShare(this.open.get(name), name);
  readonly evict = (name: string) => evictShare(this.open.get(name), name);
  readonly leftBehind = (plan: SharePlan) => (this.open.has(plan.name) ? null : leftBehind(this.config, plan));
  readonly rotateKeys = (plan: StorePlan) => rotateKeys(plan, this.open.values());
  readonly storeRequests = (plan: StorePlan) => requestsOf(plan, this.open.values());
  readonly measured = (): Measured => ({ open: this.open.values(), wanted: (this.wanted?.shares ?? []).map(({ name }) => name), jobs: this.jobs, held: this.protocols.smb.held, duplicates: this.protocols.nfs.duplicates });
  readonly jobs: JobTable;
  readonly live: LiveStats;
  readonly slow: SlowRequests;
  private readonly moves: Moves;
  private readonly kept = { volatile: new Volatile(), fences: new Fences() };
  /** Those that were not closed in time: they still store what they hold, and nobody may open their log beside them. */
  private readonly closing = new Map<string, OpenShare>();
  /** Why shares that are desired are not served. */
  private readonly failed = new Map<string, Error>();
  private readonly givenUp: GivenUp;
  private readonly runs = new Runs((desired: Desired) => this.run(desired));
  /** What was asked for last. */
  private wanted: Desired | null = null;
  private serving = false;
  private stopping = false;

  constructor(options: RuntimeOptions) {
    this.options = options;
    this.config = options.config;
    const again = (): Promise<unknown> => (this.wanted === null || this.stopping ? Promise.resolve() : this.reconcile(this.wanted));
    this.givenUp = new GivenUp(options.around.clock, again);
    this.moves = new Moves(options, { table: this.table, open: this.open, ...this.kept, gone: (fs) => this.protocols.smb.shareGone(fs) }, again);
    this.jobs = new JobTable(async (request, watch) => (await import("../work/check-share.ts")).workOn(this.moves, this.open.get(request.share), request, watch), (share) => this.open.has(share), options.around);
    this.live = new LiveStats({ ...options.around, shares: () => [...this.open.keys()], share: this.share, clients: this.clients });
    this.slow = new SlowRequests(options.around, (name) => this.open.get(name) ?? null, () => this.open.values());
    this.protocols = new Protocols(this.table, options.around, options.attempts, (asked) => connectionsWithin(asked, Math.max(1, this.open.size), openFilesMax()));
  }

  reconcile(desired: Desired): Promise<readonly Failure[]> {
    if (this.stopping) return Promise.reject(new ControlError("unavailable", "the server is stopping"));
    this.wanted = desired;
    this.followPolicies(desired);
    return this.runs.ask(desired);
  }

  /** Adapters are started from here on: until then reconciling leaves them alone. Gives what failed of them. */
  async serve(): Promise<readonly Failure[]> {
    this.serving = true;
    return this.wanted === null ? [] : await this.reconcile(this.wanted);
  }

  /** Stops serving: no more requests first, then each share's content on its way into its store. False: not all in time. */
  async stopAdapters(leftMs: number): Promise<void> {
    this.stopping = true;
    this.table.absent.end();
    await this.protocols.stop(leftMs);
  }

  async stopShares(leftMs: number): Promise<boolean> {
    this.stopping = true;
    await this.jobs.stop(null);
    // A share that is being opened is closed once it is.
    await this.runs.settled();
    const closed = await Promise.all([...this.open.values()].map((share) => this.close(share, leftMs)));
    return closed.every((each) => each);
  }

  /** Why a share is not served, with what the system said; undefined: it is. */
  whyNot(name: string): Error | undefined {
    return this.failed.get(name);
  }

  get shareCount(): number {
    return this.open.size;
  }

  get listening(): readonly Listening[] {
    return this.protocols.listening;
  }

  async tryStore(plan: StorePlan, writing: boolean): Promise<StoreHealth> {
    return await checkKeys(plan, writing, await tryStore(this.config, plan, writing, { ...this.options.around, ...this.kept }), this.open.values());
  }

  async drain(name: string | null): Promise<ReadonlyMap<string, number>> {
    const shares = [...this.open.values()].filter((share) => name === null || share.plan.name === name);
    return await drainShares(shares, this.config.controlplane.drain_stall_timeout, this.options.around.clock);
  }

  async purge(plan: SharePlan, others: readonly SharePlan[]): Promise<void> {
    // Never beside a run, which might be about to open what goes.
    await this.runs.settled();
    if (this.open.has(plan.name)) throw new ControlError("in_use", `share ${plan.name} is being served`, { hint: "Delete it first." });
    this.moves.refusePurge(plan);
    if (this.closing.has(plan.name)) throw new ControlError("in_use", stillClosing(plan.name), { hint: "Purge it again in a while; the server's log says what it waits for." });
    await purgeShare(this.config, plan, others, this.options.around).then(() => this.kept.volatile.forget(plan));
    this.options.around.logger.info({ share: plan.name }, "removed the data of a share for good");
  }

  /** What of the plans holds at once, whatever is being opened or closed. */
  private followPolicies(desired: Desired): void {
    for (const plan of desired.shares) {
      const share = this.open.get(plan.name);
      if (share !== undefined && !mustReopen(share.plan, plan)) share.follow(plan);
    }
    this.table.keepAbsent((name) => desired.shares.find((plan) => plan.name === name)?.policy ?? null);
    this.protocols.smb.followPolicies(desired.accounts);
  }

  private async run(desired: Desired): Promise<readonly Failure[]> {
    this.options.setLogLevel(desired.logging.level);
    this.slow.set(desired.logging.slowMs);
    const failures = [...(await this.closeOthers(desired)), ...(await this.openMissing(desired))];
    if (this.serving && !this.stopping) failures.push(...(await this.protocols.follow(desired, this.config.adapters.nfs.bind, this.config.server.shutdown_timeout)));
    this.options.changed();
    return failures;
  }

  /** Closes the shares that are gone, and those whose stores are others now; gives those that had to stay open for what they hold. */
  private async closeOthers(desired: Desired): Promise<Failure[]> {
    const plans = new Map(desired.shares.map((plan) => [plan.name, plan]));
    const gone = [...this.open.values()].filter((share) => {
      const plan = plans.get(share.plan.name);
      return plan === undefined || mustReopen(share.plan, plan) || isOther(share, plan) || this.givenUp.has(plan);
    });
    const kept = await Promise.all(gone.map((share) => this.letGo(share, plans.get(share.plan.name)?.id === share.plan.id)));
    for (const name of this.failed.keys()) if (!plans.has(name) || this.open.has(name)) this.failed.delete(name);
    for (const { plan } of gone) if (!plans.has(plan.name)) forgetShare(this.options.around.telemetry, plan.name);
    if (gone.length > 0) this.shareOut(this.open.size);
    return kept.filter((failure) => failure !== null);
  }

  private async letGo(share: OpenShare, back: boolean): Promise<Failure | null> {
    const kept = back ? await this.moves.settle(share) : null;
    if (kept === null) await this.close(share, this.config.server.shutdown_timeout, back ? absenceOf(this.givenUp.why(share.plan)) : null);
    return kept;
  }

  /** `why` its clients find it closed; null: it is wanted no more. */
  private async close(share: OpenShare, timeoutMs: number, why: Absence | null = null): Promise<boolean> {
    const { name } = share.plan;
    this.table.remove(name, why);
    this.protocols.smb.shareGone(share.share);
    // One that is not served yet may be opened for a job that moves it, which waits for that.
    if (this.open.delete(name)) await this.jobs.stop(name);
    const clean = await this.slow.lookedAtUntil(share, share.close(timeoutMs, this.options.around.clock));
    this.options.around.logger.info({ share: name, clean }, clean ? "closed a share" : "a share is not closed yet");
    if (!clean) this.lingers(share);
    return clean;
  }

  /** What it holds is stored still, or it ended with an error: either way it is waited for before it is opened again. */
  private lingers(share: OpenShare): void {
    const { name } = share.plan;
    this.closing.set(name, share);
    void share.ended.then(() => {
      this.closing.delete(name);
      this.options.around.logger.info({ share: name }, "closed a share");
      if (this.wanted !== null && !this.stopping && this.failed.has(name)) void this.reconcile(this.wanted).catch(() => {});
    });
  }

  private async openMissing(desired: Desired): Promise<Failure[]> {
    const failures: Failure[] = [];
    const missing = desired.shares.filter((plan) => !this.open.has(plan.name));
    const most = sharesMax(this.config, writeBytesMax(this.config, desired.adapters));
    const away = new Set<string>();
    // Room is made before it is given away again.
    if (missing.length > 0) this.shareOut(Math.min(most, this.open.size + missing.length));
    for (const plan of missing) {
      try {
        if (this.stopping) throw new NotNow("the server is stopping");
        this.givenUp.refuse(plan);
        refuseMore(this.config, this.open.size, most);
        await this.openOne(plan, away);
        this.failed.delete(plan.name);
      } catch (error) {
        this.failed.set(plan.name, error as Error);
        this.table.lacks(plan.name, plan.policy, handlesOf(plan), absenceOf(error as Error));
        failures.push({ target: { type: "share", name: plan.name }, reason: (error as Error).message });
      }
    }
    if (missing.length > 0) this.shareOut(this.open.size);
    this.givenUp.comeBack(this.failed.values());
    return failures;
  }

  private async openOne(plan: SharePlan, away: Set<string>): Promise<void> {
    this.moves.refuse(plan);
    if (this.closing.has(plan.name)) throw new NotNow(stillClosing(plan.name));
    refuseCollision(plan.name, placesOf(this.config, plan), [...this.open.values(), ...this.closing.values()]);
    const share = await openShare(this.config, plan, deriveLimits(this.config, this.open.size + 1), { ...this.options.around, broken: this.givenUp.teller(plan), ...this.kept }, away);
    await this.identify(share);
    this.open.set(plan.name, share);
    this.kept.volatile.opened(plan);
    warnOf(this.config, plan, this.options.around.logger);
    // The policy may be another by now.
    const latest = this.wanted?.shares.find((each) => each.id === plan.id);
    if (latest !== undefined && !mustReopen(plan, latest)) share.follow(latest);
    this.table.add(share.share);
    if (share.recovered !== null) this.options.recovered(plan.name, share.recovered);
  }

  /** Before anybody is served from it. */
  private async identify(share: OpenShare): Promise<void> {
    const { plan, instance, places } = share;
    if (!lasts(plan) || plan.instance !== null) return;
    const known = await this.options.identify(plan.id, instance).catch((error: unknown) => error as Error);
    if (known === instance) return;
    await this.close(share, this.config.server.shutdown_timeout);
    if (typeof known !== "string") throw known;
    checkTree(plan, instance, places, known);
  }

  /** Gives each share its part of what all have together. */
  private shareOut(shares: number): void {
    const limits = deriveLimits(this.config, Math.max(1, shares));
    for (const share of this.open.values()) share.setLimits(limits);
  }
}
