import type { Clock } from "#base/clock.ts";
import { PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { MetadataStore } from "#model/metadata-store.ts";
import type { LogDamage } from "./log/index.ts";
import type { LaidRun } from "./file-table.ts";
import { OpenPackRef, type PackTable } from "./pack-table.ts";
import { frameBytes, packKey } from "./packs/index.ts";

/** So long a pack is made at most for lost bytes; longer ranges refer to it again and again. */
const lostPackBytesMax = 16 * 1024 * 1024;

/**
 * Runs for `length` bytes that nobody has: a pack with a row and without an object, so that reads of them are I/O errors, whatever becomes of the log,
 * until they are overwritten or cut; so that checks name the files; and so that the pack goes with the last of them, as every other one does.
 */
export async function lostBytes(store: MetadataStore, packs: PackTable, clock: Clock, length: number): Promise<readonly LaidRun[]> {
  const id = store.draw() as PackId;
  const size = Math.min(length, lostPackBytesMax);
  const key = packKey(store.identity.instance, id);
  const frames = new Uint8Array(Math.ceil(size / frameBytes) * 4);
  const made = await store.apply({ conditions: [], changes: [{ do: "putPack", pack: { id, key, state: PackState.live, size, live: 0, frames, since: clock.now() } }] });
  if (!made.applied) throw new Error("the metadata store has no room to note which bytes the disk damaged in the share's log; make some room there and start again");
  const pack = new OpenPackRef(id, key, null);
  pack.stored = { key, size, frames };
  pack.adopted = true;
  packs.open.set(id, pack);
  const runs: LaidRun[] = [];
  for (let at = 0; at < length; at += size) runs.push({ length: Math.min(size, length - at), pack, packOffset: 0 });
  return runs;
}

/** What whoever runs the server has to know of a damaged log; null: nothing. `kept`: segments set aside now or earlier. */
export function describeDamage(directory: string, damage: LogDamage | null, kept: readonly string[]): string | null {
  if (damage === null && kept.length === 0) return null;
  const parts: string[] = [];
  if (damage !== null && damage.lost > 0) parts.push(`what ${damage.lost} acknowledged writes wrote is lost and reads as I/O errors`);
  if (damage !== null && damage.unknown > 0) parts.push(`${damage.unknown} acknowledged changes are lost without a trace of which files they were made to, so that some files may be as they were before`);
  if (damage !== null && parts.length === 0) parts.push("nothing is lost, since all of it could be put right");
  if (damage === null) parts.push("an earlier start found out and went on without what could not be put right");
  const where = kept.length === 0 ? "" : ` The damaged segments are kept as ${kept.join(", ")}.`;
  return (
    `the disk damaged the share's log in ${directory}: ${parts.join("; ")}.${where} ` +
    "Check the disk; dittofs fsck names the files that can't be read any more: put them back from a backup, then delete what is kept (*.damaged)"
  );
}
