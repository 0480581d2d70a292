import { type BlockStore, MissingObjectError } from "#model/block-store.ts";
import type { HistoryMark } from "#model/history.ts";
import { ByteReader, MalformedBytes } from "./bytes.ts";
import { placeAfter } from "./chain.ts";
import { type ContentRecord, readContentRecord } from "./content-records.ts";
import {
  chunkKey, decodeManifest, decodeSegmentHead, headLength, historyPrefix, HistoryError, instancePattern, type Manifest, manifestKey, parseSegmentKey, parseSnapshotKey, type Part, type Place,
  type SegmentHead, segmentKey, sharesPrefix, snapshotPrefix,
} from "./format.ts";
import { readTurn, type Turn } from "./read-change-sets.ts";

/** Objects fetched ahead of the one that is read: so many, and no further one where they are so long. */
const fetchedAhead = 8;
const fetchedAheadBytes = 128 * 1024 * 1024;

/** The instances of the shares that keep their history in a store. */
export async function listShares(blocks: BlockStore): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { key } of blocks.list(sharesPrefix)) {
    const instance = key.slice(sharesPrefix.length);
    if (instancePattern.test(instance)) found.push(instance);
  }
  return found.sort();
}

/** The manifest of a share's newest whole snapshot that a segment confirms; null where there is none. */
export async function newestSnapshot(blocks: BlockStore, instance: string): Promise<Manifest | null> {
  const cuts: Place[] = [];
  for await (const { key } of blocks.list(snapshotPrefix(instance))) {
    const found = parseSnapshotKey(key);
    if (found?.manifest === true) cuts.push(found.cut);
  }
  cuts.sort((a, b) => b.number - a.number);
  for (const cut of cuts) {
    const key = manifestKey(instance, cut);
    const manifest = decodeManifest(await whole(blocks, key), key);
    if (await isConfirmed(blocks, instance, cut)) return manifest;
  }
  return null;
}

/** The highest number that a segment of a share's history has; 0: there is none. */
export async function lastSegmentNumber(blocks: BlockStore, instance: string): Promise<number> {
  let last = 0;
  for await (const { key } of blocks.list(historyPrefix(instance))) last = Math.max(last, parseSegmentKey(key)?.number ?? 0);
  return last;
}

async function isConfirmed(blocks: BlockStore, instance: string, cut: Place): Promise<boolean> {
  for await (const { head } of segmentsFrom(blocks, instance, cut)) {
    if (head.confirms === cut.number) return true;
    // Whoever came next confirms nothing of what was before.
    if (head.kind === "owner") return false;
  }
  return false;
}

async function whole(blocks: BlockStore, key: string): Promise<Uint8Array> {
  const bytes = await blocks.size(key);
  if (bytes === null) throw new MissingObjectError(key);
  return await blocks.get(key, 0, bytes);
}

/** The pieces of a snapshot in order, fetched ahead and checked. */
export async function* snapshotPieces(blocks: BlockStore, manifest: Manifest): AsyncGenerator<Uint8Array> {
  const { chunks, instance, cut } = manifest;
  const fetch = async (index: number): Promise<Uint8Array> => {
    const chunk = chunks[index] as Manifest["chunks"][number];
    const key = chunkKey(instance, cut, index);
    let raw: Uint8Array;
    try {
      raw = await Bun.zstdDecompress(await blocks.get(key, 0, chunk.packed));
    } catch (error) {
      throw new HistoryError(`object ${key} of the share's snapshot can't be read: ${(error as Error).message}`);
    }
    if (raw.length !== chunk.bytes || Bun.hash.crc32(raw) !== chunk.crc) throw new HistoryError(`object ${key} of the share's snapshot is damaged: its checksum is wrong`);
    return raw;
  };
  yield* ahead(chunks.length, fetch);
}

async function* ahead<T>(count: number, fetch: (index: number) => Promise<T>): AsyncGenerator<T> {
  const coming: Promise<T>[] = [];
  for (let index = 0; index < count; index++) {
    while (coming.length < fetchedAhead && index + coming.length < count) {
      const one = fetch(index + coming.length);
      // Whoever stops early has no use for its error.
      one.catch(() => {});
      coming.push(one);
    }
    yield await (coming.shift() as Promise<T>);
  }
}

/** A segment, checked. */
export interface ReadSegment {
  readonly head: SegmentHead;
  turns(): Generator<Turn>;
  content(): Generator<ContentRecord>;
}

function decodeSegment(bytes: Uint8Array, key: string): ReadSegment {
  const head = decodeSegmentHead(bytes, key);
  const damaged = (what: string) => new HistoryError(`object ${key} of the share's history is damaged: ${what}`);
  const at = headLength(bytes);
  if (bytes.length !== at + head.turns.bytes + head.content.bytes) throw damaged(`it has ${bytes.length} bytes`);
  const part = (from: number, { bytes: length, crc }: Part): Uint8Array => {
    const found = bytes.subarray(from, from + length);
    if (Bun.hash.crc32(found) !== crc) throw damaged("its checksum is wrong");
    return found;
  };
  const turns = part(at, head.turns);
  const content = part(at + head.turns.bytes, head.content);
  function* each<T>(from: Uint8Array, read: (reader: ByteReader) => T): Generator<T> {
    const reader = new ByteReader(from);
    while (reader.left > 0) {
      try {
        yield read(reader);
      } catch (error) {
        if (error instanceof MalformedBytes) throw damaged(error.message);
        throw error;
      }
    }
  }
  return { head, turns: () => each(turns, readTurn), content: () => each(content, readContentRecord) };
}

/** Reads one segment; null where there is none. */
export async function readSegment(blocks: BlockStore, instance: string, place: Place): Promise<ReadSegment | null> {
  const key = segmentKey(instance, place);
  const bytes = await blocks.size(key);
  return bytes === null ? null : decodeSegment(await blocks.get(key, 0, bytes), key);
}

/** The segments from a place on, in order, up to the first that is not there; fetched ahead. */
export async function* segmentsFrom(blocks: BlockStore, instance: string, from: Place): AsyncGenerator<ReadSegment> {
  const sizes = new Map<string, number | null>();
  for await (const { key, size } of blocks.list(historyPrefix(instance))) if (parseSegmentKey(key) !== null) sizes.set(key, size);
  const coming = new Map<string, Promise<ReadSegment>>();
  const fetch = (place: Place): Promise<ReadSegment> | null => {
    const key = segmentKey(instance, place);
    const known = coming.get(key);
    if (known !== undefined) return known;
    const size = sizes.get(key);
    if (size === undefined) return null;
    const one = (size === null ? whole(blocks, key) : blocks.get(key, 0, size)).then((bytes) => decodeSegment(bytes, key));
    one.catch(() => {});
    coming.set(key, one);
    return one;
  };
  for (let place = from; ; ) {
    const one = fetch(place);
    if (one === null) return;
    for (let i = 1, bytes = 0; i <= fetchedAhead && bytes < fetchedAheadBytes; i++) {
      const next = { epoch: place.epoch, number: place.number + i };
      bytes += sizes.get(segmentKey(instance, next)) ?? 0;
      fetch(next);
    }
    const segment = await one;
    coming.delete(segmentKey(instance, place));
    const { place: said } = segment.head;
    if (segment.head.instance !== instance || said.epoch !== place.epoch || said.number !== place.number) {
      throw new HistoryError(`object ${segmentKey(instance, place)} of the share's history is damaged: it says that it is another`);
    }
    yield segment;
    place = placeAfter(segment.head);
  }
}

/**
 * The segments that a recovery from this mark needs, and those published since. Throws a HistoryError where one of those the mark knows of is missing: they
 * go only once a mark is kept that needs them no more.
 */
export async function* segmentsOf(blocks: BlockStore, instance: string, { fromEpoch, fromNumber, number }: HistoryMark): AsyncGenerator<ReadSegment> {
  let next: Place = { epoch: fromEpoch, number: fromNumber };
  for await (const segment of segmentsFrom(blocks, instance, next)) {
    next = placeAfter(segment.head);
    yield segment;
  }
  if (next.number <= number) throw new HistoryError(`object ${segmentKey(instance, next)} of the share's history is missing`);
}
