import type { State } from "../state/index.ts";

/** Where numbers begin that nobody chose: users where distributions begin, groups above, so that a user's own group usually has the user's number. */
export const uidFirst = 1000;
export const gidFirst = 2000;

/** The first uid nobody has. */
export function freeUid(state: State): number {
  let uid = uidFirst;
  while (state.users.by("uid", uid) !== null) uid++;
  return uid;
}

/** A gid for a user nobody chose one for: the uid, unless a group has that number, whose members would then share the user's files. */
export function ownGid(state: State, uid: number): number {
  return state.groups.by("gid", uid) === null ? uid : freeGid(state);
}

/** The first gid that is neither a group's nor some user's own. */
export function freeGid(state: State): number {
  const own = new Set(state.users.all().map(({ gid }) => gid));
  let gid = gidFirst;
  while (own.has(gid) || state.groups.by("gid", gid) !== null) gid++;
  return gid;
}
