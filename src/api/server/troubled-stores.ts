import type { Static } from "@sinclair/typebox";
import type { TroubledStore } from "#api/contract/schemas.ts";
import type { Services } from "./handler.ts";
import { when } from "./views.ts";

interface Trouble {
  readonly error: string;
  readonly sinceMs: number | null;
  readonly shares: string[];
}

/** The block stores that shares find something wrong with, each as the share found it that did so first. `now`: ms since 1970. */
export function troubledStores(control: Services["control"], runtime: Services["runtime"], now: number): Static<typeof TroubledStore>[] {
  const found = new Map<string, Trouble>();
  for (const share of control.shares.list()) {
    const state = runtime.share(share.name);
    if (state === null || state.storeError === null) continue;
    const sinceMs = state.storeErrorMs == null ? null : now - state.storeErrorMs;
    const other = found.get(share.blocks);
    const isFirst = other === undefined || (sinceMs !== null && (other.sinceMs === null || sinceMs < other.sinceMs));
    const { error, sinceMs: since } = isFirst ? { error: state.storeError, sinceMs } : other;
    found.set(share.blocks, { error, sinceMs: since, shares: [...(other?.shares ?? []), share.name] });
  }
  return [...found].map(([name, { error, sinceMs, shares }]) => ({ name, error, since: sinceMs === null ? null : when(sinceMs), shares }));
}
