import type { Change } from "#model/change-set.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileExtent } from "#model/metadata-store.ts";
import { covered, liveRuns } from "./live-runs.ts";
import type { OpenPackRef, PackTable } from "./pack-table.ts";

/** A run of a file's bytes with the bytes themselves. */
export interface KnownBytes extends FileExtent {
  readonly bytes: Uint8Array;
}

/**
 * Appends what the extents refer to to an open pack: each byte once, however many extents share it. Gives the changes that point the extents
 * there; null where the bytes can't be read or there is no room.
 */
export async function copyInto(target: OpenPackRef, found: readonly (FileExtent | KnownBytes)[], packs: PackTable): Promise<readonly Change[] | null> {
  const file = target.file as NonNullable<OpenPackRef["file"]>;
  const moves: Change[] = [];
  const move = ({ file: owner, extent }: FileExtent, packOffset: number) =>
    void moves.push({ do: "moveExtent", file: owner, from: extent, to: { ...extent, pack: target.id, packOffset } });
  for (const run of liveRuns(found.filter((one) => !("bytes" in one)))) {
    const bytes = new Uint8Array(run.to - run.from);
    if ((await packs.read((run.extents[0] as FileExtent).extent.pack, run.from, bytes)) !== null) return null;
    for (const { from, to, extents } of covered(run)) {
      const at = file.append([bytes.subarray(from - run.from, to - run.from)], to - from);
      if (at instanceof FsError) return null;
      for (const one of extents) move(one, at + (one.extent.packOffset - from));
    }
  }
  for (const one of found) {
    if (!("bytes" in one)) continue;
    const at = file.append([one.bytes], one.bytes.length);
    if (at instanceof FsError) return null;
    move(one, at);
  }
  return moves;
}
