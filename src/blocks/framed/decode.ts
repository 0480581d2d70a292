/** From the stored frames of an object to a range of its payload. */
import type { KeyObject } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { freeNow } from "#base/free-memory.ts";
import { decryptFrame } from "./cipher.ts";
import { turn } from "./encode.ts";
import { frameOffset, framePayload, frameStored, isCompressed, type Layout } from "./format.ts";
import { decompress, decompressNow } from "./zstd.ts";

/** What is decrypted before the event loop has its turn. */
const turnBytes = 512 * 1024;

/** What has to be known of an object to read it. */
export interface Opened {
  /** Its key in the wrapped store. */
  readonly stored: string;
  readonly layout: Layout;
  /** Null: not encrypted. */
  readonly dataKey: KeyObject | null;
  readonly headTag: Uint8Array;
}

/** The stored bytes that a range of the payload, not an empty one, lies in. */
export function storedRange(layout: Layout, offset: number, length: number): { readonly first: number; readonly last: number; readonly from: number; readonly to: number } {
  const first = Math.floor(offset / layout.frameBytes);
  const last = Math.floor((offset + length - 1) / layout.frameBytes);
  const asTheyAre = layout.index === null && !layout.encrypted;
  const from = frameOffset(layout, first) + (asTheyAre ? offset - first * layout.frameBytes : 0);
  const to = asTheyAre ? from + length : frameOffset(layout, last) + frameStored(layout, last);
  return { first, last, from, to };
}

/** Fills `target` with the payload from `offset` on. `stored`: bytes of the frames it touches, whole. Throws DamagedObjectError. */
export async function decode(opened: Opened, offset: number, target: Uint8Array, stored: Uint8Array, clock: Clock): Promise<void> {
  const { layout } = opened;
  const { first, last } = storedRange(layout, offset, target.byteLength);
  const waits: Promise<void>[] = [];
  let since = 0;
  try {
    for (let i = first, at = 0; i <= last; i++) {
      const part = stored.subarray(at, at + frameStored(layout, i));
      at += part.byteLength;
      const frame = opened.dataKey === null ? part : decryptFrame(opened.dataKey, opened.headTag, i, part);
      if (isCompressed(layout, i)) waits.push(inflate(layout, i, frame, offset, target));
      else {
        copyFrame(layout, i, frame, offset, target);
        if (frame !== part) freeNow(frame);
      }
      since += part.byteLength;
      if (since < turnBytes || i === last) continue;
      since = 0;
      // Whoever waits for them sees what becomes of them; until then they are nobody's unhandled rejections.
      for (const wait of waits) wait.catch(() => {});
      await turn(clock);
    }
  } finally {
    // However this ends, nothing is written into the target afterwards: it may be somebody else's by then.
    await Promise.allSettled(waits);
  }
  for (const outcome of await Promise.allSettled(waits)) if (outcome.status === "rejected") throw outcome.reason;
}

/** The same at once, for a few frames. */
export function decodeNow(opened: Opened, offset: number, target: Uint8Array, stored: Uint8Array): void {
  const { layout } = opened;
  const { first, last } = storedRange(layout, offset, target.byteLength);
  for (let i = first, at = 0; i <= last; i++) {
    const part = stored.subarray(at, at + frameStored(layout, i));
    at += part.byteLength;
    const frame = opened.dataKey === null ? part : decryptFrame(opened.dataKey, opened.headTag, i, part);
    if (!isCompressed(layout, i)) {
      copyFrame(layout, i, frame, offset, target);
      if (frame !== part) freeNow(frame);
      continue;
    }
    const plain = new Uint8Array(framePayload(layout, i));
    decompressNow(frame, plain);
    copyFrame(layout, i, plain, offset, target);
    freeNow(plain);
  }
}

async function inflate(layout: Layout, frame: number, bytes: Uint8Array, offset: number, target: Uint8Array): Promise<void> {
  const plain = new Uint8Array(framePayload(layout, frame));
  await decompress(bytes, plain);
  copyFrame(layout, frame, plain, offset, target);
  freeNow(plain);
}

/** What of a frame's payload the range has goes to its place. */
function copyFrame({ frameBytes }: Layout, frame: number, bytes: Uint8Array, offset: number, target: Uint8Array): void {
  const start = frame * frameBytes;
  const from = Math.max(offset, start);
  const to = Math.min(offset + target.byteLength, start + bytes.byteLength);
  target.set(from === start && to === start + bytes.byteLength ? bytes : bytes.subarray(from - start, to - start), from - offset);
}
