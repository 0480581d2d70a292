import { type BlockStore, DamagedObjectError, StoreRefusedError, StoreUnavailableError } from "#model/block-store.ts";
import { type Pack, PackState } from "#model/change-set.ts";
import type { PackId } from "#model/ids.ts";
import { type Damage, damage } from "./damage.ts";
import { type Finding, FindingKind, finding } from "./finding.ts";
import { pathsOf } from "./paths.ts";
import { eachPack, extentsOfPack } from "./scan.ts";
import { type CheckTarget, goOn, type Watch } from "./target.ts";

/** Bytes of a pack that one checksum covers (docs/formats/pack.md). */
export const frameBytes = 65536;
/** Byte ranges of files that are named of one pack, at most. */
const rangesMax = 1000;
/** Tries of a store that doesn't answer, and the pause between them. */
const triesMax = 20;
const retryMs = 500;

/** Asks a store that may be away for a while; gives up after ten seconds. */
export async function patiently<T>(target: CheckTarget, watch: Watch, ask: (blocks: BlockStore) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    goOn(watch);
    try {
      return await ask(target.blocks);
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || tries === triesMax) throw error;
      await new Promise<void>((resolve) => target.clock.after(retryMs, resolve));
    }
  }
}

/** A run of a file's bytes that can't be read. */
interface Lost {
  readonly file: number;
  readonly from: number;
  readonly to: number;
}

/** The files' ranges that lie in `from`..`to` of a pack, those that follow each other put together. */
export async function rangesIn(target: CheckTarget, id: number, runs: readonly { readonly from: number; readonly to: number }[]): Promise<readonly Lost[]> {
  const lost: Lost[] = [];
  for (const { file, extent } of await extentsOfPack(target, id)) {
    for (const { from, to } of runs) {
      const begin = Math.max(extent.packOffset, from);
      const end = Math.min(extent.packOffset + extent.length, to);
      if (begin < end) lost.push({ file, from: extent.offset + begin - extent.packOffset, to: extent.offset + end - extent.packOffset });
    }
  }
  lost.sort((a, b) => a.file - b.file || a.from - b.from);
  const joined: Lost[] = [];
  for (const one of lost) {
    const last = joined[joined.length - 1];
    if (last !== undefined && last.file === one.file && last.to >= one.from) joined[joined.length - 1] = { ...last, to: Math.max(last.to, one.to) };
    else joined.push(one);
  }
  return joined;
}

/** A damage for every file that has bytes in a damaged part of a pack; `locate` names its paths. */
export async function lostIn(target: CheckTarget, pack: Pack, runs: readonly { readonly from: number; readonly to: number }[]): Promise<readonly Damage[]> {
  return (await rangesIn(target, pack.id, runs))
    .slice(0, rangesMax)
    .map(({ file, from, to }) => damage(FindingKind.contentDamaged, `Bytes ${from} to ${to} can't be read: they lie in pack ${pack.id}.`, { file, pack: pack.id, key: pack.key, from, to }));
}

/** The same damages with the paths of their files: what is lost of a file with several names is said of each. */
export async function locate(target: CheckTarget, watch: Watch, damages: readonly Damage[]): Promise<readonly Damage[]> {
  const ids = new Set(damages.flatMap(({ finding: { kind, file } }) => (kind === FindingKind.contentDamaged && file !== null ? [file] : [])));
  if (ids.size === 0) return damages;
  const paths = await pathsOf(target, watch, ids);
  return damages.flatMap((one) => {
    const { kind, file } = one.finding;
    const names = kind === FindingKind.contentDamaged && file !== null ? (paths.get(file) ?? []) : [];
    return names.length === 0 ? [one] : names.map((path) => ({ ...one, finding: { ...one.finding, path } }));
  });
}

/** What is known of the objects, after a listing. */
export interface Objects {
  readonly damages: readonly Damage[];
  readonly notices: readonly Finding[];
}

interface Expected {
  readonly id: PackId;
  seen: number | null;
}

/** Compares the objects of the block store, as it lists them, with the rows of packs. */
export async function checkObjects(target: CheckTarget, prefix: string, watch: Watch): Promise<Objects> {
  const expected = new Map<string, Expected>();
  await eachPack(target, watch, (pack) => expected.set(pack.key, { id: pack.id, seen: null }));
  const strangers: { readonly key: string; readonly size: number }[] = [];
  await patiently(target, watch, async (blocks) => {
    strangers.length = 0;
    watch.step("objects", expected.size, "objects");
    for await (const { key, size } of blocks.list(prefix)) {
      goOn(watch);
      const row = expected.get(key);
      // What else lies there is not counted: there is no telling how much it is.
      if (row !== undefined) watch.advance(1);
      const payload = size ?? (await payloadOf(blocks, key));
      if (row === undefined) strangers.push({ key, size: payload ?? 0 });
      else row.seen = payload;
    }
  });
  const damages: Damage[] = [];
  const notices: Finding[] = [];
  for (const { id, seen } of expected.values()) {
    goOn(watch);
    if (seen === null || !(await fits(target, id, seen))) damages.push(...(await judgeObject(target, watch, id, notices)));
  }
  for (const { key, size } of strangers) if (isPackKey(key) && (await isStranger(target, key))) notices.push(stranger(key, size));
  return { damages, notices };
}

/** Of an object whose listing doesn't tell how long its payload is. Null: it can't be told, and the object is judged by itself. */
async function payloadOf(blocks: BlockStore, key: string): Promise<number | null> {
  try {
    return await blocks.size(key);
  } catch (error) {
    if (error instanceof StoreUnavailableError || error instanceof StoreRefusedError) throw error;
    return null;
  }
}

async function fits({ store, content }: CheckTarget, id: PackId, size: number): Promise<boolean> {
  const row = await store.pack(id);
  return row !== null && row.state !== PackState.pending && size === content.objectBytes(row.size);
}

/**
 * A pack whose object is not as its row has it, looked at anew. One that is shorter or longer than it was put is damaged as one with flipped bits
 * is; only where its footer proves it to be whole is it the row that is wrong.
 */
export async function judgeObject(target: CheckTarget, watch: Watch, id: PackId, notices: Finding[]): Promise<readonly Damage[]> {
  const { store, content } = target;
  const row = await store.pack(id);
  if (row === null || content.isOpen(id)) return [];
  const size = await patiently(target, watch, (blocks) => blocks.size(row.key)).catch(damagedAsNaN);
  const now = await store.pack(id);
  // Collected meanwhile: the object goes before the row.
  if (now === null || content.isOpen(id) || now.state !== row.state || now.key !== row.key) return [];
  if (now.state === PackState.pending) {
    if (now.live === 0) notices.push(finding({ kind: FindingKind.pendingPack, severity: "notice", message: `Pack ${id} was begun and never came to be used${size === null ? "" : `; its object has ${size} bytes`}. It is collected with the garbage.`, pack: id, key: now.key }));
    return [];
  }
  const wanted = content.objectBytes(now.size);
  if (size === wanted || now.live === 0) return [];
  if (size === null) {
    const lost = await lostIn(target, now, [{ from: 0, to: Number.MAX_SAFE_INTEGER }]);
    return [damage(FindingKind.objectMissing, `The object of pack ${id} is missing from the block store; ${now.live} bytes of files lie in it.`, { pack: id, key: now.key }, { by: "relocate", id }), ...lost];
  }
  if (Number.isNaN(size)) {
    const lost = await lostIn(target, now, [{ from: 0, to: Number.MAX_SAFE_INTEGER }]);
    return [damage(FindingKind.objectDamaged, `The object of pack ${id} is damaged, or was changed in the block store: it can't be opened.`, { pack: id, key: now.key }, { by: "relocate", id }), ...lost];
  }
  const isWhole = (await patiently(target, watch, () => content.fromObject(id))) !== null;
  // A frame is read as a whole or not at all.
  const lost = size < now.size ? await lostIn(target, now, [{ from: Math.floor(size / frameBytes) * frameBytes, to: Number.MAX_SAFE_INTEGER }]) : [];
  return [damage(FindingKind.objectSize, `The object of pack ${id} has ${size} bytes instead of ${wanted}.`, { pack: id, key: now.key }, { by: isWhole ? "packRow" : "relocate", id }), ...lost];
}

/** The size of an object that can't be opened. */
function damagedAsNaN(error: unknown): number {
  if (error instanceof DamagedObjectError) return Number.NaN;
  throw error;
}

async function isStranger(target: CheckTarget, key: string): Promise<boolean> {
  const id = Number.parseInt(key.slice(key.lastIndexOf("/") + 1), 16) as PackId;
  if (!Number.isSafeInteger(id)) return true;
  return !target.content.isOpen(id) && (await target.store.pack(id))?.key !== key && (await target.blocks.size(key).catch(damagedAsNaN)) !== null;
}

/** A share has other objects than packs, too (docs/formats/pack.md). */
function isPackKey(key: string): boolean {
  return /^[0-9a-f]{16}\/[0-9a-f]{2}\/[0-9a-f]{14}(-[0-9a-f]{1,14})?$/.test(key);
}

function stranger(key: string, size: number): Finding {
  return finding({ kind: FindingKind.objectWithoutPack, severity: "notice", message: `No pack is known for the object ${key} of ${size} bytes. It is collected with the garbage.`, key });
}
