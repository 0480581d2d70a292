import { autoMax, type State } from "../state/index.ts";

/** Where numbers begin that nobody chose: users where distributions begin, groups above, so that a user's own group usually has the user's number. */
const uidFirst = 1000;
const gidFirst = 2000;

/** A uid nobody has, and nobody had: files of who is gone are not for whoever comes next. */
export function freeUid(state: State): number {
  return free(uidFirst, state.retired.uid, (uid) => state.users.by("uid", uid) === null);
}

/** A gid for a user nobody chose one for: the uid, unless a group has that number, whose members would then share the user's files. */
export function ownGid(state: State, uid: number): number {
  return state.groups.by("gid", uid) === null ? uid : freeGid(state);
}

/** A gid that is neither a group's nor some user's own, nor was. */
export function freeGid(state: State): number {
  const own = new Set(state.users.all().map(({ gid }) => gid));
  return free(gidFirst, state.retired.gid, (gid) => !own.has(gid) && state.groups.by("gid", gid) === null);
}

/** The lowest free number that nobody had, or that somebody had once there are no others. */
function free(first: number, retired: number, isFree: (number: number) => boolean): number {
  for (let number = Math.max(first, retired + 1); number <= autoMax; number++) if (isFree(number)) return number;
  let number = first;
  while (!isFree(number)) number++;
  return number;
}
