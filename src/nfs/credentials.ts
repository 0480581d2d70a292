import { exhaustive } from "#base/assert.ts";
import { type Credentials, Squash } from "#model/credentials.ts";
import type { AuthSys } from "#wire/rpc.ts";

/** What of a share decides whom a client's claim makes. */
export interface SquashRule {
  readonly squash: Squash;
  readonly anonymousUid: number;
  readonly anonymousGid: number;
}

/**
 * Who asks, by what the client claims (null: AUTH_NONE, anonymous under every rule) and the share's squash. Under `root_to_guest`
 * group 0 is squashed as uid 0 is, or else any user could claim root's group; Linux' root_squash does the same.
 */
export function credentialsOf(claim: AuthSys | null, rule: SquashRule): Credentials {
  if (claim === null) return anonymous(rule);
  switch (rule.squash) {
    case Squash.none:
    case Squash.rootToAdmin:
      return asSent(claim);
    case Squash.rootToGuest:
      return claim.uid === 0 ? anonymous(rule) : withoutRootGroup(claim, rule);
    case Squash.allToGuest:
      return anonymous(rule);
    case Squash.allToAdmin:
      return { uid: 0, gid: 0, groups: [], superuser: true };
    default:
      return exhaustive(rule.squash);
  }
}

function anonymous(rule: SquashRule): Credentials {
  return { uid: rule.anonymousUid, gid: rule.anonymousGid, groups: [], superuser: false };
}

function asSent(claim: AuthSys): Credentials {
  return { uid: claim.uid, gid: claim.gid, groups: claim.gids.filter((gid) => gid !== claim.gid), superuser: claim.uid === 0 };
}

function withoutRootGroup(claim: AuthSys, rule: SquashRule): Credentials {
  const gid = claim.gid === 0 ? rule.anonymousGid : claim.gid;
  const groups = claim.gids.filter((each) => each !== gid && each !== 0);
  return { uid: claim.uid, gid, groups, superuser: false };
}
