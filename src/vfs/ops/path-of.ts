import type { Maybe } from "#base/brand.ts";
import { type FileId, rootId } from "#model/ids.ts";
import type { Above } from "../notify/places.ts";
import type { Share } from "../share.ts";

/** The names from the root down to a directory; null where it is gone. Synchronous where memory knows them. */
export function pathOf(share: Share, directory: FileId): Maybe<readonly string[] | null> {
  const { places } = share.notify;
  return climb(directory, (at) => places.ofDirectory(at)) ?? places.find(directory).then((found) => (found === null ? null : climb(directory, (at) => found.get(at) ?? null)));
}

function climb(directory: FileId, above: (at: FileId) => Above | null): readonly string[] | null {
  const names: string[] = [];
  for (let at = directory; at !== rootId; ) {
    const place = above(at);
    if (place === null) return null;
    names.push(place.name);
    at = place.parent;
  }
  return names.reverse();
}
