import type { SharePlan } from "#control/index.ts";

/** Whether a share has to be closed and opened for another plan: its policy and durability are replaced while it serves. */
export function mustReopen(before: SharePlan, after: SharePlan): boolean {
  const { policy: _, durability: __, rootMode: ___, ...was } = before;
  const { policy: ____, durability: _____, rootMode: ______, ...is } = after;
  return !Bun.deepEquals(was, is);
}
