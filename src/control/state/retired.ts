import { tables } from "../database/tables.ts";
import type { Operation } from "./state.ts";

/**
 * The highest numbers of users and groups that are gone. Files may belong to them for ever, so that nobody gets one of these, or a
 * lower one, without having asked for it.
 */
export interface Retired {
  readonly uid: number;
  readonly gid: number;
}

/** The note that holds them. */
export const retiredNote = "retired";
/** Numbers are given out from here on down; whoever is given a higher one chose it. 60000 is where distributions end, too. */
export const autoMax = 59_999;

export const noneRetired: Retired = { uid: 0, gid: 0 };

/** With the numbers that these operations take away; the same object where there are none. */
export function retiredBy(was: Retired, operations: readonly Operation[]): Retired {
  let { uid, gid } = was;
  for (const { table, before, after } of operations) {
    if (before === null || (table.name !== tables.users.name && table.name !== tables.groups.name)) continue;
    if (before["uid"] !== after?.["uid"]) uid = higher(uid, before["uid"]);
    if (before["gid"] !== after?.["gid"]) gid = higher(gid, before["gid"]);
  }
  return uid === was.uid && gid === was.gid ? was : { uid, gid };
}

export function parseRetired(note: string | null): Retired {
  const { uid = 0, gid = 0 } = note === null ? noneRetired : (JSON.parse(note) as Partial<Retired>);
  return { uid, gid };
}

function higher(mark: number, number: unknown): number {
  return typeof number === "number" && number <= autoMax ? Math.max(mark, number) : mark;
}
