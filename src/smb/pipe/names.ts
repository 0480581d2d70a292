import { gidOf, groupSid, type Sid, uidOf, userSid, WellKnown } from "#model/acl.ts";
import { groupNamesOf, type Identity } from "#model/identity.ts";

/** What a SID is of (MS-SAMR 2.2.2.3, SID_NAME_USE). */
export const SidUse = { user: 1, group: 2, domain: 3, alias: 4, wellKnown: 5, unknown: 8 } as const;
export type SidUse = (typeof SidUse)[keyof typeof SidUse];

/** Somebody with a SID, as clients show him: domain\name. */
export interface Named {
  readonly sid: Sid;
  readonly use: SidUse;
  readonly name: string;
  readonly domain: string;
  readonly domainSid: Sid;
}

/** The domains that users and groups of the server are in, as Samba calls them. */
const users = { domain: "Unix User", domainSid: "S-1-22-1" } as const;
const groups = { domain: "Unix Group", domainSid: "S-1-22-2" } as const;
const authority = { domain: "NT AUTHORITY", domainSid: "S-1-5" } as const;
const builtin = { domain: "BUILTIN", domainSid: "S-1-5-32" } as const;

const wellKnown: readonly Named[] = [
  { sid: WellKnown.everyone, use: SidUse.wellKnown, name: "Everyone", domain: "", domainSid: "S-1-1" },
  { sid: WellKnown.creatorOwner, use: SidUse.wellKnown, name: "CREATOR OWNER", domain: "", domainSid: "S-1-3" },
  { sid: WellKnown.creatorGroup, use: SidUse.wellKnown, name: "CREATOR GROUP", domain: "", domainSid: "S-1-3" },
  { sid: WellKnown.ownerRights, use: SidUse.wellKnown, name: "OWNER RIGHTS", domain: "", domainSid: "S-1-3" },
  { sid: WellKnown.network, use: SidUse.wellKnown, name: "NETWORK", ...authority },
  { sid: WellKnown.anonymous, use: SidUse.wellKnown, name: "ANONYMOUS LOGON", ...authority },
  { sid: WellKnown.authenticated, use: SidUse.wellKnown, name: "Authenticated Users", ...authority },
  { sid: WellKnown.system, use: SidUse.wellKnown, name: "SYSTEM", ...authority },
  { sid: WellKnown.administrators, use: SidUse.alias, name: "Administrators", ...builtin },
  { sid: WellKnown.users, use: SidUse.alias, name: "Users", ...builtin },
];

/** Whose SID it is; null: nobody's this server knows. A number without a name is its own. `identity` null: who asks is named nobody but those all servers have. */
export function whoIs(identity: Identity | null, sid: Sid): Named | null {
  const known = wellKnown.find((each) => each.sid === sid) ?? null;
  if (known !== null || identity === null) return known;
  const uid = uidOf(sid);
  if (uid !== null) return { sid, use: SidUse.user, name: identity.userByUid(uid)?.name ?? String(uid), ...users };
  const gid = gidOf(sid);
  if (gid !== null) return { sid, use: SidUse.group, name: groupNamesOf(identity)?.groupName(gid) ?? String(gid), ...groups };
  return null;
}

/** Whom a client means by "name", "domain\name" or "name@domain"; `server` is a domain too, which everybody is in. `identity` as in `whoIs`. */
export function named(identity: Identity | null, server: string, text: string): Named | null {
  const backslash = text.indexOf("\\");
  const domain = backslash < 0 ? "" : text.slice(0, backslash).toLowerCase();
  const name = (backslash < 0 ? text.replace(/@.*$/s, "") : text.slice(backslash + 1)).toLowerCase();
  const within = (its: string): boolean => domain === "" || domain === its.toLowerCase();
  const local = domain === server.toLowerCase();
  const known = wellKnown.find((each) => each.name.toLowerCase() === name && within(each.domain));
  if (known !== undefined) return known;
  if (identity === null) return null;
  const user = local || within(users.domain) ? identity.userByName(name) : null;
  if (user !== null) return { sid: userSid(user.uid), use: SidUse.user, name: user.name, ...users };
  const gid = local || within(groups.domain) ? (groupNamesOf(identity)?.gidOfGroup(name) ?? null) : null;
  return gid === null ? null : { sid: groupSid(gid), use: SidUse.group, name, ...groups };
}
