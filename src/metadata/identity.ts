import type { Random } from "#base/random.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";

export const instanceBytes = 8;
const handleKeyBytes = 32;

/** The identity of a store that is being made. */
export function newIdentity(random: Random): ShareIdentity {
  return { instance: random.bytes(instanceBytes), handleKey: random.bytes(handleKeyBytes) };
}
