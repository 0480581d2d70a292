/** From a payload to a framed object. */
import { createSecretKey, type KeyObject } from "node:crypto";
import fs from "node:fs";
import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { ReusedMemory } from "#base/reused-memory.ts";
import type { ObjectSource } from "#model/block-store.ts";
import type { Kek } from "../keyring/index.ts";
import { sourceBytes } from "../source.ts";
import { encryptFrame, sealHead, wrapDataKey } from "./cipher.ts";
import { frameBytesFor, frameCount, frameOffset, framePayload, headBytes, headParts, type Layout, tagBytes, writeChecksum, writeHead } from "./format.ts";
import { compressed } from "./zstd.ts";

const dataKeyBytes = 32;
const nonceBytes = 12;
/** Frames that are compressed at a time: enough for the threads there are. */
const compressionsMax = 8;
/** What is encrypted before the event loop has its turn. */
const turnBytes = 512 * 1024;
const readBytes = 4 << 20;

export interface Encoding {
  readonly compress: boolean;
  /** Wraps the data key; null: not encrypted. */
  readonly kek: Kek | null;
  readonly clock: Clock;
  readonly random: Random;
}

/** The framed object of a payload, in memory of `reused`. `object`: the key it will have. */
export async function encode(object: string, source: ObjectSource, how: Encoding, reused: ReusedMemory): Promise<Uint8Array> {
  const payloadBytes = sourceBytes(source);
  const plain: Layout = { payloadBytes, frameBytes: frameBytesFor(payloadBytes), encrypted: how.kek !== null, index: null };
  // Payload that stays as it is is read to where it will be encrypted or stored: behind the head, with room for the tags.
  const bytes = reused.take(frameOffset(plain, frameCount(plain)));
  const payload = bytes.subarray(bytes.byteLength - payloadBytes);
  await readPayload(source, payload);
  const frames = how.compress ? await compressFrames(plain, payload) : null;
  const layout = frames === null ? plain : { ...plain, index: frames.index };
  const dataKey = how.kek === null ? null : how.random.bytes(dataKeyBytes);
  writeHead(bytes, layout, null);
  if (how.kek !== null && dataKey !== null) {
    const wrapped = wrapDataKey(how.kek.key, dataKey, how.random.bytes(nonceBytes), object, bytes);
    writeHead(bytes, layout, { id: how.kek.id, wrapped });
  }
  const stored = (frame: number) => frames?.bytes[frame] ?? payload.subarray(frame * plain.frameBytes, frame * plain.frameBytes + framePayload(plain, frame));
  if (dataKey === null) {
    writeChecksum(bytes);
    for (let i = 0, at = headBytes; i < frameCount(layout); i++) at = place(bytes, at, stored(i));
  } else {
    const key = createSecretKey(dataKey);
    sealHead(key, object, bytes);
    await encryptFrames(bytes, layout, key, stored, how.clock);
  }
  return bytes.subarray(0, frameOffset(layout, frameCount(layout)));
}

function place(bytes: Uint8Array, at: number, frame: Uint8Array): number {
  if (frame.byteOffset !== bytes.byteOffset + at || frame.buffer !== bytes.buffer) bytes.set(frame, at);
  return at + frame.byteLength;
}

/** Each frame goes at most as far back as the tags of all before it: none is overwritten before it was encrypted. */
async function encryptFrames(bytes: Uint8Array, layout: Layout, key: KeyObject, stored: (frame: number) => Uint8Array, clock: Clock): Promise<void> {
  const headTag = headParts(bytes).seal;
  let since = 0;
  for (let i = 0, at = headBytes; i < frameCount(layout); i++) {
    const frame = stored(i);
    const end = at + frame.byteLength + tagBytes;
    encryptFrame(key, headTag, i, frame, bytes.subarray(at, end));
    at = end;
    since += frame.byteLength;
    if (since < turnBytes) continue;
    since = 0;
    await turn(clock);
  }
}

export function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.atTurnEnd(resolve));
}

async function readPayload(source: ObjectSource, payload: Uint8Array): Promise<void> {
  if (source.from === "slices") {
    let at = 0;
    for (const slice of source.slices) {
      payload.set(slice, at);
      at += slice.byteLength;
    }
    return;
  }
  const file = await fs.promises.open(source.path, "r");
  try {
    const { size } = await file.stat();
    if (size !== source.size) throw new Error(`${source.path} has ${size} bytes, not ${source.size}`);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await file.read(payload, at, Math.min(readBytes, size - at), at);
      if (bytesRead === 0) throw new Error(`${source.path} became shorter while it was read`);
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** The frames that compression makes smaller, null for the others; null where it is none of them. */
async function compressFrames(plain: Layout, payload: Uint8Array): Promise<{ readonly bytes: readonly (Uint8Array | null)[]; readonly index: Int32Array } | null> {
  const count = frameCount(plain);
  const bytes: (Uint8Array | null)[] = new Array<Uint8Array | null>(count).fill(null);
  const index = new Int32Array(count);
  let next = 0;
  let any = false;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) {
      const length = framePayload(plain, i);
      const smaller = await compressed(payload.subarray(i * plain.frameBytes, i * plain.frameBytes + length));
      bytes[i] = smaller;
      index[i] = smaller === null ? length : -smaller.byteLength;
      any ||= smaller !== null;
    }
  };
  await Promise.all(Array.from({ length: Math.min(compressionsMax, count) }, worker));
  return any ? { bytes, index } : null;
}
