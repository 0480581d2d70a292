import type { Time } from "#base/time.ts";
import { type BlockStore, DamagedObjectError } from "#model/block-store.ts";
import { ByteWriter, MalformedBytes } from "./bytes.ts";
import { frame, getTime, headBytesMax, HistoryError, instancePattern, reading, shareKey, sharesPrefix, textBytesMax, unframe } from "./format.ts";

const leavingEnd = ".leaving";
const endedEnd = ".ended";

/** Says of a share that it is being moved out of the store. */
export function leavingKey(instance: string): string {
  return `${shareKey(instance)}${leavingEnd}`;
}

/** Says of a share that its history in the store was ended, since it went elsewhere. */
export function endedKey(instance: string): string {
  return `${shareKey(instance)}${endedEnd}`;
}

/** Ends a text that is longer. */
const cutShort = "...";

/** A move of a share out of a store that was begun. */
export interface Leaving {
  /** Where to, in words. */
  readonly to: string;
  readonly host: string;
  readonly at: Time;
}

function encodeLeaving({ to, host, at }: Leaving): Uint8Array {
  const out = new ByteWriter();
  out.text(fitting(to));
  out.text(fitting(host));
  out.time(at);
  return frame("leaving", out);
}

/** What can be read again: paths are longer at times. */
function fitting(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.byteLength <= textBytesMax ? text : new TextDecoder().decode(bytes.subarray(0, textBytesMax - cutShort.length), { stream: true }) + cutShort;
}

function decodeLeaving(bytes: Uint8Array, key: string): Leaving {
  const from = unframe("leaving", bytes, key);
  return reading(key, () => ({ to: from.text(textBytesMax), host: from.text(textBytesMax), at: getTime(from) }));
}

/**
 * Says in a store that a share is being moved out of it, before anybody knows whether it will be: should its server end before the history is
 * ended, whoever recovers the share from there is told. Whoever has the share there takes it back at its next start. `blocks`: not encrypted.
 */
export async function markLeaving(blocks: BlockStore, instance: string, leaving: Leaving): Promise<void> {
  const key = leavingKey(instance);
  await blocks.delete([key]);
  await blocks.put(key, { from: "slices", slices: [encodeLeaving(leaving)] });
}

/** The move has not come to be: the share is where it was. */
export async function unmarkLeaving(blocks: BlockStore, instance: string): Promise<void> {
  await blocks.delete([leavingKey(instance)]);
}

/** The move of a share out of a store that was begun and of which nothing else is known there; null: none was. */
export async function leavingOf(blocks: BlockStore, instance: string): Promise<Leaving | null> {
  const key = leavingKey(instance);
  const bytes = await blocks.size(key);
  return bytes === null ? null : decodeLeaving(await blocks.get(key, 0, Math.min(bytes, headBytesMax)), key);
}

/** What a share that left has its names in: what can be had of it again hangs on that. In the order of their numbers in the object, from 1 on. */
const kinds = ["memory", "postgres", "other"] as const;

/** A move of a share out of a store that was made. */
export interface Ended extends Leaving {
  readonly share: string;
  readonly names: (typeof kinds)[number];
}

function encodeEnded({ share, names, to, host, at }: Ended): Uint8Array {
  const out = new ByteWriter();
  out.text(fitting(share));
  out.byte(kinds.indexOf(names) + 1);
  out.text(fitting(to));
  out.text(fitting(host));
  out.time(at);
  return frame("ended", out);
}

function decodeEnded(bytes: Uint8Array, key: string): Ended {
  const from = unframe("ended", bytes, key);
  return reading(key, () => {
    const share = from.text(textBytesMax);
    const kind = from.byte();
    const names = kinds[kind - 1];
    if (names === undefined) throw new MalformedBytes(`there is no end of kind ${kind}`);
    return { share, names, to: from.text(textBytesMax), host: from.text(textBytesMax), at: getTime(from) };
  });
}

/** Says in a store why a share's history ended there. `blocks`: not encrypted. */
export async function markEnded(blocks: BlockStore, instance: string, ended: Ended): Promise<void> {
  const key = endedKey(instance);
  await blocks.delete([key]);
  await blocks.put(key, { from: "slices", slices: [encodeEnded(ended)] });
}

/** A share that left a store and keeps no history there. */
export interface Gone {
  readonly instance: string;
  /** Null: it can't be read any more, or the server ended before it said so. */
  readonly ended: Ended | null;
}

/** The shares that left a store: those that are in its list of shares are not among them, whatever else the store says of them. */
export async function listGone(blocks: BlockStore): Promise<readonly Gone[]> {
  const here = new Set<string>();
  const left = new Set<string>();
  for await (const { key } of blocks.list(sharesPrefix)) {
    const [instance = "", end] = key.slice(sharesPrefix.length).split(/(?=\.)/);
    if (!instancePattern.test(instance)) continue;
    if (end === undefined) here.add(instance);
    else if (end === leavingEnd || end === endedEnd) left.add(instance);
  }
  const found: Gone[] = [];
  for (const instance of [...left].sort()) if (!here.has(instance)) found.push({ instance, ended: await endedOf(blocks, instance) });
  return found;
}

async function endedOf(blocks: BlockStore, instance: string): Promise<Ended | null> {
  const key = endedKey(instance);
  try {
    const bytes = await blocks.size(key);
    if (bytes !== null) return decodeEnded(await blocks.get(key, 0, Math.min(bytes, headBytesMax)), key);
    const leaving = await leavingOf(blocks, instance);
    return leaving === null ? null : { ...leaving, share: "", names: "other" };
  } catch (error) {
    if (error instanceof HistoryError || error instanceof DamagedObjectError) return null;
    throw error;
  }
}
