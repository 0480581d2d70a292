import fs from "node:fs";
import { startWriteBack, writeBackBytes } from "#base/write-back.ts";

/** The longest gathered write a kernel takes in one call (IOV_MAX of Linux and macOS). */
const gatheredMax = 1024;

/**
 * Writes the slices end to end into a new file, some MiB in each call, and has the kernel write each of these back while the next is
 * written, so that the sync that follows finds little to do.
 */
export async function writeSlices(fd: number, slices: readonly Uint8Array[]): Promise<void> {
  let at = 0;
  let writtenBack = 0;
  let next = 0;
  let skip = 0;
  while (next < slices.length) {
    const piece = gather(slices, next, skip);
    if (piece.length > 0) {
      const wrote = await writev(fd, piece, at);
      if (wrote <= 0) throw new Error("a write wrote nothing");
      at += wrote;
      skip += wrote;
    }
    // Empty slices are passed here, too.
    while (next < slices.length && skip >= (slices[next] as Uint8Array).byteLength) skip -= (slices[next++] as Uint8Array).byteLength;
    if (at - writtenBack < writeBackBytes) continue;
    startWriteBack(fd, writtenBack, at - writtenBack);
    writtenBack = at;
  }
}

/** The next bytes, of one slice if it is long: from `skip` of the slice `next` on. */
function gather(slices: readonly Uint8Array[], next: number, skip: number): Uint8Array[] {
  const piece: Uint8Array[] = [];
  let bytes = 0;
  for (let i = next; i < slices.length && bytes < writeBackBytes && piece.length < gatheredMax; i++) {
    const slice = slices[i] as Uint8Array;
    const from = i === next ? skip : 0;
    const part = slice.subarray(from, from + writeBackBytes - bytes);
    if (part.byteLength > 0) piece.push(part);
    bytes += part.byteLength;
  }
  return piece;
}

function writev(fd: number, slices: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => fs.writev(fd, slices as Uint8Array[], position, (error, wrote) => (error ? reject(error) : resolve(wrote))));
}
