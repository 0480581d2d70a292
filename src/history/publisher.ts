import type { Timer } from "#base/clock.ts";
import type { PackedFile } from "#model/history.ts";
import type { FileId } from "#model/ids.ts";
import type { Links } from "#telemetry/tracing/index.ts";
import { ContentRecords } from "./content-records.ts";
import { encodeSegmentHead, type Owner, type Place, type SegmentHead } from "./format.ts";
import { insist } from "./insist.ts";
import { Pace } from "./pace.ts";
import type { PublisherParts } from "./publisher-parts.ts";
import { crcOf, putSegment, type Segment } from "./segment.ts";
import { follow, published } from "./followed.ts";

/** Segments on their way at once; they count in order. */
const underWayMax = 4;
/** Memory for what is gathered is let go of when nothing was for so long. */
const restMs = 10_000;

/** What recovery of a cut needs to read: segments with the last content change in each. */
interface Needed {
  readonly place: Place;
  readonly lastSequence: number;
}

/**
 * Puts what happened into numbered segments of the bucket. A cut takes everything gathered at one moment, names and content alike; several
 * segments are on their way at once, and count as published strictly in order. The store refuses a number that exists: then either the
 * answer to our own request was lost, or somebody else has the share, and everything ends.
 */
export class Publisher {
  readonly records = new ContentRecords();
  private readonly parts: PublisherParts;
  private turns: Uint8Array[] = [];
  private turnBytes = 0;
  private firstTurn = 0;
  private lastTurn = 0;
  private gatheredSinceMs = 0;
  private queue: Segment[] = [];
  private queueBytes = 0;
  private underWay = 0;
  private owner: Owner | null = null;
  private next: Place = { epoch: 0, number: 1 };
  private lastSequence = 0;
  private needed: Needed[] = [];
  private lagTimer: Timer | null = null;
  private cutting = false;
  /** A cut is wanted as soon as a segment can be on its way. */
  private due = false;
  /** What the next cut confirms; 0: nothing. */
  private confirms = 0;
  private readonly pace: Pace;
  private restTimer: Timer | null = null;
  private ended = false;
  /** Requests whose changes are gathered, as far as they are followed. */
  followed: Links | null = null;
  lastPublished: SegmentHead | null = null;
  /** Cuts made, and those of them that are published. */
  cuts = 0;
  publishedCuts = 0;
  /** Of segments. */
  publishedBytes = 0;

  constructor(parts: PublisherParts) {
    this.parts = parts;
    this.pace = new Pace(parts);
  }

  /** Bytes gathered and on their way. */
  get bytes(): number {
    return this.gatheredBytes + this.queueBytes;
  }

  get hasGathered(): boolean {
    return this.turns.length > 0 || !this.records.isEmpty;
  }

  /** Segments that are not published, one being gathered included. */
  get segments(): number {
    return this.queue.length + (this.hasGathered ? 1 : 0);
  }

  /** Since when the oldest change that is not published waits, monotonic ms; null: none does. */
  get waitingSinceMs(): number | null {
    const first = this.queue[0];
    if (first !== undefined) return first.sinceMs;
    return this.hasGathered ? this.gatheredSinceMs : null;
  }

  /** In which what is published stands: it rises whenever a server takes the share. */
  get epoch(): number {
    return this.next.epoch;
  }

  get isOwner(): boolean {
    return this.owner !== null && !this.ended;
  }

  /** Nothing is on its way, and the place of the next segment. */
  get idleAt(): Place | null {
    return this.isOwner && this.queue.length === 0 ? this.next : null;
  }

  /** The share is ours from here on; what is gathered begins to go. */
  begin({ owner, next, turn, sequence, from }: { readonly owner: Owner; readonly next: Place; readonly turn: number; readonly sequence: number; readonly from: Place }): void {
    this.owner = owner;
    if (this.turns.length === 0) this.lastTurn = turn;
    this.next = next;
    this.lastSequence = Math.max(this.lastSequence, sequence);
    this.needed = [{ place: from, lastSequence: sequence }];
    if (this.hasGathered) this.watchLag();
  }

  /** A transaction that was committed. */
  turn(turn: number, bytes: Uint8Array): void {
    if (this.ended) return;
    this.began();
    if (this.turns.length === 0) this.firstTurn = turn;
    this.lastTurn = turn;
    this.turns.push(bytes);
    this.turnBytes += bytes.length;
    this.added();
  }

  /** Before a content change is put into `records`. */
  began(): void {
    follow(this);
    if (!this.hasGathered) this.gatheredSinceMs = this.parts.clock.monotonicMs();
  }

  /** After it was. */
  added(): void {
    const bytes = this.gatheredBytes;
    if (!this.pace.isLittle(bytes) && this.isOwner && this.pace.isFull(bytes)) this.cutFull();
    else if (this.lagTimer === null) this.watchLag();
  }

  /** Whether bytes of writes that packs have are left to them: nobody waits for a segment, which then waits for the packs. */
  get leavesToPacks(): boolean {
    return this.isOwner && !this.pace.isHurried;
  }

  /** A flush has put dirty bytes into packs. Says whether segments need them to stay; half-way to the next cut it comes now, when least is left to be sent. */
  packed(files: ReadonlyMap<FileId, PackedFile>): boolean {
    const before = this.gatheredBytes;
    if (!this.leavesToPacks || !this.pace.isMuch(before) || !this.records.packed(files)) return false;
    const waitedMs = this.parts.clock.monotonicMs() - this.gatheredSinceMs;
    if (waitedMs >= this.parts.lagMs / 2 && this.gatheredBytes < before / 2 && this.underWay < underWayMax) this.cut();
    return true;
  }

  private get gatheredBytes(): number {
    return this.turnBytes + this.records.bytes;
  }

  /** So much is gathered that it should go: unless enough of it was stored or written over meanwhile. */
  private cutFull(): void {
    if (!this.pace.isHurried) {
      this.records.forget(this.parts.oldestNeeded());
      this.records.compact();
      if (this.pace.isSpared(this.gatheredBytes)) return;
    }
    this.cut();
  }

  /** Somebody waits for what is gathered: it goes as soon as it can, with everything of this turn of the event loop. */
  hurry(): void {
    this.pace.hurry();
    if (this.underWay >= underWayMax) this.due = true;
    else this.cutSoon();
  }

  /** Has a snapshot confirmed (see SegmentHead): by the next cut that comes anyway where that will do, else by one made now. Gives its serial; null: none will come. */
  confirm(number: number, later: boolean): number | null {
    this.confirms = number;
    if (later && this.isOwner && this.lagTimer !== null && this.hasGathered) return this.cuts + 1;
    return this.cut()?.serial ?? null;
  }

  /** Takes everything gathered into a segment, also where there is nothing; null where that can't be. */
  cut(): { readonly serial: number; readonly head: SegmentHead } | null {
    const { owner, parts } = this;
    if (owner === null || this.ended) return null;
    this.due = false;
    this.lagTimer?.cancel();
    this.lagTimer = null;
    const oldestNeeded = parts.oldestNeeded();
    // Whoever reads this segment reads the transactions that say where all before it is stored: they are in it, or came before.
    const content = this.records.take(oldestNeeded);
    this.lastSequence = Math.max(this.lastSequence, content.last);
    const { turns } = this;
    const sinceMs = this.gatheredSinceMs;
    const place = this.next;
    this.next = { epoch: place.epoch, number: place.number + 1 };
    this.needed.push({ place, lastSequence: this.lastSequence });
    while (this.needed.length > 1 && (this.needed[0] as Needed).lastSequence < oldestNeeded) this.needed.shift();
    const head: SegmentHead = {
      kind: "changes", anew: false, instance: parts.instance, place, owner,
      firstTurn: turns.length === 0 ? this.lastTurn + 1 : this.firstTurn, lastTurn: this.lastTurn, lastSequence: this.lastSequence, oldestNeeded,
      from: (this.needed[0] as Needed).place,
      confirms: this.confirms,
      turns: { bytes: this.turnBytes, crc: crcOf(turns) },
      content: { bytes: content.bytes, crc: crcOf(content.slices) },
    };
    this.confirms = 0;
    const encoded = encodeSegmentHead(head);
    const bytes = encoded.length + this.turnBytes + content.bytes;
    this.turns = [];
    this.turnBytes = 0;
    const segment: Segment = { serial: ++this.cuts, head, slices: [encoded, ...turns, ...content.slices], memory: content.memory, bytes, sinceMs, packs: parts.hold(content.packs), followed: this.followed, begun: false, done: false };
    this.followed = null;
    this.queue.push(segment);
    this.queueBytes += bytes;
    this.pump();
    return segment;
  }

  /** Nothing is published any more. What is on its way may still arrive. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.lagTimer?.cancel();
    this.restTimer?.cancel();
    for (const segment of this.queue) segment.packs.release();
    this.queue = [];
    this.turns = [];
    this.turnBytes = this.queueBytes = 0;
    this.records.take();
  }

  private watchLag(): void {
    this.lagTimer ??= this.parts.clock.after(this.parts.lagMs, () => {
      this.lagTimer = null;
      if (!this.hasGathered) return;
      if (!this.isOwner || this.underWay >= underWayMax) this.due = true;
      else this.cut();
    });
  }

  private restSoon(): void {
    this.restTimer ??= this.parts.clock.after(restMs, () => {
      this.restTimer = null;
      if (this.segments === 0) this.records.rest();
    });
  }

  private cutSoon(): void {
    if (this.cutting) return;
    this.cutting = true;
    this.parts.clock.atTurnEnd(() => {
      this.cutting = false;
      if (this.hasGathered) this.cut();
    });
  }

  private pump(): void {
    for (const segment of this.queue) {
      if (this.underWay >= underWayMax) return;
      if (segment.begun) continue;
      segment.begun = true;
      this.underWay++;
      void published(segment, () => this.send(segment));
    }
    if (this.due && this.underWay < underWayMax) this.cutSoon();
  }

  private async send(segment: Segment): Promise<void> {
    await insist(this.parts, () => this.ended, async () => {
      await this.parts.safeHere();
      return await segment.packs.store();
    });
    segment.packs.release();
    await insist(this.parts, () => this.ended, () => this.put(segment));
    this.underWay--;
    if (this.ended) return;
    this.records.giveBack(segment.memory);
    this.restSoon();
    segment.done = true;
    this.advance();
    this.pump();
  }

  private advance(): void {
    for (let first = this.queue[0]; first?.done === true; first = this.queue[0]) {
      this.queue.shift();
      this.queueBytes -= first.bytes;
      this.publishedCuts = first.serial;
      this.publishedBytes += first.bytes;
      this.lastPublished = first.head;
      this.parts.published(first.head, first.bytes);
    }
  }

  private async put(segment: Segment): Promise<boolean> {
    const taken = await putSegment(this.parts.blocks, this.parts.instance, segment);
    if (taken === null) return true;
    this.end();
    this.parts.lost(taken);
    return false;
  }
}
