import type { Maybe } from "#base/brand.ts";
import { after } from "#vfs/maybe.ts";
import { shownPath, shownStream } from "./names.ts";
import type { Open } from "./open.ts";

/** The path of an open as it is now, whoever renamed the file or a directory above it; where its name is gone, the last it had. */
export function pathNow(open: Open): Maybe<string> {
  const { fs } = open.tree;
  const place = (open.keeper ?? open.file)?.place ?? null;
  if (fs === null || place === null || open.namedAt === fs.opens.moves) return open.path;
  const { moves } = fs.opens;
  return after(fs.pathOf(place.parent), (above) => {
    if (above === null) return open.path;
    open.formerPath ??= open.path;
    const path = shownPath([...above, place.name]);
    const stream = open.keeper === null ? null : (open.file?.place ?? null);
    open.path = stream === null ? path : `${path}:${shownStream(stream.name)}`;
    open.namedAt = moves;
    return open.path;
  });
}
