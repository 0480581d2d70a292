import { type Counts, type MeteredBlocks, meteredOperations } from "#blocks/index.ts";
import { ControlError, type RotatedShare, type StoreHealth, type StorePlan, type StoreRequests } from "#control/index.ts";
import { masterKeysOf } from "./key-file.ts";
import type { OpenShare } from "../share/open-share.ts";

/** The served shares with content in a block store. */
function on(plan: StorePlan, open: Iterable<OpenShare>): OpenShare[] {
  return plan.kind === "block" ? [...open].filter((share) => share.plan.blocks.name === plan.name) : [];
}

/** Wraps the keyrings of the shares on a store with the master key that is in use by now, and has each begin a new key. */
export async function rotateKeys(plan: StorePlan, open: Iterable<OpenShare>): Promise<readonly RotatedShare[]> {
  const masters = inWords(plan, () => masterKeysOf(plan));
  if (masters === null) throw new ControlError("conflict", `the block store ${plan.name} has no master keys: nothing of it is encrypted`, { hint: "dittofs store block edit turns encryption on." });
  const rotated: RotatedShare[] = [];
  for (const share of on(plan, open)) {
    const { name } = share.plan;
    try {
      if (share.keyring !== null) rotated.push({ share: name, ...(await share.keyring.rotate(masters)), error: null });
    } catch (error) {
      rotated.push({ share: name, master: null, keys: null, error: (error as Error).message });
    }
  }
  return rotated;
}

function inWords<T>(plan: StorePlan, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new ControlError("store_unreachable", `The keys of the block store ${plan.name}: ${(error as Error).message}`, { hint: "Nothing was changed." });
  }
}

/** Whether the keys that a store is given open what its shares have there, where that is worth requests (`writing`): the same health, or why not. */
export async function checkKeys(plan: StorePlan, writing: boolean, health: StoreHealth, open: Iterable<OpenShare>): Promise<StoreHealth> {
  const masters = writing && health.healthy ? masterKeysOf(plan) : null;
  if (masters === null) return health;
  for (const { keyring, plan: share } of on(plan, open)) {
    try {
      await keyring?.check(masters);
    } catch (error) {
      return { ...health, healthy: false, latencyMs: null, error: `share ${share.name}: ${(error as Error).message}` };
    }
  }
  return health;
}

/** What the served shares asked of a store since they were opened. */
export function requestsOf(plan: StorePlan, open: Iterable<OpenShare>): readonly StoreRequests[] {
  const counts = on(plan, open).map((share): MeteredBlocks["counts"] => share.requests);
  return meteredOperations.map((operation) => {
    const of = counts.map((each): Counts => each[operation]);
    const sum = (take: (one: Counts) => number) => of.reduce((total, one) => total + take(one), 0);
    return {
      operation,
      ok: sum(({ results }) => results.ok),
      failed: sum(({ results }) => results.unavailable + results.refused + results.full + results.failed),
      missing: sum(({ results }) => results.missing),
      bytes: sum(({ bytes }) => bytes),
      ms: sum(({ ms }) => ms),
      msMax: Math.max(0, ...of.map(({ msMax }) => msMax)),
    };
  });
}
