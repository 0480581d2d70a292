import type { SharePolicy } from "#vfs/access/policy.ts";
import type { Durability } from "#model/credentials.ts";
import type { AdapterType, ConfigValue, SettingValue, StoreKind } from "./nouns.ts";

/** A store as it is opened: its secrets are in plain text here and nowhere else. */
export interface StorePlan {
  readonly kind: StoreKind;
  readonly name: string;
  readonly type: string;
  readonly config: Readonly<Record<string, ConfigValue>>;
  readonly secrets: Readonly<Record<string, string>>;
}

/** A share as it should be served. A disabled one stays open under a policy that refuses requests. */
export interface SharePlan {
  readonly id: string;
  readonly name: string;
  readonly metadata: StorePlan;
  readonly blocks: StorePlan;
  /** Where this share's own part of the stores lies; "": it follows from store and name. */
  readonly metadataPath: string;
  readonly blocksPath: string;
  readonly durability: Durability;
  readonly rootMode: number;
  /** Replaced at once when it changes; everything else of a plan takes closing and opening the share. */
  readonly policy: SharePolicy;
}

export interface AdapterPlan {
  readonly type: AdapterType;
  readonly enabled: boolean;
  readonly port: number;
  readonly settings: Readonly<Record<string, SettingValue>>;
}

/** All that should run. */
export interface Desired {
  readonly shares: readonly SharePlan[];
  readonly adapters: readonly AdapterPlan[];
  readonly logLevel: string;
}

/** Something that could not be brought to what is desired; the rest was. */
export interface Failure {
  readonly target: { readonly type: "share" | "adapter"; readonly name: string };
  /** For the operator: what was wrong and what to do. */
  readonly reason: string;
}

export interface ShareState {
  readonly state: "serving" | "failed";
  readonly error: string | null;
  readonly dirtyBytes: number;
  readonly unstoredBytes: number;
  /** How long the oldest change has waited for the block store; null: nothing waits. */
  readonly oldestUnstoredMs: number | null;
  /** What keeps content from being stored or read at present; null: nothing that is known. */
  readonly storeError: string | null;
  /** Of a share that keeps its history in its block store. */
  readonly history?: HistoryState | null;
}

/** How far the history in a share's block store is behind. */
export interface HistoryState {
  readonly segments: number;
  readonly bytes: number;
  /** How long the oldest change has waited to be published; null: everything is. */
  readonly oldestMs: number | null;
  /** Whether the share could be recovered from it. */
  readonly ready: boolean;
  /** What keeps it from being published; null: nothing that is known. */
  readonly error: string | null;
}

export interface AdapterState {
  readonly running: boolean;
  readonly error: string | null;
  readonly address: string | null;
  readonly port: number | null;
  readonly connections: number;
}

export interface ClientInfo {
  readonly id: string;
  readonly protocol: "nfs" | "smb";
  readonly address: string;
  readonly shares: readonly string[];
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  readonly lastSeenAt: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface MountInfo {
  readonly client: string;
  readonly protocol: "nfs" | "smb";
  readonly share: string;
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly mountedAt: number;
}

export interface StoreHealth {
  readonly healthy: boolean;
  readonly error: string | null;
  readonly latencyMs: number | null;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

/** The running server, as the control plane sees it; the composition root implements it. */
export interface Runtime {
  /**
   * Brings what runs to what is desired, shares that are gone closed after their requests in hand, and gives what failed. One run at
   * a time: a caller waits for a run that began after its call.
   */
  reconcile(desired: Desired): Promise<readonly Failure[]>;
  share(name: string): ShareState | null;
  usage(share: string): Promise<{ readonly bytes: number; readonly files: number } | null>;
  adapter(type: AdapterType): AdapterState;
  clients(): readonly ClientInfo[];
  mounts(): readonly MountInfo[];
  /** False: there is no such client. */
  disconnect(id: string): boolean;
  /** Tries a store as it would be opened. `writing`: with everything a share does, at a cost; else only whether it answers, where that costs less. */
  tryStore(plan: StorePlan, writing: boolean): Promise<StoreHealth>;
  /** Stores what is accepted and not yet in its block store; gives bytes by share. Throws ControlError `no_progress`. */
  drain(share: string | null): Promise<ReadonlyMap<string, number>>;
  /** Fetches what a share on a remote store has into its cache on disk, as far as there is room. Throws ControlError. */
  warm(share: string): Promise<{ readonly bytes: number; readonly complete: boolean }>;
  /** Removes the copies in a share's cache on disk and gives their bytes. Throws ControlError. */
  evict(share: string): Promise<number>;
  /** Where files of an earlier share lie that a new one with this plan would bring to light; null: nowhere. */
  leftBehind(plan: SharePlan): string | null;
  /** Removes the data of a share that is closed, for good; `others`, whose data stays, are all shares besides, deleted ones too. */
  purge(plan: SharePlan, others: readonly SharePlan[]): Promise<void>;
}
