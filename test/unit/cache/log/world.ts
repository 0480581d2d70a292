import fs from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/clock.ts";
import { Time } from "#base/time.ts";
import { openLog, systemFiles, type FileOps, type LogOptions, type LogRecord, type LostRecord, type Recovered, type WriteAheadLog } from "#cache/log/index.ts";
import type { FileId, PackId } from "#model/ids.ts";
import { silentLogger } from "#telemetry/logger.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { temporary } from "../../../support/temporary.ts";

export const instance = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
export const segmentBytes = 32768;
export const file = 42 as FileId;

/** A clock whose turns of the event loop end when a test says so. */
export class TurnClock extends ManualClock {
  #ends: (() => void)[] = [];
  override atTurnEnd(run: () => void): void {
    this.#ends.push(run);
  }
  /** Ends the turn: runs what waited for it, and what that asked for. */
  endTurn(): void {
    const ends = this.#ends;
    this.#ends = [];
    for (const run of ends) run();
  }
}

/** Lets the event loop go round often enough for what is ready to run. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function temporaryDirectory(): string {
  return temporary("log");
}

export interface Opened {
  readonly log: WriteAheadLog;
  readonly recovered: Recovered;
  readonly records: LogRecord[];
  /** Those that were damaged. */
  readonly lost: LostRecord[];
  readonly failures: Error[];
}

/** Opens a log, keeping copies of what it replays. */
export async function open(directory: string, more: Partial<LogOptions> = {}): Promise<Opened> {
  const records: LogRecord[] = [];
  const lost: LostRecord[] = [];
  const failures: Error[] = [];
  const { log, recovered } = await openLog(
    {
      directory,
      instance,
      segmentBytes,
      stagingBytes: 8192,
      clock: systemClock,
      logger: silentLogger,
      fatal: (error) => failures.push(error),
      ...more,
    },
    (record) => void (record.kind === "lost" ? lost.push(record) : records.push(record.kind === "write" ? { ...record, data: record.data.slice() } : record)),
  );
  return { log, recovered, records, lost, failures };
}

/** Payload that says which record it belongs to. */
export function payloadOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (seed * 73 + i * 7 + (i >>> 8)) & 0xff;
  return bytes;
}

/** Appends a record that is a function of `seed`, and gives it as replay should. */
export function appendSome(log: WriteAheadLog, seed: number): LogRecord {
  const mtime = new Time(seed % 3 === 0 ? -seed : 2 ** 33 + seed, seed % 1_000_000_000);
  let record: LogRecord;
  let sequence;
  if (seed % 5 === 1) {
    const fields = { file, offset: 2 ** 40 + seed, length: 131072, newSize: 2 ** 52 + seed, mtime };
    sequence = log.appendPointer(file, fields.offset, fields.length, fields.newSize, mtime, (seed + 7) as PackId, seed * 4096, (seed * 2654435761) >>> 0);
    record = { kind: "pointer", ...fields, sequence: 0, pack: (seed + 7) as PackId, packOffset: seed * 4096, payloadCrc: (seed * 2654435761) >>> 0 };
  } else if (seed % 7 === 2) {
    sequence = log.appendTruncate(file, 2 ** 45 + seed, mtime);
    record = { kind: "truncate", file, sequence: 0, newSize: 2 ** 45 + seed, mtime };
  } else if (seed > 20 && seed % 7 === 4) {
    const runs = Array.from({ length: seed % 6 }, (_, i) => ({ length: 2 ** 33 + i, pack: (i % 2 === 0 ? seed + i : 0) as PackId, packOffset: i * 512 }));
    sequence = log.appendClone(file, seed * 4096, runs, 2 ** 46 + seed, mtime);
    record = { kind: "clone", file, sequence: 0, offset: seed * 4096, newSize: 2 ** 46 + seed, mtime, runs };
  } else if (seed > 20 && seed % 7 === 5) {
    sequence = log.appendPunch(file, seed * 4096, 2 ** 41 + seed, 2 ** 47 + seed, mtime);
    record = { kind: "punch", file, sequence: 0, offset: seed * 4096, length: 2 ** 41 + seed, newSize: 2 ** 47 + seed, mtime };
  } else {
    const length = seed % 11 === 3 ? 10_000 + (seed % 97) : (seed * 37) % 900;
    const data = payloadOf(seed, length);
    const cut = length >> 1;
    sequence = log.appendWrite(file, seed * 4096, [data.subarray(0, cut), data.subarray(cut)], length, seed * 4096 + length, mtime);
    record = { kind: "write", file, sequence: 0, offset: seed * 4096, length, newSize: seed * 4096 + length, mtime, data };
  }
  if (typeof sequence !== "number") throw new Error(`append gave ${sequence.code}`);
  return { ...record, sequence };
}

/** Every file below `directory` with its bytes. */
export function snapshot(directory: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of fs.readdirSync(directory)) files.set(name, new Uint8Array(fs.readFileSync(join(directory, name))));
  return files;
}

/** A new directory with these files. */
export function restore(files: ReadonlyMap<string, Uint8Array>): string {
  const directory = temporaryDirectory();
  for (const [name, bytes] of files) fs.writeFileSync(join(directory, name), bytes);
  return directory;
}

/** Names of segment files, oldest first. */
export function segmentNames(directory: string): string[] {
  return fs
    .readdirSync(directory)
    .filter((name) => /^[0-9a-f]{16}\.log$/.test(name))
    .sort();
}

/** Files whose syncs end at once: for tests of what is read, where nothing is lost that was written. */
export const unsynced: FileOps = {
  ...systemFiles,
  fdatasync: (_fd, done) => queueMicrotask(() => done(null)),
  fsync: (_fd, done) => queueMicrotask(() => done(null)),
};
