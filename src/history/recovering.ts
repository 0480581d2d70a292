import type { Clock } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import type { BlockStore } from "#model/block-store.ts";
import type { HistoryMark } from "#model/history.ts";
import { placeAfter, readHead, sameToken } from "./chain.ts";
import type { ContentRecord } from "./content-records.ts";
import { encodeSegmentHead, HistoryError, type Manifest, type Owner, type Place, type SegmentHead, segmentKey, tokenBytes } from "./format.ts";
import { noPart } from "./ownership.ts";
import type { Turn } from "./read-change-sets.ts";
import { newestSnapshot, readSegment, segmentsFrom } from "./reading.ts";

/** Where what is read goes. */
export interface RecoveryTarget {
  /** Transactions in order, each once, from the one after the snapshot on. */
  turn(turn: Turn): void;
  /** Content changes in order, each once, that no metadata covered at `oldestNeeded`. The data is good until this returns. */
  record(record: ContentRecord): void;
  /** After each segment. */
  progress(head: SegmentHead): void;
}

export interface Replayed {
  /** The last segment read. */
  readonly last: SegmentHead;
  readonly turn: number;
  readonly sequence: number;
  readonly segments: number;
}

/** Reads a share's history behind a snapshot, to its end as it is by then, and afterwards whatever else comes. */
export class HistoryReader {
  private readonly blocks: BlockStore;
  private readonly manifest: Manifest;
  private readonly target: RecoveryTarget;
  private turn: number;
  /** The last content change that was given, and the last one that the history speaks of. */
  private given = 0;
  private sequence = 0;
  private segments = 0;
  private last: SegmentHead | null = null;
  /** A later owner began anew and made no snapshot yet: what he published can't be made anything of, and the chain of segments is cut. */
  stopped = false;

  constructor(blocks: BlockStore, manifest: Manifest, target: RecoveryTarget) {
    this.blocks = blocks;
    this.manifest = manifest;
    this.target = target;
    this.turn = manifest.turn;
  }

  async read(): Promise<Replayed> {
    const { blocks, manifest } = this;
    const { instance, cut } = manifest;
    const at = await readSegment(blocks, instance, cut);
    if (at === null) throw new HistoryError(`the segment that the share's newest snapshot goes on from is missing: ${segmentKey(instance, cut)}`);
    const from = at.head.from;
    for await (const { head, turns, content } of segmentsFrom(blocks, instance, from)) this.take(head, turns, content);
    const { last } = this;
    if (last === null || last.place.number < cut.number) throw new HistoryError(`the share's history has a gap before its newest snapshot, at ${segmentKey(instance, last === null ? from : placeAfter(last))}`);
    return this.replayed;
  }

  /** Reads what was published since. */
  async readOn(): Promise<Replayed> {
    for (let head = this.replayed.last; ; head = this.replayed.last) {
      const next = await readSegment(this.blocks, this.manifest.instance, placeAfter(head));
      if (next === null) return this.replayed;
      this.take(next.head, next.turns, next.content);
    }
  }

  /**
   * Whether there is a newer snapshot by now, which says more than what was read behind this one. Its owner may have deleted the segments that
   * follow what was read, too: then a place among them is free, and to have taken it says nothing.
   */
  async isOutdated(): Promise<boolean> {
    const newest = await newestSnapshot(this.blocks, this.manifest.instance);
    return newest !== null && newest.cut.number > (this.stopped ? this.manifest : { cut: this.replayed.last.place }).cut.number;
  }

  private take(head: SegmentHead, turns: () => Iterable<Turn>, content: () => Iterable<ContentRecord>): void {
    this.last = head;
    this.segments++;
    if (head.anew && head.place.number > this.manifest.cut.number) this.stopped = true;
    if (this.stopped) return;
    for (const record of content()) {
      // A start tells again what it doesn't know to be published.
      if (record.sequence <= this.given) continue;
      this.given = record.sequence;
      this.target.record(record);
    }
    this.sequence = Math.max(this.sequence, head.lastSequence);
    for (const turn of turns()) {
      if (turn.turn <= this.turn) continue;
      if (turn.turn !== this.turn + 1) throw new HistoryError(`transaction ${this.turn + 1} is missing in the share's history`);
      this.turn = turn.turn;
      this.target.turn(turn);
    }
    this.target.progress(head);
  }

  /** What was read by now. */
  get replayed(): Replayed {
    if (this.last === null) throw new HistoryError("the share's history was not read");
    return { last: this.last, turn: this.turn, sequence: this.sequence, segments: this.segments };
  }
}

export interface TakeParts {
  readonly blocks: BlockStore;
  readonly share: string;
  readonly host: string;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Takes the share for this machine, at the end of what was read: where its former owner still publishes, that is read, too. Gives where the
 * history is gone on with; not at all where the chain was cut: then a snapshot has to begin it again.
 */
export async function takeRecovered({ blocks, share, host, clock, random }: TakeParts, reader: HistoryReader, so: Replayed): Promise<HistoryMark> {
  const owner: Owner = { token: random.bytes(tokenBytes), host, share, since: clock.now() };
  for (let replayed = so; ; replayed = await reader.readOn()) {
    const { last, turn, sequence } = replayed;
    const place: Place = placeAfter(last);
    const { instance, oldestNeeded, from } = last;
    const anew = reader.stopped;
    const head: SegmentHead = { kind: "owner", anew, instance, place, owner, firstTurn: turn + 1, lastTurn: turn, lastSequence: sequence, oldestNeeded, from, confirms: 0, turns: noPart, content: noPart };
    try {
      await blocks.put(segmentKey(instance, place), { from: "slices", slices: [encodeSegmentHead(head)] });
    } catch (error) {
      if ((await readHead(blocks, instance, place)) === null) throw error;
    }
    const found = await readHead(blocks, instance, place);
    if (found === null || !sameToken(found.owner.token, owner.token)) continue;
    return { epoch: place.number, number: place.number, turn, sequence, oldestNeeded, fromEpoch: from.epoch, fromNumber: from.number, continues: !anew, tokens: [owner.token] };
  }
}
