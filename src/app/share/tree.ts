import { existsSync } from "node:fs";
import type { SharePlan } from "#control/index.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { SharePlaces } from "./places.ts";

/**
 * A share's name stands for one tree. The control plane knows which, by the instance of its metadata: a server that would serve
 * another one, or begin an empty one in its place, doesn't serve the share. The share is away there; nothing else is.
 */
export class OtherTree extends Error {
  override readonly name = "OtherTree";
}

/** Whether the share's metadata outlives the server: one in memory is another at each start. */
export function lasts(plan: SharePlan): boolean {
  return plan.metadata.type !== "memory";
}

/** The instance of a store as the control plane has it. */
export function instanceOf({ identity }: MetadataStore): string {
  return Buffer.from(identity.instance).toString("hex");
}

/** Before a store is opened, which makes one where there is none. */
export function checkMayOpen(plan: SharePlan, { database }: SharePlaces): void {
  if (!lasts(plan)) return;
  if (plan.instance === null) {
    if (plan.mayBegin) return;
    throw new OtherTree(
      `share ${plan.name} was made on another server of this control plane, which has not served it yet. It is served here, where both use one metadata store, once that one has. ` +
        `If that server is gone for good, serve it here: dittofs share accept ${plan.name}`,
    );
  }
  if (plan.metadata.type !== "sqlite" || existsSync(database)) return;
  throw new OtherTree(
    `share ${plan.name} has been in use, but its metadata is not here: there is no ${database}. If its disk or data directory is away or was lost, mount it or bring its backup back, then: dittofs share enable ${plan.name}. ` +
      `If another server of this control plane has it, only that one serves it. If its files are lost for good, begin it anew, empty: dittofs share accept ${plan.name}`,
  );
}

/** After it was opened: whether it is the tree that the control plane knows. */
export function checkTree(plan: SharePlan, found: string, { database }: SharePlaces, known: string | null = plan.instance): void {
  if (!lasts(plan) || known === null || found === known) return;
  const where = plan.metadata.type === "sqlite" ? database : `metadata store ${plan.metadata.name}`;
  throw new OtherTree(
    `share ${plan.name} is another tree than the one in ${where}: the control plane knows it as ${known}, and there is ${found}. Either another server of this control plane has the share, and only that one serves it, ` +
      `or its metadata was put back from elsewhere or begun anew: bring the right one back, then: dittofs share enable ${plan.name}. To serve what is here instead: dittofs share accept ${plan.name}`,
  );
}
