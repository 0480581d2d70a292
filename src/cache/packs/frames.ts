import { joinCrc } from "./crc.ts";

/** Bytes a checksum of a pack covers. */
export const frameBytes = 65536;

/** CRC-32 over slices, as over their concatenation. */
export function payloadCrc(payload: readonly Uint8Array[]): number {
  let crc = 0;
  for (let i = 0; i < payload.length; i++) crc = Bun.hash.crc32(payload[i]!, crc);
  return crc;
}

/**
 * Whether `bytes`, read from `packOffset` (a multiple of `frameBytes`) of a pack with `packSize` bytes of payload, are what was
 * put. They must end with a frame or with the payload: what is not a whole frame can't be checked and fails.
 */
export function verifyFrames(bytes: Uint8Array, packOffset: number, packSize: number, frames: Uint8Array): boolean {
  const end = packOffset + bytes.byteLength;
  if (packOffset % frameBytes !== 0 || end > packSize || (end % frameBytes !== 0 && end !== packSize)) return false;
  if (frames.byteLength !== Math.ceil(packSize / frameBytes) * 4) return false;
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  let frame = packOffset / frameBytes;
  for (let at = 0; at < bytes.byteLength; at += frameBytes, frame++) {
    if (view.getUint32(frame * 4) !== Bun.hash.crc32(bytes.subarray(at, Math.min(at + frameBytes, bytes.byteLength)))) return false;
  }
  return true;
}

/** The frame checksums of a payload that arrives piece by piece. */
export class FrameTable {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #crc = 0;
  /** Payload bytes so far. */
  #size = 0;

  add(slice: Uint8Array): void {
    let at = 0;
    while (at < slice.byteLength) {
      const room = frameBytes - (this.#size % frameBytes);
      const take = Math.min(room, slice.byteLength - at);
      const part = take === slice.byteLength ? slice : slice.subarray(at, at + take);
      this.#crc = Bun.hash.crc32(part, this.#crc);
      this.#size += take;
      at += take;
      if (take === room) {
        this.#store(this.#size / frameBytes - 1);
        this.#crc = 0;
      }
    }
  }

  /** Adds a payload; gives its CRC-32, which is put together from those of its parts of frames: nothing is read twice. */
  addPayload(payload: readonly Uint8Array[]): number {
    let crc = 0;
    // Of the frame under way: the payload's bytes in it, and what was before them.
    let own = 0;
    let ownBytes = 0;
    let before = this.#crc;
    for (let i = 0; i < payload.length; i++) {
      const slice = payload[i] as Uint8Array;
      for (let at = 0; at < slice.byteLength; ) {
        const take = Math.min(frameBytes - (this.#size % frameBytes), slice.byteLength - at);
        own = Bun.hash.crc32(take === slice.byteLength ? slice : slice.subarray(at, at + take), own);
        ownBytes += take;
        this.#size += take;
        at += take;
        if (this.#size % frameBytes !== 0) continue;
        this.#crc = joinCrc(before, own, ownBytes);
        this.#store(this.#size / frameBytes - 1);
        crc = joinCrc(crc, own, ownBytes);
        this.#crc = before = own = ownBytes = 0;
      }
    }
    if (ownBytes === 0) return crc;
    this.#crc = joinCrc(before, own, ownBytes);
    return joinCrc(crc, own, ownBytes);
  }

  /** The table of all that was added, the last frame as long as it is. */
  finish(): Uint8Array {
    const count = Math.ceil(this.#size / frameBytes);
    if (this.#size % frameBytes !== 0) this.#store(count - 1);
    return this.#bytes.slice(0, count * 4);
  }

  #store(frame: number): void {
    if ((frame + 1) * 4 > this.#bytes.byteLength) {
      const grown = new Uint8Array(this.#bytes.byteLength * 2);
      grown.set(this.#bytes, 0);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#view.setUint32(frame * 4, this.#crc);
  }
}
