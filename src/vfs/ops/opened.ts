import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { jukebox, stale } from "../errors.ts";
import { Cause } from "../opens/caching.ts";
import type { FileOpens } from "../opens/file-opens.ts";
import type { OpenFile } from "../opens/open-file.ts";
import { conflicts } from "../opens/open-table.ts";
import { Right, Sharing } from "../opens/rights.ts";
import type { Share } from "../share.ts";
import type { Going } from "./streams.ts";

/** A caller without opens is told to come again when others take longer than this to give up what they cache (NFS clients then wait some seconds). */
export const patienceMs = 10_000;

const sharing = FsError.of("sharing");

/*
 * What the opens of a file have to say before somebody uses it. Each gives null at once where nobody minds: what follows in the same
 * turn is done under that answer. After a promise everything has to be decided anew, and asked again.
 */

/** Before its content is read by a caller without opens: what others wrote and keep comes first. */
export function beforeRead(share: Share, id: FileId, by: OpenFile | null): Maybe<FsError | null> {
  const file = share.opens.of(id);
  return file === null || by !== null ? null : agree(share, file, Right.readData, Cause.open, null);
}

/** Before its content or size changes. */
export function beforeContent(share: Share, id: FileId, by: OpenFile | null): Maybe<FsError | null> {
  const file = share.opens.of(id);
  if (file === null) return null;
  if (file.replacing) return replaced(share, file);
  return agree(share, file, Right.writeData, Cause.content, by);
}

/** Before its name goes, or another comes to it. */
export function beforeName(share: Share, id: FileId, by: OpenFile | null): Maybe<FsError | null> {
  const file = share.opens.of(id);
  return file === null ? null : agree(share, file, Right.delete, Cause.name, by);
}

/** Before streams go with the last name of what they belong to, for a caller without opens. */
export function beforeStreams(share: Share, { streams }: Going): Maybe<FsError | null> {
  if (share.opens.size === 0) return null;
  for (let i = 0; i < streams.length; i++) {
    const held = beforeName(share, streams[i]!, null);
    if (held !== null) return held;
  }
  return null;
}

/** Whoever has an open was judged when he got it. */
function agree(share: Share, file: FileOpens, right: number, cause: Cause, by: OpenFile | null): Maybe<FsError | null> {
  if (by === null && conflicts(file, right, Sharing.all, null)) return sharing;
  if (!file.breakFor(cause, by)) return null;
  return by === null ? within(share, file.change()) : file.change().then(nothing);
}

/** What took the file's place left nobody a name to read this by. */
async function replaced(share: Share, file: FileOpens): Promise<FsError | null> {
  const refused = await within(share, file.change());
  return refused === null && file.orphaned ? stale : refused;
}

function nothing(): null {
  return null;
}

async function within(share: Share, change: Promise<void>): Promise<FsError | null> {
  const { promise, resolve } = Promise.withResolvers<FsError | null>();
  const timer = share.clock.after(patienceMs, () => resolve(jukebox));
  change.then(() => resolve(null), () => resolve(jukebox));
  const outcome = await promise;
  timer.cancel();
  return outcome;
}
