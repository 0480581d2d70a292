import type { Maybe } from "#base/brand.ts";
import fs from "node:fs";
import { assert } from "#base/assert.ts";
import { fdatasyncOf, makeDirectory, systemFiles, unlinkOf, type FileOps } from "./file-ops.ts";
import { decodeHeader, headerBytes, recordHeaderBytes, recordSeed, recordsStart, type SegmentHeader } from "./format.ts";
import type { LogOptions, LogRecord, Recovered, WriteAheadLog } from "./index.ts";
import { Scanner, type Torn } from "./scan.ts";
import { SegmentedLog } from "./segmented-log.ts";
import { Segment, SegmentFiles, type Spare } from "./segments.ts";

/** Sequences skipped at every open of a log that was used: more than can have been appended and lost with the power. */
export const sequenceSkip = 2 ** 26;
const segmentBytesMin = 16384;
const stagingBytesMin = 4096;

const segmentName = /^([0-9a-f]{16})\.log$/;
const spareName = /^spare-(\d{1,15})\.log$/;

/** A segment file as it was found. */
interface Found {
  readonly generation: number;
  readonly path: string;
  readonly fd: number;
  readonly fileBytes: number;
  /** Null where there is no whole one. */
  readonly header: SegmentHeader | null;
}

/** What the files say. */
interface Recovery {
  readonly live: Segment[];
  readonly dead: Segment[];
  readonly recovered: Recovered;
  /** The last record, and the last sequence that may have been used. */
  readonly lastRecord: number;
  readonly sequence: number;
}

/**
 * Opens the log in `directory`, giving every record found to `replay`, each when it is done with the one before; all of them are
 * durable when this resolves.
 */
export async function openLog(
  options: LogOptions,
  replay: (record: LogRecord) => Maybe<void>,
): Promise<{ log: WriteAheadLog; recovered: Recovered }> {
  assert(options.instance.byteLength === 8, "a share's instance is 8 bytes");
  assert(options.segmentBytes >= segmentBytesMin && options.segmentBytes % 4096 === 0, "log segments are multiples of 4 KiB");
  assert(options.stagingBytes >= stagingBytesMin, "the log's staging buffer is too small");
  const files = options.files ?? systemFiles;
  await makeDirectory(files, options.directory);
  const directoryFd = files.openSync(options.directory, "r");
  const opened: number[] = [directoryFd];
  try {
    const { found, spares, spareNumber } = await openFiles(options, files, opened);
    const recovery = await recover(options, found, replay);
    for (const segment of recovery.live) await fdatasyncOf(files, segment.fd);
    const pool = new SegmentFiles({ ...options, directoryFd, files, spares, spareNumber });
    const generation = found.length === 0 ? 0 : found[found.length - 1]!.generation;
    const log = new SegmentedLog(options, files, directoryFd, pool, recovery.dead, {
      sequence: found.length === 0 ? ((await options.beginsAbove?.()) ?? 0) : recovery.sequence + sequenceSkip,
      lastRecord: recovery.lastRecord,
      generation,
      previousGeneration: recovery.live[recovery.live.length - 1]?.generation ?? 0,
      segments: recovery.live,
    });
    opened.length = 0;
    await log.begin();
    return { log, recovered: recovery.recovered };
  } catch (error) {
    for (const fd of opened) files.closeSync(fd);
    throw error;
  }
}

/** Opens segments and spares; what is no use as either is deleted. */
async function openFiles(options: LogOptions, files: FileOps, opened: number[]) {
  const found: Found[] = [];
  const spares: Spare[] = [];
  let spareNumber = 1;
  for (const name of fs.readdirSync(options.directory).sort()) {
    const path = `${options.directory}/${name}`;
    const segment = segmentName.exec(name);
    const spare = spareName.exec(name);
    if (segment === null && spare === null) continue;
    const fd = files.openSync(path, "r+");
    opened.push(fd);
    const fileBytes = fs.fstatSync(fd).size;
    if (segment !== null) {
      const generation = Number.parseInt(segment[1]!, 16);
      found.push({ generation, path, fd, fileBytes, header: readHeader(options, path, fd, generation) });
    } else {
      spareNumber = Math.max(spareNumber, Number(spare![1]) + 1);
      if (fileBytes === options.segmentBytes && spares.length < 2) {
        spares.push({ path, fd });
      } else {
        opened.pop();
        files.closeSync(fd);
        await unlinkOf(files, path);
      }
    }
  }
  return { found, spares, spareNumber };
}

function readHeader(options: LogOptions, path: string, fd: number, generation: number): SegmentHeader | null {
  const bytes = new Uint8Array(headerBytes);
  const got = fs.readSync(fd, bytes, 0, headerBytes, 0);
  const header = decodeHeader(bytes.subarray(0, got), path);
  if (header === null) return null;
  for (let i = 0; i < 8; i++) {
    if (header.instance[i] !== options.instance[i])
      throw new Error(`${path} is the log of another share (${hex(header.instance)}, not ${hex(options.instance)})`);
  }
  return header.generation === generation ? header : null;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Follows the run of segments from its start, each header naming the one before, and gives their records. */
async function recover(options: LogOptions, found: readonly Found[], replay: (record: LogRecord) => Maybe<void>): Promise<Recovery> {
  const scanner = new Scanner();
  const live: Segment[] = [];
  const dead: Segment[] = [];
  const start = startOf(found);
  for (let i = 0; i < start; i++) dead.push(segmentOf(found[i]!, 0));
  let records = 0;
  let bytes = 0;
  let tornBytes = 0;
  let tornWhole = 0;
  const drop = (torn: Torn): void => {
    tornBytes += torn.bytes;
    tornWhole += torn.whole;
  };
  let firstSequence = 0;
  let last = found[start]?.header!.previousLast ?? 0;
  for (let i = start; i < found.length; ) {
    const file = found[i]!;
    const header = file.header!;
    const successor = successorOf(found, i);
    const cap = successor < 0 ? Number.MAX_SAFE_INTEGER : found[successor]!.header!.previousLast;
    const seed = recordSeed(options.instance, file.generation, header.salt);
    const scanned = await scanner.scan(file.fd, recordsStart, file.fileBytes, seed, header.firstSequence, cap, last, replay);
    if (scanned.records > 0 && firstSequence === 0) firstSequence = header.firstSequence;
    last = scanned.last;
    records += scanned.records;
    bytes += scanned.end - recordsStart;
    const segment = segmentOf(file, last);
    segment.end = scanned.end;
    live.push(segment);
    const ends = successor < 0 || last !== cap;
    if (ends) drop(scanner.torn(file.fd, scanned.end, file.fileBytes, seed, header.firstSequence + scanned.records));
    for (let j = i + 1; j < (ends ? found.length : successor); j++) {
      const dropped = found[j]!;
      if (j >= successor && dropped.header !== null) {
        const droppedSeed = recordSeed(options.instance, dropped.generation, dropped.header.salt);
        drop(scanner.torn(dropped.fd, recordsStart, dropped.fileBytes, droppedSeed, dropped.header.firstSequence));
      }
      dead.push(segmentOf(dropped, last));
    }
    if (ends) break;
    i = successor;
  }
  let sequence = last;
  for (const file of found) if (file.header !== null) sequence = Math.max(sequence, file.header.firstSequence - 1);
  // An empty segment at the end holds nothing but its header's word on used sequences, which the next header repeats.
  while (live.length > 0 && live[live.length - 1]!.end === recordsStart) dead.push(live.pop()!);
  const lastSequence = records > 0 ? last : 0;
  return { live, dead, lastRecord: last, sequence, recovered: { records, bytes, tornBytes, tornWhole, firstSequence, lastSequence } };
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
