import fs from "node:fs";
import type { PackId } from "#model/ids.ts";
import { decodeTrailer, footerIsWhole, trailerBytes } from "./format.ts";
import { frameBytes } from "./frames.ts";
import { readFullySync } from "./reading.ts";

/** Where the payload of a left-over file ends: at its footer, if that is whole and its own, else at the end of the file. */
export function payloadBytes(fd: number, path: string, id: PackId, instance: Uint8Array): number {
  const bytes = fs.fstatSync(fd).size;
  if (bytes < trailerBytes) return bytes;
  const end = new Uint8Array(trailerBytes);
  readFullySync(fd, bytes - trailerBytes, end);
  const trailer = decodeTrailer(end, path);
  if (trailer === null || trailer.id !== id || trailer.instance.some((byte, i) => byte !== instance[i])) return bytes;
  const footer = new Uint8Array(Math.ceil(trailer.size / frameBytes) * 4 + trailerBytes);
  if (trailer.size + footer.byteLength !== bytes) return bytes;
  readFullySync(fd, trailer.size, footer);
  return footerIsWhole(footer) ? trailer.size : bytes;
}
