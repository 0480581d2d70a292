import { type BlockStore, MissingObjectError } from "#model/block-store.ts";
import { type Pack, PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import { damagedFrames, readFrames, unpaced } from "./frames.ts";
import { patiently } from "./objects.ts";
import { eachPack } from "./scan.ts";
import { type CheckTarget, goOn, type Watch } from "./target.ts";

/** Object bytes read at once. */
const chunkBytes = 4 * 1024 * 1024;

export interface Copied {
  /** Objects copied by this pass, those that were there before, and bytes copied. */
  readonly copied: number;
  readonly present: number;
  readonly bytes: number;
}

/** Content that can't be moved as it is. */
class NotWhole extends Error {
  constructor(pack: Pack, what: string, remedy = "Run dittofs fsck --data --repair first: it names the files, and repairs what can be repaired; delete or restore the others") {
    super(`the object ${pack.key} of pack ${pack.id} ${what}. ${remedy}`);
  }
}

/**
 * Copies the objects of every pack in use that `to` doesn't have. Objects never change, so that this may go on while the share is served, be cut off
 * anywhere, and be repeated. Each is checked against its checksums before it is put, and as `to` gives it back; `verified` remembers those.
 */
export async function copyContent(from: CheckTarget, to: BlockStore, verified: Set<PackId>, watch: Watch): Promise<Copied> {
  const ids: PackId[] = [];
  let total = 0;
  await eachPack(from, watch, ({ id, live, size }) => {
    if (live === 0 || verified.has(id)) return;
    ids.push(id);
    total += size;
  });
  watch.step("content", total, "bytes");
  let [copied, present, bytes] = [0, 0, 0];
  const target: CheckTarget = { ...from, blocks: to };
  for (const id of ids) {
    goOn(watch);
    const pack = await from.store.pack(id);
    // Collected, or not stored yet: a later pass has it.
    if (pack === null || pack.live === 0 || pack.state === PackState.pending) continue;
    const objectBytes = from.content.objectBytes(pack.size);
    if ((await patiently(target, watch, (blocks) => blocks.size(pack.key))) === objectBytes) present++;
    else if (await copyObject(from, target, pack, objectBytes, watch)) {
      copied++;
      bytes += objectBytes;
    } else continue;
    const bad = await readFrames(target, watch, pack, unpaced);
    if (bad === null || bad.length > 0) throw new NotWhole(pack, "is not whole in the store it was copied to, while it is in the share", "Nothing of the share is damaged: delete that object in the store it goes to, see to that store, and give the same command again");
    verified.add(id);
  }
  return { copied, present, bytes };
}

/** False: it was collected meanwhile. */
async function copyObject(from: CheckTarget, to: CheckTarget, pack: Pack, objectBytes: number, watch: Watch): Promise<boolean> {
  const object = new Uint8Array(objectBytes);
  try {
    for (let at = 0; at < objectBytes; at += chunkBytes) {
      const part = object.subarray(at, Math.min(at + chunkBytes, objectBytes));
      await patiently(from, watch, (blocks) => blocks.get(pack.key, at, part.byteLength, part));
    }
  } catch (error) {
    if ((await from.store.pack(pack.id)) === null) return false;
    if (error instanceof MissingObjectError) throw new NotWhole(pack, "is missing");
    throw error;
  }
  if (damagedFrames(object.subarray(0, pack.size), 0, pack.frames).length > 0) throw new NotWhole(pack, "is damaged");
  // One of another size is no object of ours that anybody wrote whole.
  await patiently(to, watch, (blocks) => blocks.delete([pack.key]));
  await patiently(to, watch, (blocks) => blocks.put(pack.key, { from: "slices", slices: [object] }));
  return true;
}
