import type { PackId } from "#model/ids.ts";
import { type Finding, FindingKind, finding } from "./finding.ts";
import { goOn, type Watch } from "./target.ts";

/** The garbage of a share, by the rules of who collects it. */
export interface GarbageSide {
  unreferenced(): AsyncIterable<{ readonly key: string; readonly pack: PackId | null; readonly size: number; readonly ageMs: number | null; readonly due: boolean }>;
  collect(): Promise<{ readonly deleted: number; readonly bytes: number }>;
}

export interface GcResult {
  /** Objects nobody refers to, and of these the ones whose grace is over. */
  readonly objects: number;
  readonly bytes: number;
  readonly due: number;
  readonly dueBytes: number;
  readonly deleted: number;
  readonly deletedBytes: number;
}

/** Shows what nobody refers to; `remove`: and has the collector delete what its rules let go. */
export async function gc(side: GarbageSide, remove: boolean, watch: Watch): Promise<GcResult> {
  watch.step("objects", null, "objects");
  let [objects, bytes, due, dueBytes] = [0, 0, 0, 0];
  for await (const one of side.unreferenced()) {
    goOn(watch);
    watch.advance(1);
    watch.found(shown(one));
    objects++;
    bytes += one.size;
    if (!one.due) continue;
    due++;
    dueBytes += one.size;
  }
  if (!remove) return { objects, bytes, due, dueBytes, deleted: 0, deletedBytes: 0 };
  watch.step("deleting", due, "objects");
  const { deleted, bytes: deletedBytes } = await side.collect();
  watch.advance(deleted);
  return { objects, bytes, due, dueBytes, deleted, deletedBytes };
}

function shown({ key, pack, size, ageMs, due }: { readonly key: string; readonly pack: PackId | null; readonly size: number; readonly ageMs: number | null; readonly due: boolean }): Finding {
  const age = ageMs === null ? "known for the first time" : `known for ${Math.floor(ageMs / 1000)} s`;
  const what = pack === null ? `No pack is known for this object of ${size} bytes` : `No file has bytes in pack ${pack} of ${size} bytes`;
  const kind = pack === null ? FindingKind.unreferencedObject : FindingKind.unreferencedPack;
  return finding({ kind, severity: "notice", message: `${what}, ${age}: ${due ? "it may be deleted" : "it stays until its grace is over"}.`, key, pack });
}
