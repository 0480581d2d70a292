import type { Maybe } from "#base/brand.ts";
import type { Pack } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { FileExtent, MetadataStore } from "#model/metadata-store.ts";

/** Packs looked into in a pass; what is short of space looks into more. */
const looksMax = 64;
const looksShortMax = 1024;
/** Extents of one pack that are looked at: of a pack that more refer to it is not known how much of it is needed. */
const extentsMax = 8192;
/** Packs it is remembered of that they were looked into. */
const knownMax = 65_536;

/**
 * Packs whose bytes several files share. A pack's row counts bytes as often as they are referred to, so that it does not tell how many of them
 * nobody needs: their extents do. Each pack is looked into once, and again when its count is another.
 */
export class SharedPacks {
  private readonly store: MetadataStore;
  /** `live` of packs as they were looked into. */
  private readonly known = new Map<PackId, number>();
  private looks = 0;

  constructor(store: MetadataStore) {
    this.store = store;
  }

  /** A pass begins. */
  begin(short: boolean): void {
    this.looks = short ? looksShortMax : looksMax;
  }

  /** Whether a pack is to be looked into now. */
  isDue(row: Pack): boolean {
    if (row.live === 0 || this.looks === 0 || this.known.get(row.id) === row.live) return false;
    this.looks--;
    return true;
  }

  /** Every extent that refers to the pack, where less than `below` of its bytes are referred to; null: it stays as it is. */
  async mostlyDead(row: Pack, below: number): Promise<readonly FileExtent[] | null> {
    const asked: Maybe<readonly FileExtent[]> = this.store.extentsOfPack(row.id, extentsMax);
    const found = asked instanceof Promise ? await asked : asked;
    if (this.known.size >= knownMax) this.known.delete(this.known.keys().next().value!);
    this.known.set(row.id, row.live);
    if (found.length === 0 || found.length === extentsMax) return null;
    return distinctBytes(found) < row.size * below ? found : null;
  }

  forget(id: PackId): void {
    this.known.delete(id);
  }
}

/** Bytes of a pack that extents refer to, each counted once. */
function distinctBytes(found: readonly FileExtent[]): number {
  const sorted = [...found].sort((a, b) => a.extent.packOffset - b.extent.packOffset);
  let bytes = 0;
  let end = 0;
  for (const { extent } of sorted) {
    const to = extent.packOffset + extent.length;
    if (to > end) bytes += to - Math.max(end, extent.packOffset);
    end = Math.max(end, to);
  }
  return bytes;
}
