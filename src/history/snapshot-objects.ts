import fs from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { Logger } from "#telemetry/logger.ts";
import { isPassing, readHead } from "./chain.ts";
import { chunkKey, encodeManifest, historyPrefix, type Manifest, manifestKey, parseSegmentKey, parseSnapshotKey, type Place, type SegmentHead, snapshotPrefix } from "./format.ts";

/** A snapshot is packed and put in pieces of this. */
export const chunkBytes = 4 * 1024 * 1024;
/** Pieces on their way at once. */
const chunksAtOnce = 3;
const levelOfCompression = 1;
/** Tries to put one object before the snapshot is given up; another is made later. */
const triesMax = 8;
const retryMs = 500;
const retryMsMax = 10_000;
/** An owner's segment is shorter than this, and stays for ever: it bars the way of whoever owned the share before. */
const ownerBytesMax = 2048;
const keysPerDelete = 500;

export interface SnapshotParts {
  readonly blocks: BlockStore;
  readonly instance: string;
  readonly share: string;
  readonly host: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ended: () => boolean;
}

/** Puts a copy of the metadata into the bucket in pieces, and last the manifest that makes them count. Gives what it takes there. */
export async function putSnapshot(parts: SnapshotParts, path: string, bytes: number, turn: number, cut: SegmentHead): Promise<number> {
  const { instance, share, host, clock } = parts;
  const count = Math.max(1, Math.ceil(bytes / chunkBytes));
  const chunks: Manifest["chunks"][number][] = new Array(count);
  const file = fs.openSync(path, "r");
  let next = 0;
  let packed = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const raw = new Uint8Array(Math.min(chunkBytes, bytes - index * chunkBytes));
      if ((await readSome(file, raw, index * chunkBytes)) !== raw.length) throw new Error(`${path} ends too early`);
      const small = await Bun.zstdCompress(raw, { level: levelOfCompression });
      chunks[index] = { bytes: raw.length, packed: small.length, crc: Bun.hash.crc32(raw) };
      packed += small.length;
      await putPatiently(parts, chunkKey(instance, cut.place, index), small);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(chunksAtOnce, count) }, work));
  } finally {
    fs.closeSync(file);
  }
  const manifest: Manifest = { instance, cut: cut.place, turn, share, host, at: clock.now(), bytes, chunks };
  await putPatiently(parts, manifestKey(instance, cut.place), encodeManifest(manifest));
  return packed;
}

function readSome(fd: number, into: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => fs.read(fd, into, 0, into.length, at, (error, got) => (error ? reject(error) : resolve(got))));
}

async function putPatiently({ blocks, clock, ended }: SnapshotParts, key: string, bytes: Uint8Array): Promise<void> {
  for (let tries = 1, pauseMs = retryMs; ; tries++, pauseMs = Math.min(pauseMs * 2, retryMsMax)) {
    if (ended()) throw new Error("the share is being closed");
    try {
      return await blocks.put(key, { from: "slices", slices: [bytes] });
    } catch (error) {
      // Nobody else puts objects under this cut of ours: one that is there is this one, whose answer was lost.
      if (!isPassing(error) && (await blocks.size(key)) === bytes.length) return;
      if (tries >= triesMax) throw error;
    }
    await new Promise<void>((resolve) => clock.after(pauseMs, resolve));
  }
}

/**
 * Deletes what the snapshot at `cut` makes superfluous: older snapshots, and segments before the first one that a recovery from it reads.
 * Owners' segments stay. A listing that fails deletes nothing.
 */
export async function removeOld({ blocks, instance, logger }: SnapshotParts, cut: SegmentHead): Promise<void> {
  const gone: string[] = [];
  const small: { readonly key: string; readonly place: Place }[] = [];
  for await (const { key, size } of blocks.list(historyPrefix(instance))) {
    const snapshot = key.startsWith(snapshotPrefix(instance)) ? parseSnapshotKey(key) : null;
    if (snapshot !== null) {
      // The manifest goes first: without it the rest counts for nothing.
      if (snapshot.cut.number < cut.place.number) snapshot.manifest ? gone.unshift(key) : gone.push(key);
      continue;
    }
    const place = parseSegmentKey(key);
    if (place === null || place.number >= cut.from.number) continue;
    if (size !== null && size > ownerBytesMax) gone.push(key);
    else small.push({ key, place });
  }
  for (const { key, place } of small) if ((await readHead(blocks, instance, place))?.kind === "changes") gone.push(key);
  for (let at = 0; at < gone.length; at += keysPerDelete) await blocks.delete(gone.slice(at, at + keysPerDelete));
  if (gone.length > 0) logger.debug({ objects: gone.length }, "parts of the share's history that a newer snapshot covers were deleted");
}

export async function removeFile(path: string): Promise<void> {
  await fs.promises.rm(path, { force: true });
}
