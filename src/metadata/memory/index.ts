/** Metadata in memory: plain maps under the engine. It ends with the process; everything counts as durable at the end of its turn. */
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { ApplyResult } from "#model/change-set.ts";
import { firstDrawn } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { Committer, type Pending } from "../committer.ts";
import { EngineStore } from "../engine-store.ts";
import { asError, endProcess } from "../fatal.ts";
import { newIdentity } from "../identity.ts";
import { noTotals } from "../rows.ts";
import { Sequence } from "../sequence.ts";
import { MemoryRows } from "./rows.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** A store that lives as long as the process: a set is as durable as it gets at the end of its turn. */
export function openMemoryStore({ clock, random }: MemoryStoreOptions): MetadataStore {
  const rows = new MemoryRows();
  const unbounded = Number.MAX_SAFE_INTEGER;
  const sequence = new Sequence(firstDrawn, unbounded, () => unbounded);
  const committer = new Committer(rows, sequence, noTotals, clock, {
    isNoSpace: () => false,
    makeRoom: () => false,
    admits: () => true,
    committed(applied: Pending[]) {
      for (const one of applied) one.resolve(one.result as ApplyResult);
    },
    fatal: (error: unknown) => endProcess(asError(error)),
  });
  return new EngineStore(newIdentity(random), rows, sequence, committer, () => Promise.resolve());
}
