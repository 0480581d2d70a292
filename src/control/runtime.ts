import type { SharePolicy } from "#vfs/access/policy.ts";
import type { Accounts } from "#model/identity.ts";
import type { Durability } from "#model/credentials.ts";
import type { Jobs } from "./jobs.ts";
import type { Live } from "./live.ts";
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
  /** Bytes a second; null: off. */
  readonly scrubRate: number | null;
  /** Which tree it is: the instance of its metadata, in hexadecimal. Null: nobody has served it yet, or its metadata is in memory. */
  readonly instance: string | null;
  /** Whether this server may begin the tree, or take the one that it finds, as long as none is known. */
  readonly mayBegin: boolean;
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
  /** Who can log in to protocols that ask for a password; another object when anything of it changed. */
  readonly accounts: Accounts;
  /** The least severe message, and from how many milliseconds on a request is slow; 0: none is. */
  readonly logging: { readonly level: string; readonly slowMs: number };
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
  /** It fails because its tree is another server's, or lost: no change of the share brings that about or heals it. */
  readonly elsewhere?: boolean;
  readonly dirtyBytes: number;
  readonly unstoredBytes: number;
  /** How long the oldest change has waited for the block store; null: nothing waits. */
  readonly oldestUnstoredMs: number | null;
  /** What keeps content from being stored or read at present; null: nothing that is known. */
  readonly storeError: string | null;
  /** How long that has been so; absent or null: it isn't known. */
  readonly storeErrorMs?: number | null;
  /** Of a share that keeps its history in its block store. */
  readonly history?: HistoryState | null;
  /** What its cache on disk has done since the start; null: its block store needs none. */
  readonly diskCache: DiskCacheState | null;
  readonly scrub?: ScrubState;
}

/** How reading all content in the background is doing. */
export interface ScrubState {
  /** Null: off. */
  readonly bytesPerSecond: number | null;
  readonly running: boolean;
  /** Of the pass that is under way. */
  readonly checkedBytes: number;
  readonly damaged: number;
  /** Of the last that ended; milliseconds since 1970. */
  readonly lastEndedAt: number | null;
  readonly lastDamaged: number | null;
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

export interface DiskCacheState {
  /** Reads that needed no request of their own to the block store, and those that did; their bytes likewise. */
  readonly hits: number;
  readonly misses: number;
  readonly hitBytes: number;
  readonly missBytes: number;
  /** Copies that did not match their checksum. */
  readonly damaged: number;
  /** Removed to make room. */
  readonly evictedBytes: number;
  /** What it takes of the disk, and may. */
  readonly bytes: number;
  readonly bytesMax: number;
  readonly objects: number;
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
  /** Of SMB whoever logged in; of NFS what the client last claimed: the user of that uid, or the uid. Null: nobody did. */
  readonly user: string | null;
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
  /** When its client last did something that shows it is there: ended a connection, or mounted this. Later ones may be open still. */
  readonly seenAt: number;
}

export interface StoreHealth {
  readonly healthy: boolean;
  readonly error: string | null;
  readonly latencyMs: number | null;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

/** What became of the keys of a share's content. */
export interface RotatedShare {
  readonly share: string;
  /** Id of the master key its keyring is wrapped with now, and how many keys it has; null where that failed. */
  readonly master: string | null;
  readonly keys: number | null;
  /** Why its keyring is as it was. */
  readonly error: string | null;
}

/** Requests of one kind to a block store, since the shares on it were opened. */
export interface StoreRequests {
  readonly operation: string;
  readonly ok: number;
  /** Answered that there is no such object. */
  readonly missing: number;
  readonly failed: number;
  readonly bytes: number;
  /** Of all of them together, and of the slowest. */
  readonly ms: number;
  readonly msMax: number;
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
  /** Wraps the keyrings of the served shares on an encrypted block store anew. Throws ControlError. */
  rotateKeys(plan: StorePlan): Promise<readonly RotatedShare[]>;
  /** Empty where no served share has content there. */
  storeRequests(plan: StorePlan): readonly StoreRequests[];
  /** Stores what is accepted and not yet in its block store; gives bytes by share. Throws ControlError `no_progress`. */
  drain(share: string | null): Promise<ReadonlyMap<string, number>>;
  /** Throws ControlError where closing a share now would lose what clients wrote, since it is in memory and its block store does not take it. */
  refuseLosing(share: string): Promise<void>;
  /** Fetches what a share on a remote store has into its cache on disk, as far as there is room. Throws ControlError. */
  warm(share: string): Promise<{ readonly bytes: number; readonly complete: boolean }>;
  /** Removes the copies in a share's cache on disk and gives their bytes. Throws ControlError. */
  evict(share: string): Promise<number>;
  readonly jobs: Jobs;
  readonly live: Live;
  /** Where files of an earlier share lie that a new one with this plan would bring to light; null: nowhere. */
  leftBehind(plan: SharePlan): string | null;
  /** Removes the data of a share that is closed, for good; `others`, whose data stays, are all shares besides, deleted ones too. */
  purge(plan: SharePlan, others: readonly SharePlan[]): Promise<void>;
}
