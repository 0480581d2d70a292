import type { AccessLevel, Identity } from "#model/identity.ts";
import type { Durability, Encryption, Squash } from "#model/credentials.ts";
import { SharePolicy, type SharePolicyFields, shareSmbDefaults } from "#vfs/access/policy.ts";
import type { Row } from "../database/columns.ts";
import type { tables } from "../database/tables.ts";
import type { SharePlan, StorePlan } from "../runtime.ts";
import type { State } from "../state/index.ts";

export type ShareRow = Row<typeof tables.shares>;
export type StoreRow = Row<typeof tables.metadataStores>;

/** What plans are made with besides the state. */
export interface PlanParts {
  readonly identity: () => Identity;
  readonly storePlan: (kind: StorePlan["kind"], row: StoreRow) => StorePlan;
  readonly effectiveClients: (share: ShareRow) => readonly string[];
  readonly identities: { of(shareId: string): string | null; mayBegin(shareId: string): boolean };
}

/** Makes the plans of shares. What didn't change stays the very object it was: `SharePolicy` says why that matters. */
export class SharePlans {
  private readonly state: State;
  private readonly parts: PlanParts;
  private made = new Map<string, SharePlan>();

  constructor(state: State, parts: PlanParts) {
    this.state = state;
    this.parts = parts;
  }

  /** Of all shares that are not deleted. */
  all(): readonly SharePlan[] {
    const plans = this.state.shares.all().flatMap((share) => (share.deletedAt === null ? this.of(share) : []));
    this.made = new Map(plans.map((plan) => [plan.id, plan]));
    return plans;
  }

  of(share: ShareRow): SharePlan {
    const was = this.made.get(share.id);
    const plan: SharePlan = {
      id: share.id,
      name: share.name,
      metadata: this.parts.storePlan("metadata", found(this.state.metadataStores.get(share.metadataStoreId), share)),
      blocks: this.parts.storePlan("block", found(this.state.blockStores.get(share.blockStoreId), share)),
      metadataPath: share.metadataPath,
      blocksPath: share.blocksPath,
      durability: share.durability as Durability,
      rootMode: share.rootMode,
      scrubRate: share.scrubRate,
      instance: this.parts.identities.of(share.id),
      mayBegin: this.parts.identities.mayBegin(share.id),
      policy: this.policy(share, was?.policy),
    };
    return was !== undefined && shallowEqual(was, plan) ? was : plan;
  }

  private policy(share: ShareRow, was: SharePolicy | undefined): SharePolicy {
    const fields: SharePolicyFields = {
      enabled: share.enabled,
      readOnly: share.readOnly,
      squash: share.squash as Squash,
      anonymousUid: share.anonymousUid,
      anonymousGid: share.anonymousGid,
      allowedClients: this.parts.effectiveClients(share),
      protocols: share.protocols,
      smb: {
        encryption: (share.smbEncryption as Encryption | null) ?? shareSmbDefaults.encryption,
        guest: share.smbGuest ?? shareSmbDefaults.guest,
        continuouslyAvailable: share.smbContinuouslyAvailable ?? shareSmbDefaults.continuouslyAvailable,
      },
      defaultPermission: share.defaultPermission as AccessLevel,
      grants: this.grants(share),
      identity: this.parts.identity(),
      manageGroups: share.manageGroups,
    };
    return was !== undefined && samePolicy(was, fields) ? was : new SharePolicy(fields);
  }

  private grants(share: ShareRow): SharePolicyFields["grants"] {
    const users = new Map<number, AccessLevel>();
    const groups = new Map<number, AccessLevel>();
    for (const { subjectType, subjectId, level } of this.state.grants.in("shareId", share.id)) {
      if (subjectType === "user") {
        const user = this.state.users.get(subjectId);
        if (user !== null) users.set(user.uid, level as AccessLevel);
      } else {
        const group = this.state.groups.get(subjectId);
        if (group !== null) groups.set(group.gid, level as AccessLevel);
      }
    }
    return { users, groups };
  }
}

function found(store: StoreRow | null, share: ShareRow): StoreRow {
  if (store === null) throw new Error(`share ${share.name} refers to a store that is not in the control-plane database`);
  return store;
}

function shallowEqual(a: SharePlan, b: SharePlan): boolean {
  return (Object.keys(b) as (keyof SharePlan)[]).every((key) => a[key] === b[key]);
}

function samePolicy(policy: SharePolicy, fields: SharePolicyFields): boolean {
  const { identity, ...rest } = fields;
  return policy.identity === identity && (Object.keys(rest) as (keyof typeof rest)[]).every((key) => Bun.deepEquals(policy[key], rest[key]));
}
