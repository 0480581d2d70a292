import type { FileId, PackId } from "#model/ids.ts";
import type { Below, Piece } from "./below.ts";
import type { FileState } from "./file-state.ts";
import type { PackTable } from "./pack-table.ts";

/**
 * How far ahead of a sequential reader its store is asked. One step less is always on its way to a reader that waits: at least
 * 32 MiB, as much as keeps some connections to a store of 20 ms latency busy.
 */
export const windowBytesMax = 64 * 2 ** 20;
/** What is asked for at a time: the window moves by this, or by half of it while it is small. */
export const stepBytes = 8 * 2 ** 20;
/** Reads may come out of order by so much and still be sequential. */
const slackBytes = 2 * 2 ** 20;
/** So much has been read in order before anything is read ahead. */
const runBytesMin = 192 * 1024;
/** The window is so many times what was read in order. */
const windowPerRun = 4;
const streamsMax = 256;

interface Stream {
  /** End of the furthest read. */
  position: number;
  /** Bytes read in order: those of a first read count at the beginning of a file alone, as anywhere else it may be the only one. */
  run: number;
  /** Everything up to here was asked for. */
  ahead: number;
  asking: boolean;
}

/** Notices files that are read in order, and has their packs fetched before they are asked for. */
export class ReadAhead {
  /** The one used longest ago first. */
  private readonly streams = new Map<FileId, Stream>();
  private readonly packs: PackTable;
  private readonly below: Below;

  constructor(packs: PackTable, below: Below) {
    this.packs = packs;
    this.below = below;
  }

  /** Bytes `start`..`end` of the file are read, and are not in memory. */
  note(file: FileState, start: number, end: number): void {
    const stream = this.streamOf(file.id, start, end);
    if (stream.run < runBytesMin || stream.asking) return;
    const window = Math.min(windowBytesMax, stream.run * windowPerRun);
    const until = Math.min(file.size, stream.position + window);
    const from = Math.max(stream.ahead, stream.position);
    // Small steps would cost a request each.
    const least = window < windowBytesMax / 2 ? stepBytes / 2 : stepBytes;
    if (until <= from || (until - from < least && until < file.size)) return;
    stream.asking = true;
    void this.ask(file, stream, from, until).finally(() => (stream.asking = false));
  }

  private streamOf(id: FileId, start: number, end: number): Stream {
    let stream = this.streams.get(id);
    if (stream !== undefined) this.streams.delete(id);
    if (stream === undefined || start > stream.position + slackBytes || end < stream.position - slackBytes) stream = { position: end, run: start === 0 ? end : 0, ahead: 0, asking: false };
    else if (end > stream.position) {
      stream.run += end - Math.max(start, stream.position);
      stream.position = end;
    }
    this.streams.set(id, stream);
    if (this.streams.size > streamsMax) for (const oldest of this.streams.keys()) return this.dropped(oldest, stream);
    return stream;
  }

  private dropped(oldest: FileId, stream: Stream): Stream {
    this.streams.delete(oldest);
    return stream;
  }

  /** Asks step by step, as far as there is room for what comes. A failure is that of the read that will want the bytes. */
  private async ask(file: FileState, stream: Stream, from: number, until: number): Promise<void> {
    try {
      for (let at = from; at < until; at += stepBytes) {
        const stop = Math.min(at + stepBytes, until);
        const found = this.below.pieces(file, at, stop);
        for (const { pack, packOffset, start, end } of joined(found instanceof Promise ? await found : found)) {
          if (!(await this.packs.prefetch(pack as PackId, packOffset, end - start))) return;
        }
        stream.ahead = stop;
      }
    } catch {
      // Whoever reads those bytes is told.
    }
  }
}

/** What lies in packs, with neighbours in a pack joined: writes reach a pack in another order than they have in the file. */
function joined(pieces: readonly Piece[]): Piece[] {
  const sorted = pieces.filter(({ pack }) => pack !== 0).sort((a, b) => a.pack - b.pack || a.packOffset - b.packOffset);
  const out: Piece[] = [];
  for (const piece of sorted) {
    const last = out[out.length - 1];
    if (last !== undefined && last.pack === piece.pack && last.packOffset + (last.end - last.start) === piece.packOffset) out[out.length - 1] = { ...last, end: last.end + (piece.end - piece.start) };
    else out.push(piece);
  }
  return out;
}
