import { decodeTrailer, footerIsWhole, trailerBytes } from "./format.ts";
import { frameBytes } from "./frames.ts";

/**
 * What the footer of a pack's object says: payload bytes and frame checksums. `read` gives bytes of the object, `objectBytes` is
 * its size. Null where it is no whole pack of this share and id.
 */
export async function readFooter(
  read: (offset: number, length: number) => Promise<Uint8Array>,
  objectBytes: number,
  instance: Uint8Array,
  id: number,
  name: string,
): Promise<{ readonly size: number; readonly frames: Uint8Array } | null> {
  if (objectBytes < trailerBytes) return null;
  const trailer = decodeTrailer(await read(objectBytes - trailerBytes, trailerBytes), name);
  if (trailer === null || trailer.id !== id || Buffer.compare(trailer.instance, instance) !== 0) return null;
  const tableBytes = Math.ceil(trailer.size / frameBytes) * 4;
  if (trailer.size + tableBytes + trailerBytes !== objectBytes) return null;
  const footer = await read(trailer.size, tableBytes + trailerBytes);
  return footerIsWhole(footer) ? { size: trailer.size, frames: footer.slice(0, tableBytes) } : null;
}
