import { DamagedObjectError, MissingObjectError } from "#model/block-store.ts";
import { type Pack, PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import { type Damage, damage } from "./damage.ts";
import { FindingKind } from "./finding.ts";
import { frameBytes, judgeObject, lostIn, patiently } from "./objects.ts";
import { type CheckTarget, goOn, quiet, type Watch } from "./target.ts";

/** Read at once. */
const chunkBytes = 16 * frameBytes;

/** A run of a pack's bytes. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/** How fast content is read: `take` resolves when so many bytes may be. */
export interface Pace {
  take(bytes: number): Promise<void>;
}

export const unpaced: Pace = { take: () => Promise.resolve() };

/** The frames among `bytes`, which begin at frame `first` of a pack, that don't match their checksums. */
export function damagedFrames(bytes: Uint8Array, first: number, frames: Uint8Array): number[] {
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  const bad: number[] = [];
  for (let at = 0, frame = first; at < bytes.byteLength; at += frameBytes, frame++) {
    const known = frame * 4 + 4 <= frames.byteLength;
    if (!known || view.getUint32(frame * 4) !== Bun.hash.crc32(bytes.subarray(at, at + frameBytes))) bad.push(frame);
  }
  return bad;
}

/** Frames that follow each other as runs of bytes, the last as long as the pack. */
export function runsOf(frames: readonly number[], size: number): Run[] {
  const runs: Run[] = [];
  for (const frame of frames) {
    const from = frame * frameBytes;
    const to = Math.min(from + frameBytes, size);
    const last = runs[runs.length - 1];
    if (last !== undefined && last.to === from) runs[runs.length - 1] = { from: last.from, to };
    else runs.push({ from, to });
  }
  return runs;
}

/** Reads all of a pack; gives the frames that don't match, those that are past the object's end among them, or null where there is no object. */
export async function readFrames(target: CheckTarget, watch: Watch, pack: Pack, pace: Pace): Promise<number[] | null> {
  const bad: number[] = [];
  const buffer = new Uint8Array(Math.min(chunkBytes, pack.size));
  for (let from = 0; from < pack.size; from += chunkBytes) {
    goOn(watch);
    const length = Math.min(chunkBytes, pack.size - from);
    await pace.take(length);
    const bytes = buffer.subarray(0, length);
    try {
      await patiently(target, watch, (blocks) => blocks.get(pack.key, from, length, bytes));
    } catch (error) {
      const left = await leftOf(target, watch, pack, error, from + length);
      if (left === null) return null;
      bad.push(...(await damagedIn(target, watch, pack, bytes, from, left)));
      watch.advance(length);
      continue;
    }
    bad.push(...damagedFrames(bytes, from / frameBytes, pack.frames));
    watch.advance(length);
  }
  return bad;
}

/** How much there is of an object that could not be read up to `to`: null where it is gone; throws `error` where that says nothing of the object. */
async function leftOf(target: CheckTarget, watch: Watch, pack: Pack, error: unknown, to: number): Promise<number | null> {
  if (error instanceof MissingObjectError) return null;
  if (error instanceof DamagedObjectError) return Number.MAX_SAFE_INTEGER;
  const size = await patiently(target, watch, (blocks) => blocks.size(pack.key));
  if (size === null || size < to) return size;
  throw error;
}

/** The same of one chunk that can't be read as a whole, frame by frame; the object has `left` bytes. */
async function damagedIn(target: CheckTarget, watch: Watch, pack: Pack, chunk: Uint8Array, from: number, left: number): Promise<number[]> {
  const bad: number[] = [];
  for (let at = 0; at < chunk.byteLength; at += frameBytes) {
    const bytes = chunk.subarray(at, at + frameBytes);
    const frame = (from + at) / frameBytes;
    if (from + at + bytes.byteLength > left) {
      bad.push(frame);
      continue;
    }
    try {
      await patiently(target, watch, (blocks) => blocks.get(pack.key, from + at, bytes.byteLength, bytes));
      bad.push(...damagedFrames(bytes, frame, pack.frames));
    } catch (error) {
      if (!(error instanceof DamagedObjectError)) throw error;
      bad.push(frame);
    }
  }
  return bad;
}

/** Whether a pack has content that a check of it reads. */
export function isRead({ content }: Pick<CheckTarget, "content">, pack: Pack): boolean {
  return pack.live > 0 && pack.state !== PackState.pending && !content.isOpen(pack.id);
}

/** Checks the content of one pack against its checksums, and its footer. What is damaged is read twice. */
export async function checkContent(target: CheckTarget, watch: Watch, id: PackId, pace: Pace): Promise<readonly Damage[]> {
  const { store, content } = target;
  const pack = await store.pack(id);
  if (pack === null || !isRead(target, pack)) return [];
  const first = await readFrames(target, watch, pack, pace);
  if (first === null) return judgeObject(target, watch, id, []);
  const again = first.length === 0 ? first : await readFrames(target, quiet(watch), pack, pace);
  const now = await store.pack(id);
  if (again === null || now === null || now.key !== pack.key || content.isOpen(id)) return [];
  const bad = first.filter((frame) => again.includes(frame));
  if (bad.length > 0) {
    const runs = runsOf(bad, pack.size);
    const lost = await lostIn(target, now, runs);
    const message = `${bad.length} of ${Math.ceil(pack.size / frameBytes)} frames of pack ${id} don't match their checksums; ${lost.length === 0 ? "no file has bytes in them" : "what lies in them is named below"}.`;
    return [damage(FindingKind.objectDamaged, message, { pack: id, key: pack.key, from: runs[0]?.from ?? null, to: runs.at(-1)?.to ?? null }, { by: "relocate", id }), ...lost];
  }
  const footer = await patiently(target, watch, () => content.fromObject(id));
  if (footer !== null && footer.size === pack.size && Buffer.compare(footer.frames, pack.frames) === 0) return [];
  if ((await store.pack(id))?.key !== pack.key || (await target.blocks.size(pack.key)) === null) return [];
  return [damage(FindingKind.footerDamaged, `The content of pack ${id} is whole, but the footer of its object is not: without the metadata nobody would know what it is.`, { pack: id, key: pack.key }, { by: "relocate", id })];
}
