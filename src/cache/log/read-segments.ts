import type { Maybe } from "#base/brand.ts";
import fs from "node:fs";
import { type FoundHeader, recordHeaderBytes, recordSeed, recordsStart } from "./format.ts";
import type { LogDamage, LogRecord, LostRecord, Recovered } from "./index.ts";
import { Scanner, type Source, type Torn } from "./scan.ts";
import { Segment } from "./segments.ts";
import { UnreadableFile } from "./window.ts";

/** A segment file as it was found. */
export interface Found {
  readonly generation: number;
  readonly path: string;
  readonly fd: number;
  readonly fileBytes: number;
  /** Null where there is no whole one. */
  readonly header: FoundHeader | null;
}

/** What the files say. */
export interface Reading {
  readonly live: Segment[];
  readonly dead: Segment[];
  readonly recovered: Recovered;
  /** The last record, and the last sequence that may have been used. */
  readonly lastRecord: number;
  readonly sequence: number;
}

/** Follows the run of segments from its start, each header naming the one before, and gives their records. */
export async function readSegments(instance: Uint8Array, found: readonly Found[], replay: (record: LogRecord | LostRecord) => Maybe<void>): Promise<Reading> {
  try {
    return await new Walk(instance, found, replay).run();
  } catch (error) {
    const file = error instanceof UnreadableFile ? found.find(({ fd }) => fd === error.fd) : undefined;
    throw file === undefined ? error : new Error(unreadable(file.path, (error as UnreadableFile).cause as Error));
  }
}

/** An error may pass, and what can't be read may have been acknowledged: whoever runs the server has to say that it is lost. */
function unreadable(path: string, { message }: Error): string {
  return (
    `the log segment ${path} can't be read (${message}), and it may hold what was acknowledged and not stored yet. Start again when the disk can be read; if it can't, ` +
    "copy the file with a program that puts zeros where it can't read (ddrescue), put the copy in its place, and start again: what is missing then is found and told"
  );
}

/** Where the walk stands in a segment. */
interface Place {
  readonly index: number;
  readonly source: Source;
  readonly segment: Segment;
  /** The segment that follows; -1: none. */
  readonly successor: number;
  /** The last record that counts of this segment. */
  readonly cap: number;
  at: number;
  expected: number;
}

class Walk {
  private readonly instance: Uint8Array;
  private readonly found: readonly Found[];
  private readonly replay: (record: LogRecord | LostRecord) => Maybe<void>;
  private readonly scanner = new Scanner();
  private readonly live: Segment[] = [];
  private readonly dead: Segment[] = [];
  private records = 0;
  private bytes = 0;
  private tornBytes = 0;
  private tornWhole = 0;
  private firstSequence = 0;
  /** The last record found. */
  private last = 0;
  /** The last number that segments say was used or skipped before them. */
  private before = 0;
  /** The last record that is known to have been synced; -1: not looked for yet. */
  private proven = -1;
  private lost = 0;
  private unknown = 0;
  private mended = 0;
  private firstDamaged = 0;

  constructor(instance: Uint8Array, found: readonly Found[], replay: (record: LogRecord | LostRecord) => Maybe<void>) {
    this.instance = instance;
    this.found = found;
    this.replay = replay;
  }

  async run(): Promise<Reading> {
    const { found, live, dead } = this;
    const start = startOf(found);
    for (let i = 0; i < start; i++) dead.push(segmentOf(found[i]!, 0));
    this.last = found[start]?.header!.previousLast ?? 0;
    for (let i = start; i >= 0 && i < found.length; ) i = await this.segment(i);
    let sequence = this.last;
    for (const { header } of found) if (header !== null) sequence = Math.max(sequence, header.firstSequence - 1);
    const damage = this.damage();
    // An empty segment at the end holds nothing but its header's word on used sequences, which the next header repeats.
    while (live.length > 0 && live[live.length - 1]!.end === recordsStart) dead.push(live.pop()!);
    const { records, bytes, tornBytes, tornWhole, firstSequence, last } = this;
    const reached = start < found.length ? Math.max(last, this.before) : Number.POSITIVE_INFINITY;
    return { live, dead, lastRecord: last, sequence, recovered: { records, bytes, tornBytes, tornWhole, firstSequence, lastSequence: records > 0 ? last : 0, reached, damage } };
  }

  private damage(): LogDamage | null {
    const { lost, unknown, mended, firstDamaged: firstSequence } = this;
    if (firstSequence === 0) return null;
    const segments = [...this.live, ...this.dead].filter((segment) => segment.damaged).map((segment) => segment.path);
    return { lost, unknown, mended, firstSequence, segments };
  }

  /** Gives the records of a segment, and says which one the log goes on in; -1: none. */
  private async segment(index: number): Promise<number> {
    const file = this.found[index]!;
    const successor = successorOf(this.found, index);
    const cap = successor < 0 ? Number.MAX_SAFE_INTEGER : this.found[successor]!.header!.previousLast;
    const segment = segmentOf(file, this.last);
    const place: Place = { index, source: this.sourceOf(file), segment, successor, cap, at: recordsStart, expected: file.header!.firstSequence };
    this.live.push(segment);
    this.before = file.header!.firstSequence - 1;
    let next: number | null = null;
    while (next === null) {
      const scanned = await this.scanner.scan(place.source, place.at, place.expected, cap, this.last, this.replay);
      if (scanned.records > 0 && this.firstSequence === 0) this.firstSequence = place.expected;
      this.last = scanned.last;
      this.records += scanned.records;
      place.expected += scanned.records;
      place.at = scanned.end;
      if (successor >= 0 && this.last === cap) next = successor;
      else next = (await this.pass(place)) ? null : this.follower(place);
    }
    segment.lastSequence = this.last;
    segment.end = segment.damaged ? Math.max(place.at, recordsStart + recordHeaderBytes) : place.at;
    this.bytes += place.at - recordsStart;
    if (next < 0) this.drop(place);
    for (let i = index + 1; i < (next < 0 ? this.found.length : next); i++) this.leave(this.found[i]!, next !== successor);
    return next;
  }

  /** Goes past what is no whole record, where that is known to have been one that was synced. False: nothing behind it in this segment counts. */
  private async pass(place: Place): Promise<boolean> {
    const { source, segment, expected, cap } = place;
    if (expected > cap) return false;
    if (this.proven < 0) this.proven = this.provenFrom(place);
    if (expected > this.proven) return false;
    segment.damaged = true;
    if (this.firstDamaged === 0) this.firstDamaged = expected;
    const damaged = this.scanner.damaged(source, place.at, expected);
    if (damaged !== null) {
      if (damaged.record.kind === "lost") this.lost++;
      else {
        this.mended++;
        this.records++;
      }
      await this.replay(damaged.record);
      this.last = expected;
      place.expected++;
      place.at = damaged.end;
      return true;
    }
    const to = this.scanner.following(source, place.at, expected - 1);
    const sequence = to < 0 ? Number.MAX_SAFE_INTEGER : this.scanner.head(source, to)!.sequence;
    // Between the last one that was synced and the next whole one something may be missing that was not: order must hold.
    if (sequence > cap || sequence - 1 > this.proven) return false;
    this.missed(expected, sequence - 1);
    place.expected = sequence;
    place.at = to;
    return true;
  }

  /** The segment the log goes on in behind a place where nothing more counts of this one, though all up to there was synced; -1: it ends. */
  private follower(place: Place): number {
    const { index, successor, expected, cap } = place;
    if (expected > Math.min(this.proven, cap)) return -1;
    const next = successor < 0 ? linkedBehind(this.found, index) : successor;
    const previousLast = next < 0 ? Number.MAX_SAFE_INTEGER : this.found[next]!.header!.previousLast;
    this.missed(expected, Math.min(previousLast, this.proven));
    place.expected = this.last + 1;
    return previousLast <= this.proven ? next : -1;
  }

  private missed(first: number, last: number): void {
    if (last < first) return;
    this.unknown += last - first + 1;
    this.last = last;
  }

  /** The last record that headers and records behind a place prove to have been synced. */
  private provenFrom({ index, source, at, expected }: Place): number {
    const { found, scanner } = this;
    let proven = scanner.syncedBefore(source, at, expected - 1);
    for (let i = nextOf(found, index); i >= 0; i = nextOf(found, i)) {
      const { firstSequence, previousLast } = found[i]!.header!;
      // A start syncs the log it found before it begins a segment, whose numbers do not follow on those before.
      if (firstSequence > previousLast + 1) proven = Math.max(proven, previousLast);
      proven = Math.max(proven, scanner.syncedBefore(this.sourceOf(found[i]!), recordsStart, firstSequence - 1));
    }
    return proven;
  }

  /** Counts what of a segment and of those behind it is no part of the log. */
  private drop({ index, source, at, expected, successor }: Place): void {
    this.count(this.scanner.torn(source, at, expected));
    for (let i = index + 1; i < this.found.length; i++) {
      const file = this.found[i]!;
      if (i >= successor && file.header !== null) this.count(this.scanner.torn(this.sourceOf(file), recordsStart, file.header.firstSequence));
    }
  }

  private count({ bytes, whole }: Torn): void {
    this.tornBytes += bytes;
    this.tornWhole += whole;
  }

  /** A file that is no part of the log, or, `missed`, should be one. */
  private leave(file: Found, missed: boolean): void {
    const segment = segmentOf(file, this.last);
    segment.damaged = missed && file.header === null && this.firstDamaged > 0;
    this.dead.push(segment);
  }

  private sourceOf({ fd, fileBytes, generation, header }: Found): Source {
    return { fd, fileBytes, seed: recordSeed(this.instance, generation, header!.salt), version: header!.version };
  }
}

/** The newest segment that names none before it, else the oldest with a header; the number of files without one. */
function startOf(found: readonly Found[]): number {
  for (let i = found.length - 1; i >= 0; i--) if (found[i]!.header?.previousGeneration === 0) return i;
  let start = 0;
  while (start < found.length && found[start]!.header === null) refuseDamaged(found[start++]!);
  return start;
}

/** The segment begun last behind `at`, among those whose header names it; -1 without one. */
function successorOf(found: readonly Found[], at: number): number {
  for (let i = found.length - 1; i > at; i--) {
    if (found[i]!.header?.previousGeneration === found[at]!.generation) return i;
  }
  return -1;
}

/** The first segment behind `at` whose header names one that lay between the two and is not there, or not whole; -1 without one. */
function linkedBehind(found: readonly Found[], at: number): number {
  for (let i = at + 1; i < found.length; i++) {
    if ((found[i]!.header?.previousGeneration ?? 0) > found[at]!.generation) return i;
  }
  return -1;
}

function nextOf(found: readonly Found[], at: number): number {
  const successor = successorOf(found, at);
  return successor < 0 ? linkedBehind(found, at) : successor;
}

/** The oldest segment's header was durable before its first record: where it is damaged but records follow, something broke it. */
function refuseDamaged(file: Found): void {
  const bytes = new Uint8Array(recordHeaderBytes);
  fs.readSync(file.fd, bytes, 0, recordHeaderBytes, recordsStart);
  if (bytes.some((byte) => byte !== 0))
    throw new Error(`the header of log segment ${file.path} is damaged; its records can't be read. Move the file away to go on without them`);
}

function segmentOf(file: Found, last: number): Segment {
  const segment = new Segment(file.generation, file.path, file.fd, file.header?.firstSequence ?? 0, file.fileBytes, 0, last);
  segment.dirty = false;
  segment.headerDurable = true;
  return segment;
}
