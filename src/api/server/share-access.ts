import { ControlError } from "#control/errors.ts";
import type { Level, Share, User } from "#control/nouns.ts";
import type { ControlPlane } from "#control/services.ts";

const rank: Readonly<Record<Level, number>> = { none: 0, read: 1, "read-write": 2, admin: 3 };

/** What a user may do in a share: their own grant, else the best of their groups', else the share's default. */
function levelOf(control: ControlPlane, share: Share, user: User): Level {
  const grants = control.shares.grants(share.name);
  const own = grants.find((grant) => grant.type === "user" && grant.name === user.name);
  if (own !== undefined) return own.level;
  const groups = new Set(user.groups);
  let best: Level | null = null;
  for (const grant of grants) {
    if (grant.type === "group" && groups.has(grant.name) && (best === null || rank[grant.level] > rank[best])) best = grant.level;
  }
  return best ?? share.defaultPermission;
}

/** Whether a user sees everything of the shares: all but role `user` do. */
export function seesAll(user: User): boolean {
  return user.role !== "user";
}

export function maySee(control: ControlPlane, share: Share, user: User): boolean {
  return seesAll(user) || (!share.deleted && levelOf(control, share, user) !== "none");
}

/** The share. Whoever may not see it is told the same as where there is none. */
export function visibleShare(control: ControlPlane, name: string, user: User): Share {
  if (seesAll(user)) return control.shares.get(name);
  const share = control.shares.list().find((each) => each.name === name);
  if (share === undefined || !maySee(control, share, user)) throw new ControlError("not_found", `There is no share ${name} that ${user.name} has a permission for.`);
  return share;
}

/** A share's name from a path, where its slash may be left out. */
export function shareNameOf(param: string): string {
  return param.startsWith("/") ? param : `/${param}`;
}
