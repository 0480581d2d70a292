import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import { type Pack, PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import { isPackKey, packKeyPrefix } from "./packs/index.ts";

/** An object nobody refers to. */
export interface Unreferenced {
  readonly key: string;
  /** Null: no row speaks of it. */
  readonly pack: PackId | null;
  /** Payload bytes of a pack, else of the object; 0 where the store can't tell without opening it. */
  readonly size: number;
  /** For how long that is known; null: it is seen for the first time. */
  readonly ageMs: number | null;
  /** Its grace is over: the next pass deletes it. */
  readonly due: boolean;
}

const rowsPage = 256;

interface Place {
  readonly store: MetadataStore;
  readonly blocks: BlockStore;
  readonly isOpen: (id: PackId) => boolean;
  /** Objects without a row as an earlier listing found them, with when (monotonic ms). */
  readonly strays: ReadonlyMap<string, number>;
  readonly clock: Clock;
  readonly graceMs: number;
}

/** Whether no extent refers to a pack, whatever its row says, or that there is none: what files refer to is no garbage but damage. */
export async function isUnused(store: MetadataStore, id: PackId): Promise<boolean> {
  return (await store.extentsOfPack(id, 1)).length === 0;
}

/** Of objects that a listing found without a row: those that have none now either, and that nothing refers to. `turn` ends a turn of the event loop. */
export async function unusedStrays(store: MetadataStore, keys: readonly string[], turn: () => Promise<void>): Promise<string[]> {
  const unused: string[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    const isUsed = !(await isUnused(store, idOf(key)));
    const row = await store.pack(idOf(key));
    // What refers to a pack refers to the object that its row names, and without a row to any that may be the pack's.
    if (row === null ? !isUsed : row.key !== key) unused.push(key);
    if (i % rowsPage === rowsPage - 1) await turn();
  }
  return unused;
}

/** The keys that rows speak of. */
export async function keysOfRows(store: MetadataStore, turn: () => Promise<void>): Promise<Set<string>> {
  const known = new Set<string>();
  for (let after = 0; ; ) {
    const rows = await store.packs(after, rowsPage);
    for (const row of rows) known.add(row.key);
    const last = rows[rows.length - 1];
    if (last === undefined || rows.length < rowsPage) return known;
    after = last.id;
    await turn();
  }
}

/** Packs without a live byte, then objects without a row, by the rules that `Garbage` collects by. */
export async function* findUnreferenced(place: Place): AsyncGenerator<Unreferenced> {
  const { store, blocks, clock, graceMs } = place;
  const known = new Set<string>();
  for (let after = 0; ; ) {
    const rows = await store.packs(after, rowsPage);
    for (const row of rows) {
      known.add(row.key);
      if (row.live === 0 && !place.isOpen(row.id) && (await isUnused(store, row.id))) yield retired(row, place);
    }
    const last = rows[rows.length - 1];
    if (last === undefined || rows.length < rowsPage) break;
    after = last.id;
    await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
  }
  for await (const { key, size } of blocks.list(packKeyPrefix(store.identity.instance))) {
    if (known.has(key) || !isPackKey(key) || place.isOpen(idOf(key)) || (await unusedStrays(store, [key], async () => {})).length === 0) continue;
    const since = place.strays.get(key);
    const ageMs = since === undefined ? null : clock.monotonicMs() - since;
    yield { key, pack: null, size: size ?? 0, ageMs, due: ageMs !== null && ageMs >= graceMs };
  }
}

function retired(row: Pack, { clock, graceMs }: Place): Unreferenced {
  const ageMs = row.state === PackState.doomed ? (clock.now().sec - row.since.sec) * 1000 : null;
  return { key: row.key, pack: row.id, size: row.size, ageMs, due: graceMs === 0 || (ageMs !== null && ageMs >= graceMs) };
}

function idOf(key: string): PackId {
  return Number.parseInt(key.slice(key.lastIndexOf("/") + 1), 16) as PackId;
}
