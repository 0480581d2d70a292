import type { Maybe } from "#base/brand.ts";
import fs from "node:fs";
import { assert } from "#base/assert.ts";
import { fsyncOf, makeDirectory, readFromDisk, systemFiles, unlinkOf, type FileOps } from "./file-ops.ts";
import { decodeHeaders, type FoundHeader, headerBytes, headerCopyAt } from "./format.ts";
import type { LogOptions, LogRecord, LostRecord, Recovered, WriteAheadLog } from "./index.ts";
import { type Found, readSegments } from "./read-segments.ts";
import { SegmentedLog } from "./segmented-log.ts";
import { SegmentFiles, type Spare } from "./segments.ts";

/** Sequences skipped at every open of a log that was used: more than can have been appended and lost with the power. */
export const sequenceSkip = 2 ** 26;
const segmentBytesMin = 16384;
const stagingBytesMin = 4096;

const segmentName = /^([0-9a-f]{16})\.log$/;
const spareName = /^spare-(\d{1,15})\.log$/;

/**
 * Opens the log in `directory`, giving every record found to `replay`, each when it is done with the one before; all of them are
 * durable when this resolves.
 */
export async function openLog(
  options: LogOptions,
  replay: (record: LogRecord | LostRecord) => Maybe<void>,
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
    const recovery = await readSegments(options.instance, found, replay);
    // Names, too: of segments where none is begun, and of spares, which are never to be found under an old name with a new header.
    await fsyncOf(files, directoryFd);
    const isNew = found.every(({ header }) => header === null);
    const above = isNew ? 0 : (options.goesOnAbove?.(recovery.recovered.reached) ?? 0);
    const pool = new SegmentFiles({ ...options, directoryFd, files, spares, spareNumber });
    const generation = found.length === 0 ? 0 : found[found.length - 1]!.generation;
    const log = new SegmentedLog(options, files, directoryFd, pool, recovery.dead, {
      sequence: isNew ? ((await options.beginsAbove?.()) ?? 0) : Math.max(recovery.sequence, above) + sequenceSkip,
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
      await readFromDisk(files, fd);
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

function readHeader(options: LogOptions, path: string, fd: number, generation: number): FoundHeader | null {
  const bytes = new Uint8Array(headerCopyAt + headerBytes);
  const got = fs.readSync(fd, bytes, 0, bytes.byteLength, 0);
  const header = decodeHeaders(bytes.subarray(0, got), path);
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
