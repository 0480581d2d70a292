import type { ControlDatabase } from "#control/database/port.ts";
import { type Actor, type AdapterState, type ClientInfo, ControlError, type ControlOptions, type Desired, type Failure, type MountInfo, openControlPlane, type RotatedShare, type Runtime, type SharePlan, type ShareState, type StoreHealth, type StorePlan, type StoreRequests } from "#control/index.ts";
import { openPasswords } from "#control/passwords/index.ts";
import { openKeyring } from "#control/secrets/index.ts";
import { noJobs, stillLive } from "../../support/fake-control.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { MemoryDatabase } from "./sessions/memory-database.ts";
import { CountingBcrypt } from "./sessions/world.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { LogLines } from "../../support/log-lines.ts";

export const root: Actor = { name: "admin", address: "192.0.2.1" };
export const adminPassword = "the first password";
export const secret = "a secret of the control plane for tests";

/** A server that does what it is told at once, and fails where it is told to. */
export class FakeRuntime implements Runtime {
  readonly jobs = noJobs;
  readonly live = stillLive;
  readonly asked: Desired[] = [];
  readonly tried: StorePlan[] = [];
  readonly purged: string[] = [];
  /** Reasons by target, "share /x" or "adapter nfs". */
  readonly failing = new Map<string, string>();
  readonly unreachable = new Map<string, string>();
  /** Databases of shares nobody knows any more, by name. */
  readonly left = new Map<string, string>();
  readonly inUse = new Map<string, string>();
  /** A share that would lose something if it were closed. */
  losing: string | null = null;
  /** What became of the keys of the shares it serves. */
  rotated: readonly RotatedShare[] = [];
  /** Addresses of clients with a connection. */
  readonly connected: string[] = [];
  /** Of those. */
  seenAt = 1_800_000_000_250;
  purging: Promise<void> = Promise.resolve();
  hold: Promise<void> = Promise.resolve();

  get desired(): Desired {
    const last = this.asked.at(-1);
    if (last === undefined) throw new Error("nothing was asked for yet");
    return last;
  }

  plan(name: string): SharePlan {
    const plan = this.desired.shares.find((share) => share.name === name);
    if (plan === undefined) throw new Error(`${name} is not desired`);
    return plan;
  }

  async reconcile(desired: Desired): Promise<readonly Failure[]> {
    this.asked.push(desired);
    await this.hold;
    const targets = [...desired.shares.map(({ name }) => ({ type: "share" as const, name })), ...desired.adapters.filter(({ enabled }) => enabled).map(({ type }) => ({ type: "adapter" as const, name: type }))];
    return targets.flatMap((target) => {
      const reason = this.reason(target.type, target.name);
      return reason === undefined ? [] : [{ target, reason }];
    });
  }

  share(name: string): ShareState | null {
    if (this.asked.length === 0 || !this.desired.shares.some((plan) => plan.name === name)) return null;
    const error = this.reason("share", name) ?? null;
    return { state: error === null ? "serving" : "failed", error, dirtyBytes: 0, unstoredBytes: 0, oldestUnstoredMs: null, storeError: null, diskCache: null };
  }

  async usage(): Promise<null> {
    return null;
  }

  adapter(): AdapterState {
    const plan = this.asked.at(-1)?.adapters[0];
    const error = this.reason("adapter", "nfs") ?? null;
    return { running: error === null && plan?.enabled === true, error, address: null, port: plan?.port ?? null, connections: 0 };
  }

  clients(): readonly ClientInfo[] {
    return this.connected.map((address) => ({ id: address, protocol: "nfs", address, user: null, shares: [], connectedAt: 0, lastSeenAt: 0, requests: 0, bytesIn: 0, bytesOut: 0 }));
  }

  mounts(): readonly MountInfo[] {
    return [...this.inUse].map(([share, client]) => ({ client, protocol: "nfs", share, path: share, mountedAt: 0, seenAt: this.seenAt }));
  }

  disconnect(): boolean {
    return false;
  }

  async tryStore(plan: StorePlan): Promise<StoreHealth> {
    this.tried.push(plan);
    const error = this.unreachable.get(plan.name) ?? null;
    return { healthy: error === null, error, latencyMs: error === null ? 1 : null, checkedAt: 0 };
  }

  async drain(): Promise<ReadonlyMap<string, number>> {
    return new Map();
  }

  async refuseLosing(name: string): Promise<void> {
    if (this.losing === name) throw new ControlError("conflict", "its block store takes nothing");
  }

  async warm(): Promise<{ readonly bytes: number; readonly complete: boolean }> {
    return { bytes: 0, complete: true };
  }

  async evict(): Promise<number> {
    return 0;
  }

  async rotateKeys(): Promise<readonly RotatedShare[]> {
    return this.rotated;
  }

  storeRequests(): readonly StoreRequests[] {
    return [];
  }

  leftBehind(plan: SharePlan): string | null {
    return this.left.get(plan.name) ?? null;
  }

  async purge(plan: SharePlan): Promise<void> {
    await this.purging;
    this.purged.push(plan.name);
  }

  private reason(type: string, name: string): string | undefined {
    return this.failing.get(`${type} ${name}`);
  }
}

export interface Given extends Partial<ControlOptions> {
  readonly database?: ControlDatabase;
  readonly seed?: number;
}

/** A control plane over a database in memory and a server that only pretends, started. */
export async function openKit(given: Given = {}) {
  const clock = new ManualClock();
  const random = new SeededRandom(given.seed ?? 1);
  const runtime = new FakeRuntime();
  const log = new LogLines();
  const bcrypt = new CountingBcrypt();
  const database = given.database ?? new MemoryDatabase();
  const { seed: _seed, ...more } = given;
  const options: ControlOptions = {
    database,
    runtime,
    passwords: openPasswords({ clock, bcrypt }),
    keyring: await openKeyring(database, secret, random),
    clock,
    random,
    logger: log,
    machine: { memoryBytes: 8 * 2 ** 30, dataHome: "/var/empty/data", configHome: "/var/empty/config" },
    dataDirectory: "/data",
    clientsByDefault: () => ["127.0.0.0/8", "::1"],
    fileShares: [],
    fileSharesGiven: false,
    adapterOverrides: new Map(),
    settingDefaults: { "logging.level": "info", "logging.slow_operations": "0s" },
    checkAdapter: () => [],
    adminPassword,
    keepAdminPassword() {},
    onPasswordSet() {},
    resolve: () => Promise.reject(new Error("no DNS here")),
    ...more,
  };
  const control = await openControlPlane(options);
  const failures = await control.start();
  return { ...control.services, control, database, runtime, clock, log, bcrypt, options, failures };
}

export type Kit = Awaited<ReturnType<typeof openKit>>;
