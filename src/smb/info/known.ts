import type { Maybe } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";
import type { Inode } from "#model/inode.ts";
import { after } from "#vfs/maybe.ts";
import type { Ea } from "#wire/ea.ts";
import { type FileFacts, FileInfo } from "#wire/fscc.ts";
import { factsOfStream, isHollow } from "../aapl/index.ts";
import { allocationOf, factsOf } from "../open/facts.ts";
import { shownStream } from "../open/names.ts";
import type { Open } from "../open/open.ts";
import { withRoom } from "../open/allocation.ts";
import { toldFacts } from "../open/write-times.ts";
import { ntStatusOf } from "../status.ts";
import { easOf } from "./eas.ts";
import { volumeIdOf } from "./volume.ts";
import { type FileQuery, type StreamFacts, wantsEas } from "./file-info.ts";

const noVolumeId = new Uint8Array(8);
const noEas: readonly Ea[] = [];
const noStreams: readonly StreamFacts[] = [];

/** What there is to know of an open file: of a stream its own size, and everything else its owner's. */
export function openedFacts(open: Open): Maybe<{ readonly inode: Inode; readonly facts: FileFacts } | number> {
  const fs = open.tree.fs!;
  const inode = fs.getattr(open.ownerId);
  return inode instanceof Promise ? inode.then((arrived) => factsFrom(open, arrived)) : factsFrom(open, inode);
}

function factsFrom(open: Open, inode: Inode | FsError): Maybe<{ readonly inode: Inode; readonly facts: FileFacts } | number> {
  if (inode instanceof FsError) return ntStatusOf(inode);
  if (open.ownerId === open.id) return { inode, facts: factsOf(inode) };
  return after(open.tree.fs!.getattr(open.id), (stream) => (stream instanceof FsError ? ntStatusOf(stream) : { inode, facts: factsOfStream(inode, stream, open.place?.name ?? "") }));
}

/** What a class of information is written from. */
export function known(open: Open, infoClass: number, clock: Clock): Maybe<FileQuery | number> {
  const opened = openedFacts(open);
  return opened instanceof Promise ? opened.then((arrived) => queryOf(open, infoClass, clock, arrived)) : queryOf(open, infoClass, clock, opened);
}

function queryOf(open: Open, infoClass: number, clock: Clock, opened: { readonly inode: Inode; readonly facts: FileFacts } | number): Maybe<FileQuery | number> {
  if (typeof opened === "number") return opened;
  const facts = withRoom(open, toldFacts(open, opened.facts, clock));
  const query: FileQuery = { open, facts, deletePending: open.deletePending, volumeId: noVolumeId, eas: noEas, streams: noStreams };
  const more = infoClass === FileInfo.Id || infoClass === FileInfo.Stream || wantsEas(infoClass);
  return more ? withMore(open, infoClass, opened.inode, query) : query;
}

/** With what has to be looked up for the class. */
function withMore(open: Open, infoClass: number, inode: Inode, query: FileQuery): Maybe<FileQuery | number> {
  if (infoClass === FileInfo.Id) return after(open.tree.fs!.root(), (root) => ({ ...query, volumeId: volumeIdOf(open.tree.fs!, root) }));
  if (infoClass === FileInfo.Stream) return after(streamsOf(open, inode), (streams) => (typeof streams === "number" ? streams : { ...query, streams }));
  return after(easOf(open), (eas) => (typeof eas === "number" ? eas : { ...query, eas }));
}

/** All streams of an open's file, its own content first; a directory has none of that. */
function streamsOf(open: Open, owner: Inode): Maybe<readonly StreamFacts[] | number> {
  return after(open.tree.fs!.streams(open.credentials(), open.ownerId), (named) => {
    if (named instanceof FsError) return ntStatusOf(named);
    const streams: StreamFacts[] = [];
    const own = factsOf(owner);
    if (!own.directory) streams.push({ name: "", size: own.endOfFile, allocationBytes: own.allocationBytes });
    for (const { name, inode } of named) {
      if (!isHollow(name, inode, open.tree.appleClient)) streams.push({ name: shownStream(name), size: inode.size, allocationBytes: allocationOf(inode) });
    }
    return streams;
  });
}
