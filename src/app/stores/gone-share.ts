import type { Gone } from "#history/index.ts";
import { exhaustive } from "#base/assert.ts";

/** A share that left a store which shares are recovered from. */
export interface GoneShare extends Gone {
  /** The directory it had in the store; null: the store is one bucket. */
  readonly place: string | null;
}

/** Whether somebody who asks for a share by its name or instance means this one. */
export function isCalled({ instance, ended }: GoneShare, share: string): boolean {
  return instance === share || (ended !== null && ended.share === share);
}

/** Why a share can't be recovered from a store that it left, and what there is to do. */
export function whyGone({ instance, ended, place }: GoneShare): string {
  const inPlace = place === null ? "" : `, in directory ${place}`;
  if (ended === null) return `the share with instance ${instance}${inPlace} left this store, and where to can't be read any more: its history here was ended. Look for it on the servers you have (dittofs share list)`;
  const { share, to, host, at } = ended;
  const called = share === "" ? `the share with instance ${instance}${inPlace}` : `share ${share} (instance ${instance}${inPlace})`;
  return `the history of ${called} in this store was ended at ${new Date(at.sec * 1000).toISOString()} by the server on ${host}, which moved it to ${to}. ${whatToDo(ended.names)}`;
}

function whatToDo(names: NonNullable<Gone["ended"]>["names"]): string {
  switch (names) {
    case "memory":
      return (
        "Of what it had in memory nothing can be recovered once that server has stopped; while that runs, move it back there (dittofs store migrate). " +
        "What it had when it was moved is on the disk of that machine still, unless somebody removed it: docs/operations.md, Moving a share to other stores"
      );
    case "postgres":
      return "Its names are in the PostgreSQL database of its metadata store since, and nowhere else: put that database back, and start a server that has the share there: docs/disaster-recovery.md, The metadata's PostgreSQL database";
    case "other":
      return "Start that server, which knows where the share is by now; if it is lost, recover it from the block store it went to (dittofs recover)";
    default:
      return exhaustive(names);
  }
}
