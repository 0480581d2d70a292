import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Random } from "#base/random.ts";
import { Time } from "#base/time.ts";
import { faultyBlocks, PlannedFaults } from "#blocks/fault/index.ts";
import { openMemoryBlocks } from "#blocks/index.ts";
import { type ContentRecord, History, HistoryReader, newestSnapshot, snapshotPieces, takeRecovered, TurnWriter } from "#history/index.ts";
import { type BlockStore, StoreUnavailableError } from "#model/block-store.ts";
import type { HistoryMark, Journal, ShippedContent } from "#model/history.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { temporary } from "../../support/temporary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/**
 * A share's history under a simulated clock, over objects in memory whose store errs, loses answers and goes away; machines are killed at any
 * point, and taken the share from. What is recovered is held against what happened.
 */

export const instance = "0123456789abcdef";
const mtime = new Time(1_700_000_000, 5);

/** What happened, in order: transactions, and content changes. */
export type Happening = { readonly turn: number; readonly stored: number } | { readonly sequence: number; readonly offset: number; readonly data: Uint8Array };

export function random(seeded: SeededRandom): Random {
  return { bytes: (length) => Uint8Array.from({ length }, () => seeded.below(256)) };
}

/** What outlives a process on one machine. */
export class Disk implements Journal {
  rows: { readonly turn: number; readonly bytes: Uint8Array }[] = [];
  turn = 0;
  mark: HistoryMark | null = null;
  /** Content changes up to here are in packs, with their extents in the metadata. */
  stored = 0;
  private listener: (turn: number, bytes: Uint8Array) => void = () => {};
  private readonly writer = new TurnWriter();
  private pending: HistoryMark | null = null;

  after(turn: number, limit: number): Disk["rows"] {
    return this.rows.filter((row) => row.turn > turn).slice(0, limit);
  }
  onTurn(listener: (turn: number, bytes: Uint8Array) => void): void {
    this.listener = listener;
  }
  async durable(): Promise<void> {}
  setMark(mark: HistoryMark): void {
    this.pending = mark;
  }
  async keepMark(): Promise<void> {
    this.write();
  }
  async copyTo(path: string, taken: (turn: number) => void): Promise<number> {
    await Promise.resolve();
    taken(this.turn);
    const text = JSON.stringify({ turn: this.turn, stored: this.stored });
    writeFileSync(path, text);
    return text.length;
  }
  private write(): void {
    if (this.pending === null) return;
    const mark = (this.mark = this.pending);
    this.pending = null;
    this.rows = this.rows.filter((row) => row.turn > mark.turn);
  }

  /** A transaction; it says up to where content is stored. */
  commit(stored: number): number {
    this.stored = stored;
    this.turn++;
    this.writer.begin(this.turn, 100 + this.turn);
    this.writer.add({ conditions: [], changes: [{ do: "freeOrphan", id: this.turn as FileId, extentsMax: stored + 1 }] });
    const bytes = this.writer.end() as Uint8Array;
    this.rows.push({ turn: this.turn, bytes });
    this.write();
    this.listener(this.turn, bytes);
    return this.turn;
  }

  /** What a killed process leaves: nothing of it hears of transactions any more, and a mark that was not written is gone. */
  killed(): void {
    this.listener = () => {};
    this.pending = null;
  }
}

/** A store that one process uses: once that is killed, what is on its way may still be done, and nobody hears of it. */
class Connection {
  killed = false;
  readonly blocks: BlockStore;
  constructor(store: BlockStore) {
    const through = <T>(ask: () => Promise<T>): Promise<T> =>
      this.killed ? new Promise<T>(() => {}) : new Promise<T>((resolve, reject) => void ask().then((value) => this.killed || resolve(value), (error: unknown) => this.killed || reject(error)));
    this.blocks = {
      put: (key, source) => through(() => store.put(key, source)),
      get: (key, offset, length, target) => through(() => store.get(key, offset, length, target)),
      size: (key) => through(() => store.size(key)),
      delete: (keys) => through(() => store.delete(keys)),
      list: (prefix) => store.list(prefix),
      space: () => store.space(),
      close: () => store.close(),
    };
  }
}

export interface Recovered {
  readonly turn: number;
  readonly sequence: number;
  readonly stored: number;
  readonly records: ReadonlyMap<number, Uint8Array>;
  readonly mark: HistoryMark | null;
}

/** Reads the share from its objects; `take`: and takes it. */
export async function recover(blocks: BlockStore, clock: ManualClock, seeded: SeededRandom, take: boolean): Promise<Recovered | null> {
  const manifest = await newestSnapshot(blocks, instance);
  if (manifest === null) return null;
  let text = "";
  for await (const piece of snapshotPieces(blocks, manifest)) text += new TextDecoder().decode(piece);
  let { stored } = JSON.parse(text) as { stored: number };
  const records = new Map<number, Uint8Array>();
  const reader = new HistoryReader(blocks, manifest, {
    turn: ({ sets }) => {
      for (const { changes } of sets) for (const change of changes) if (change.do === "freeOrphan") stored = change.extentsMax - 1;
    },
    record: (record: ContentRecord) => void records.set(record.sequence, record.kind === "write" ? record.data.slice() : new Uint8Array(0)),
    progress: () => {},
  });
  const read = await reader.read();
  const mark = take ? await takeRecovered({ blocks, share: "/taken", host: "other", clock, random: random(seeded) }, reader, read) : null;
  if (await reader.isOutdated()) return await recover(blocks, clock, seeded, take);
  const { turn, sequence } = reader.replayed;
  return { turn, sequence, stored, records, mark };
}

export class World {
  readonly clock = new ManualClock();
  readonly seeded: SeededRandom;
  readonly store = openMemoryBlocks();
  readonly faults: PlannedFaults;
  readonly directory = temporary("history");
  happened: Happening[] = [];
  /** So many happenings were acknowledged as published. */
  acknowledged = 0;
  disk = new Disk();
  sequence = 0;
  history: History | null = null;
  lost: Error | null = null;
  private connection: Connection | null = null;
  private readonly bucket: BlockStore;
  private lives = 0;

  constructor(seed: number) {
    this.seeded = new SeededRandom(seed);
    this.faults = new PlannedFaults({ clock: this.clock, random: random(this.seeded), latencyMsMax: 60, errors: 60, lost: 60 });
    this.bucket = faultyBlocks(this.store, this.faults);
  }

  /** Begins a life of the process on the present disk. Resolves with what `start` said, in time or not. */
  start(): Promise<boolean> {
    const { clock, disk } = this;
    const connection = new Connection(this.bucket);
    this.connection = connection;
    this.lost = null;
    const history: History = new History({
      blocks: connection.blocks, unwrapped: connection.blocks, journal: disk, instance, share: "/share", host: `host-${++this.lives}`, lagMs: 200, unshippedBytesMax: 2 ** 30,
      snapshotPath: join(this.directory, `snapshot-${this.lives}`), snapshotBytesMin: 2000, snapshotPauseMs: 0, clock, random: random(this.seeded), logger: silentLogger,
      lost: (error) => {
        if (this.history === history) this.lost = error;
      },
    });
    this.history = history;
    // Replay of the log: what is not stored, and of that what is not known to be published.
    for (const one of this.happened) if ("sequence" in one && one.sequence > disk.stored && one.sequence > history.markedSequence) this.tell(history, one);
    const content: ShippedContent = {
      reached: this.sequence,
      oldestNeeded: () => Math.min(disk.stored, this.sequence) + 1,
      logged: () => undefined,
      safe: () => Promise.resolve(),
      hold: () => ({ store: () => Promise.resolve(true), release: () => {} }),
      shipped: () => {},
    };
    return history.start(content, 1000);
  }

  private tell(history: History, { sequence, offset, data }: { readonly sequence: number; readonly offset: number; readonly data: Uint8Array }): void {
    if (data.length > 0) history.wrote(5 as FileId, sequence, offset, [data], data.length, data.length, mtime);
    else if (sequence % 4 === 0) history.truncated(5 as FileId, sequence, 0, mtime);
    else if (sequence % 4 === 1) history.cloned(5 as FileId, sequence, 0, [{ length: 10, pack: 77 as PackId, packOffset: 0 }], 10, mtime);
    else if (sequence % 4 === 2) history.punched(5 as FileId, sequence, 0, 10, 10, mtime);
    else history.pointed(5 as FileId, sequence, 0, 10, 10, mtime, 77 as PackId, 0, 1);
  }

  write(): void {
    const sequence = ++this.sequence;
    const { seeded } = this;
    // Some of them are to the same few places, again and again.
    const length = seeded.chance(0.3) ? 0 : seeded.chance(0.5) ? seeded.between(1, 400) : seeded.pick([600, 700]);
    const one = { sequence, offset: seeded.pick([0, 1024]), data: random(seeded).bytes(length) };
    this.happened.push(one);
    if (this.history !== null) this.tell(this.history, one);
  }

  commit(): void {
    const stored = this.seeded.chance(0.3) ? this.seeded.between(this.disk.stored, this.sequence) : this.disk.stored;
    this.happened.push({ turn: this.disk.turn + 1, stored });
    this.disk.commit(stored);
  }

  /** Somebody waits until all so far is published. */
  acknowledge(): void {
    const { history } = this;
    const count = this.happened.length;
    void Promise.resolve(history?.published(10_000)).then((outcome) => {
      if (outcome === null && this.history === history) this.acknowledged = Math.max(this.acknowledged, count);
    });
  }

  kill(): void {
    if (this.connection !== null) this.connection.killed = true;
    void this.history?.close();
    this.history = null;
    this.disk.killed();
  }

  /** The share lies on another machine's disk now, as it was recovered. */
  moveTo({ turn, sequence, stored, mark }: Recovered): void {
    this.disk = new Disk();
    this.disk.turn = turn;
    this.disk.stored = stored;
    this.disk.mark = mark;
    // A log goes on far above what there was.
    this.sequence = Math.max(sequence, stored) + 1000;
  }

  setOutage(on: boolean): void {
    this.faults.down = on ? new StoreUnavailableError("the bucket is away") : null;
  }

  /** Throws unless what is recovered is what happened up to one moment, no earlier than what was acknowledged. Gives that moment. */
  judge(recovered: Recovered | null, acknowledged = this.acknowledged): number {
    if (recovered === null) {
      if (acknowledged > 0) throw new Error(`nothing can be recovered, though ${acknowledged} happenings were acknowledged`);
      return 0;
    }
    const { turn, sequence, stored, records } = recovered;
    let moment = 0;
    let turns = 0;
    let sequences = 0;
    for (const [i, one] of this.happened.entries()) {
      if ("turn" in one ? one.turn <= turn : one.sequence <= sequence) moment = i + 1;
    }
    for (const one of this.happened.slice(0, moment)) {
      if ("turn" in one) turns = one.turn;
      else sequences = one.sequence;
    }
    if (turns !== turn) throw new Error(`transactions end at ${turn}, where content goes on to ${sequence}, by when there were ${turns}`);
    if (sequences > sequence && sequences > stored) throw new Error(`content ends at ${sequence}, where transactions go on to ${turn}, by when there was ${sequences}`);
    if (moment < acknowledged) throw new Error(`recovered ${moment} happenings of ${acknowledged} that were acknowledged`);
    // From the last back, with what was written later.
    const replaced = new Set<string>();
    for (const one of this.happened.slice(0, moment).reverse()) {
      if ("turn" in one || one.sequence <= stored) continue;
      const found = records.get(one.sequence);
      if (found === undefined) throw new Error(`content change ${one.sequence} is missing, of which ${stored} and before are stored`);
      const place = `${one.offset} ${one.data.length}`;
      const isAbsorbed = found.length === 0 && replaced.has(place);
      if (!isAbsorbed && Buffer.compare(found, one.data) !== 0) throw new Error(`content change ${one.sequence} has other bytes`);
      replaced.add(place);
    }
    return moment;
  }

}
