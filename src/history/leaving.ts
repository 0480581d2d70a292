import type { Time } from "#base/time.ts";
import type { BlockStore } from "#model/block-store.ts";
import { ByteWriter } from "./bytes.ts";
import { frame, getTime, headBytesMax, reading, shareKey, textBytesMax, unframe } from "./format.ts";

/** Says of a share that it is being moved out of the store. */
export function leavingKey(instance: string): string {
  return `${shareKey(instance)}.leaving`;
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
