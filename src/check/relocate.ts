import { DamagedObjectError, MissingObjectError } from "#model/block-store.ts";
import { type Extent, type Pack, PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import type { FileExtent } from "#model/metadata-store.ts";
import { damagedFrames } from "./frames.ts";
import { frameBytes, patiently } from "./objects.ts";
import { extentsOfPack } from "./scan.ts";
import { type CheckTarget, goOn, type Piece, type Watch } from "./target.ts";

/** Bytes of pieces that are put into fresh packs together. */
const batchBytes = 8 * 1024 * 1024;

/**
 * Moves what is whole of a damaged pack to fresh ones: from the object, from the copy on the local disk, or from memory, each verified
 * against the pack's checksums, or known to be what a verified read gave. What is whole nowhere stays where it is. Whether anything was moved.
 */
export async function relocate(target: CheckTarget, id: PackId, watch: Watch): Promise<boolean> {
  const pack = await target.store.pack(id);
  if (pack === null || pack.state === PackState.pending || target.content.isOpen(id)) return false;
  const frames = new Frames(target, watch, pack);
  const extents = await extentsOfPack(target, id);
  // What is left behind can be read where it is: only when nothing is, the rest moves too, and the object can go.
  const whole = await isWholeSomewhere(target, frames, extents);
  let batch: Piece[] = [];
  let bytes = 0;
  let moved = false;
  const flush = async (): Promise<void> => {
    if (batch.length > 0 && (await target.content.replace(batch))) moved = true;
    batch = [];
    bytes = 0;
  };
  for (const of of extents) {
    for (const piece of await pieces(target, frames, of, whole)) {
      batch.push(piece);
      bytes += piece.bytes.byteLength;
      if (bytes >= batchBytes) await flush();
    }
  }
  await flush();
  return moved;
}

async function isWholeSomewhere(target: CheckTarget, frames: Frames, extents: readonly FileExtent[]): Promise<boolean> {
  for (const { file, extent } of extents) {
    for (const part of parts(extent)) if ((await bytesOf(target, frames, file, part)) === null) return false;
  }
  return true;
}

/** An extent cut at the frames of its pack. */
function parts(extent: Extent): Extent[] {
  const cut: Extent[] = [];
  const end = extent.packOffset + extent.length;
  for (let from = extent.packOffset; from < end; ) {
    const to = Math.min(end, (Math.floor(from / frameBytes) + 1) * frameBytes);
    cut.push({ offset: extent.offset + from - extent.packOffset, length: to - from, pack: extent.pack, packOffset: from });
    from = to;
  }
  return cut;
}

/** What of an extent is to be moved: all of it, or what can't be read where it is; parts side by side as one. */
async function pieces(target: CheckTarget, frames: Frames, { file, extent }: FileExtent, all: boolean): Promise<readonly Piece[]> {
  const found: Piece[] = [];
  for (const part of parts(extent)) {
    const bytes = await bytesOf(target, frames, file, part);
    if (bytes === null || (!all && frames.inPlace)) continue;
    const last = found[found.length - 1];
    if (last !== undefined && last.extent.packOffset + last.extent.length === part.packOffset) {
      found[found.length - 1] = { file, extent: { ...last.extent, length: last.extent.length + part.length }, bytes: Buffer.concat([last.bytes, bytes]) };
    } else found.push({ file, extent: part, bytes });
  }
  return found;
}

async function bytesOf(target: CheckTarget, frames: Frames, file: Piece["file"], part: Extent): Promise<Uint8Array | null> {
  const index = Math.floor(part.packOffset / frameBytes);
  const frame = await frames.get(index);
  if (frame !== null) return frame.slice(part.packOffset - index * frameBytes, part.packOffset - index * frameBytes + part.length);
  const bytes = new Uint8Array(part.length);
  return (await target.content.pages(file, part, bytes)) ? bytes : null;
}

/** Whole frames of a pack, wherever they are to be had. */
class Frames {
  private readonly target: CheckTarget;
  private readonly watch: Watch;
  private readonly pack: Pack;
  private index = -1;
  private frame: Uint8Array | null = null;
  /** The frame asked for last is whole in the object itself. */
  inPlace = false;

  constructor(target: CheckTarget, watch: Watch, pack: Pack) {
    this.target = target;
    this.watch = watch;
    this.pack = pack;
  }

  async get(index: number): Promise<Uint8Array | null> {
    if (index !== this.index) {
      this.frame = await this.read(index);
      this.index = index;
    }
    return this.frame;
  }

  private async read(index: number): Promise<Uint8Array | null> {
    goOn(this.watch);
    const { target, pack } = this;
    const from = index * frameBytes;
    const length = Math.min(frameBytes, pack.size - from);
    if (from < 0 || length <= 0) return null;
    const bytes = new Uint8Array(length);
    const whole = (): boolean => damagedFrames(bytes, index, pack.frames).length === 0;
    this.inPlace = (await this.stored(from, bytes)) && whole();
    if (this.inPlace) return bytes;
    return (await target.content.copy(pack.key, from, bytes)) && whole() ? bytes : null;
  }

  private async stored(from: number, bytes: Uint8Array): Promise<boolean> {
    try {
      await patiently(this.target, this.watch, (blocks) => blocks.get(this.pack.key, from, bytes.byteLength, bytes));
      return true;
    } catch (error) {
      if (error instanceof DamagedObjectError) return false;
      const size = error instanceof MissingObjectError ? null : await this.target.blocks.size(this.pack.key);
      // Only what is not there at all; whatever else goes wrong may pass.
      if (size === null || size < from + bytes.byteLength) return false;
      throw error;
    }
  }
}
