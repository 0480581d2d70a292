import type { FileId, PackId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { Extent } from "#model/change-set.ts";
import { type Damage, damage, rangeOf } from "./damage.ts";
import { FindingKind } from "./finding.ts";
import { extentsOf } from "./reread.ts";
import { extentEnd, extentsOfPack } from "./scan.ts";
import type { Survey } from "./survey.ts";
import { type CheckTarget, goOn, type Watch } from "./target.ts";

type Sink = (damage: Damage) => void;
/** Ranges named of one file, at most. */
const rangesMax = 100;
/** Looks at a file that seems to have content past its end: content too long for one change set is laid before the size is set. */
const pastEndTries = 3;

/** What the extents of files say of the files, of each other and of their packs. */
export async function confirmExtents(target: CheckTarget, survey: Survey, watch: Watch, sink: Sink): Promise<void> {
  for (const file of new Set([...survey.badExtents, ...survey.used])) {
    goOn(watch);
    const now = await settledExtents(target, watch, file);
    if (now !== null) judgeExtents(now.inode, now.extents, sink);
  }
  for (const file of survey.fileless) {
    goOn(watch);
    const now = await extentsOf(target, watch, file);
    if (now === null || now.inode !== null || now.extents.length === 0) continue;
    const bytes = now.extents.reduce((sum, extent) => sum + extent.length, 0);
    sink(damage(FindingKind.extentWithoutFile, `There are ${bytes} bytes of file ${file}, which is not there.`, { file }, { by: "rebuild", id: file }));
  }
  for (const { file, extent } of survey.outOfPack) {
    goOn(watch);
    const row = await target.store.pack(extent.pack);
    const now = await extentsOf(target, watch, file);
    const there = now?.extents.some((e) => e.offset === extent.offset && e.pack === extent.pack && e.packOffset === extent.packOffset && e.length === extent.length);
    if (row === null || there !== true || (extent.packOffset >= 0 && extent.packOffset + extent.length <= row.size)) continue;
    sink(damage(FindingKind.extentOutsidePack, `Bytes of the file lie at ${extent.packOffset} of pack ${extent.pack}, which has ${row.size}.`, { file, pack: extent.pack, key: row.key, ...rangeOf(extent) }, { by: "packRow", id: extent.pack }));
  }
  for (const id of survey.rowless) await judgeRowless(target, id, sink);
}

/** A file and its extents, once nothing is on its way into them. */
async function settledExtents(target: CheckTarget, watch: Watch, file: number): Promise<{ readonly inode: Inode; readonly extents: readonly Extent[] } | null> {
  for (let i = 1; ; i++) {
    const now = await extentsOf(target, watch, file);
    if (now === null || now.inode === null) return null;
    const { inode, extents } = now;
    if (i === pastEndTries || extents.every((extent) => extentEnd(extent) <= inode.size)) return { inode, extents };
    await target.content.settle();
  }
}

function judgeExtents(inode: Inode, extents: readonly Extent[], sink: Sink): void {
  const { id: file } = inode;
  let end = 0;
  let used = 0;
  let ranges = 0;
  const say = (kind: FindingKind, message: string, extent: Extent): void => {
    if (ranges++ < rangesMax) sink(damage(kind, message, { file, pack: extent.pack, ...rangeOf(extent) }));
  };
  for (const extent of extents) {
    used += extent.length;
    const { offset, length } = extent;
    if (!(length > 0) || offset < 0) say(FindingKind.badExtent, `A run of the file's bytes is ${length} long and begins at ${offset}.`, extent);
    else if (inode.type !== FileType.regular) say(FindingKind.badExtent, "It has content, and is no regular file.", extent);
    else if (offset < end) say(FindingKind.overlappingExtents, `Two runs of the file's bytes lie over each other from ${offset} to ${Math.min(end, extentEnd(extent))}: which of them is right is not known.`, extent);
    else if (extentEnd(extent) > inode.size) say(FindingKind.extentPastEnd, `There is content up to ${extentEnd(extent)}, and the file is ${inode.size} bytes long.`, extent);
    end = Math.max(end, extentEnd(extent));
  }
  if (inode.type === FileType.regular && used !== inode.used) {
    sink(damage(FindingKind.wrongUsed, `The file counts ${inode.used} stored bytes; there are ${used}.`, { file }, { by: "recount", what: "inode", id: file }));
  }
}

async function judgeRowless(target: CheckTarget, id: number, sink: Sink): Promise<void> {
  const { store } = target;
  if ((await store.pack(id as PackId)) !== null) return;
  const extents = await extentsOfPack(target, id);
  if ((await store.pack(id as PackId)) !== null) return;
  let first = true;
  for (const { file, extent } of extents.slice(0, rangesMax)) {
    if ((await store.inode(file as FileId)) === null) continue;
    sink(damage(FindingKind.packRowMissing, `Bytes of the file lie in pack ${id}, of which nothing is known.`, { file, pack: id, ...rangeOf(extent) }, first ? { by: "packRow", id } : null));
    first = false;
  }
}
