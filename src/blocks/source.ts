import type { ObjectSource } from "#model/block-store.ts";

/** How long the object of a source will be. */
export function sourceBytes(source: ObjectSource): number {
  if (source.from === "file") return source.size;
  let bytes = 0;
  for (const slice of source.slices) bytes += slice.byteLength;
  return bytes;
}
