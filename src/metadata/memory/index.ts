/** Metadata in memory: plain maps under the engine. It ends with the process; everything counts as durable at the end of its turn. */
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { ApplyResult } from "#model/change-set.ts";
import { firstDrawn } from "#model/ids.ts";
import type { ShareIdentity } from "#model/metadata-store.ts";
import { Committer, type Pending } from "../committer.ts";
import { copyTables, type TableCopy } from "../copy-tables.ts";
import { EngineStore } from "../engine-store.ts";
import { asError, endProcess } from "../fatal.ts";
import { newIdentity } from "../identity.ts";
import { noTotals, type Totals } from "../rows.ts";
import { Sequence } from "../sequence.ts";
import { MemoryRows } from "./rows.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly random: Random;
}

/** What a store in memory is made of. */
interface Parts {
  readonly identity: ShareIdentity;
  readonly rows: MemoryRows;
  readonly sequence: Sequence;
  readonly committer: Committer;
  readonly clock: Clock;
}

/** A store that lives as long as the process: a set is as durable as it gets at the end of its turn. */
export class MemoryStore extends EngineStore {
  private readonly parts: Parts;

  constructor(parts: Parts) {
    super(parts.identity, parts.rows, parts.sequence, parts.committer, () => Promise.resolve());
    this.parts = parts;
  }

  /** Once this one is closed: another with the same rows, numbers and identity. This one must not be used any more. */
  reopened(): MemoryStore {
    const { identity, rows, sequence, committer, clock } = this.parts;
    return over(identity, rows, sequence, committer.totals, clock);
  }
}

/** A new store, with nothing in it. */
export function openMemoryStore({ clock, random }: MemoryStoreOptions): MemoryStore {
  return over(newIdentity(random), new MemoryRows(), numbersFrom(firstDrawn), noTotals, clock);
}

/**
 * A store with every row of another, to which nothing is applied meanwhile, and its identity, so that handles stay good. Numbers that were given are
 * never given again.
 */
export async function importIntoMemory(copy: TableCopy): Promise<MemoryStore> {
  const { source, clock } = copy;
  const rows = new MemoryRows();
  await copyTables(rows, copy);
  const { inodes, bytes } = await source.usage();
  return over(source.identity, rows, numbersFrom(source.draw()), { treeVersion: await source.treeVersion(), inodes, bytes }, clock);
}

function numbersFrom(next: number): Sequence {
  const unbounded = Number.MAX_SAFE_INTEGER;
  return new Sequence(next, unbounded, () => unbounded);
}

function over(identity: ShareIdentity, rows: MemoryRows, sequence: Sequence, totals: Totals, clock: Clock): MemoryStore {
  const committer = new Committer(rows, sequence, totals, clock, {
    isNoSpace: () => false,
    makeRoom: () => false,
    admits: () => true,
    committed(applied: Pending[]) {
      for (const one of applied) one.resolve(one.result as ApplyResult);
    },
    fatal: (error: unknown) => endProcess(asError(error)),
  });
  return new MemoryStore({ identity, rows, sequence, committer, clock });
}
