import type { SharePlan } from "#control/index.ts";
import type { OpenShare } from "./open-share.ts";
import { lasts } from "./tree.ts";

/** Whether a share has to be closed and opened for another plan: its policy and durability are replaced while it serves. */
export function mustReopen(before: SharePlan, after: SharePlan): boolean {
  return !Bun.deepEquals(lasting(before), lasting(after));
}

function lasting({ policy: _, durability: __, rootMode: ___, scrubRate: ______, instance: ____, mayBegin: _____, ...rest }: SharePlan): object {
  return rest;
}

/** Whether the share's name stands for another tree now than the one that is open: somebody has accepted another server's. */
export function isOther(share: OpenShare, plan: SharePlan): boolean {
  return lasts(plan) && plan.instance !== null && plan.instance !== share.instance;
}
