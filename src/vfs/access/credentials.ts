import { exhaustive } from "#base/assert.ts";
import { type Credentials, Squash } from "#model/credentials.ts";
import { AccessLevel, higherAccess, type KnownUser } from "#model/identity.ts";
import type { SharePolicy } from "./policy.ts";

/** Whom a caller says to be, or was found to be: AUTH_SYS and a session's user alike. */
export interface Claim {
  readonly uid: number;
  readonly gid: number;
  /** May repeat `gid`. */
  readonly gids: readonly number[];
}

/**
 * Who asks, as every permission check sees him: the share's squash, then its grants. The one place where either is applied,
 * whatever the protocol. A claim of null claims nothing (AUTH_NONE) and is anonymous under every squash.
 *
 * Under `root_to_guest` group 0 is squashed as uid 0 is, or else any user could claim root's group; Linux' root_squash does the
 * same. The squashes to admin hand out rights, so grants take nothing from them; `none` hands out nothing, so root has what root
 * was granted. In a disabled share nobody has anything.
 */
export function credentialsOf(policy: SharePolicy, claim: Claim | null): Credentials {
  if (claim === null) return anonymous(policy);
  const root = claim.uid === 0;
  switch (policy.squash) {
    case Squash.none:
      return known(policy, claim, root);
    case Squash.rootToAdmin:
      return root ? { ...known(policy, claim, true), access: admin(policy) } : known(policy, claim, false);
    case Squash.rootToGuest:
      return root ? anonymous(policy) : known(policy, withoutRootGroup(policy, claim), false);
    case Squash.allToGuest:
      return anonymous(policy);
    case Squash.allToAdmin:
      return { uid: 0, gid: 0, groups: [], superuser: true, access: admin(policy) };
    default:
      return exhaustive(policy.squash);
  }
}

/** What the share grants: to the user, else to the best of his groups, else to everybody. `user` null: nobody the server knows. */
function grantedTo(policy: SharePolicy, user: KnownUser | null): AccessLevel {
  if (user === null) return policy.defaultPermission;
  if (!user.enabled) return AccessLevel.none;
  const { users, groups } = policy.grants;
  let best = users.get(user.uid);
  if (best !== undefined) return best;
  for (const gid of user.groups) {
    const level = groups.get(gid);
    if (level !== undefined) best = best === undefined ? level : higherAccess(best, level);
  }
  return best ?? policy.defaultPermission;
}

function known(policy: SharePolicy, claim: Claim, superuser: boolean): Credentials {
  const user = policy.identity.userByUid(claim.uid);
  const gids = policy.manageGroups && user !== null ? managed(policy, user) : claim.gids;
  const groups = gids.filter((gid) => gid !== claim.gid);
  return { uid: claim.uid, gid: claim.gid, groups, superuser, access: policy.enabled ? grantedTo(policy, user) : AccessLevel.none };
}

/** The group a caller makes files with stays his to name, as with the kernel server's --manage-gids; the rest is looked up. */
function managed(policy: SharePolicy, user: KnownUser): readonly number[] {
  const gids = [...new Set([user.gid, ...user.groups])];
  return policy.squash === Squash.rootToGuest ? gids.filter((gid) => gid !== 0) : gids;
}

function anonymous(policy: SharePolicy): Credentials {
  const { anonymousUid: uid, anonymousGid: gid, identity, enabled } = policy;
  return { uid, gid, groups: [], superuser: false, access: enabled ? grantedTo(policy, identity.userByUid(uid)) : AccessLevel.none, anonymous: true };
}

function withoutRootGroup(policy: SharePolicy, claim: Claim): Claim {
  const gid = claim.gid === 0 ? policy.anonymousGid : claim.gid;
  return { uid: claim.uid, gid, gids: claim.gids.filter((each) => each !== 0) };
}

function admin(policy: SharePolicy): AccessLevel {
  return policy.enabled ? AccessLevel.admin : AccessLevel.none;
}
