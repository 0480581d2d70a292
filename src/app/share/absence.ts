import type { SharePlan } from "#control/index.ts";
import { ShareTaken, ShareTakenUnread } from "#history/index.ts";
import { MetadataTakenError } from "#metadata/index.ts";
import { StoreUnavailableError } from "#model/block-store.ts";
import { Absence } from "#vfs/index.ts";
import { lasts } from "./tree.ts";

/** A share is not served at this moment; this server opens it again by itself. */
export class NotNow extends Error {}

/** What clients are told of a share that is not served for this reason; undefined: it is being opened anew. */
export function absenceOf(error: Error | undefined): Absence {
  if (error === undefined || error instanceof NotNow || error instanceof StoreUnavailableError) return Absence.returning;
  return error instanceof ShareTaken || error instanceof ShareTakenUnread || error instanceof MetadataTakenError ? Absence.gone : Absence.stopped;
}

/** By what the handles of a share that could not be opened are known. */
export function handlesOf(plan: SharePlan): Uint8Array | null {
  // In memory it is another tree at each start.
  if (!lasts(plan)) return new Uint8Array(0);
  return plan.instance === null ? null : new Uint8Array(Buffer.from(plan.instance, "hex"));
}
