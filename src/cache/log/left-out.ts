import fs from "node:fs";
import { errorCode, fdatasyncOf, isFull, syncDirectory, unlinkOf, writeFully, type FileOps } from "./file-ops.ts";
import { getUint64, putUint64 } from "./format.ts";

const fileName = "left-out";
const magic = new TextEncoder().encode("DLEFTOUT");
const version = 1;
const headerBytes = 32;
const crcAt = 24;

/**
 * Which pointers starts left out since their payload was not on the disk, kept beside the log for as long as it has their records: the
 * pack that one points to may be stored for others' sake, and nothing tells then that this payload is not what was written. Durable
 * before any pack is stored. See docs/formats/log.md.
 */
export class LeftOut {
  private readonly files: FileOps;
  private readonly directory: string;
  private readonly instance: Uint8Array;
  private known = new Set<number>();
  private readonly found = new Set<number>();
  /** The list could not be read: no stored pack is known to have what is pointed to. */
  readonly isDamaged: boolean;

  /** `instance`: the share's, 8 bytes. */
  constructor(files: FileOps, directory: string, instance: Uint8Array) {
    this.files = files;
    this.directory = directory;
    this.instance = instance;
    const bytes = readIfThere(this.path);
    const known = bytes === null ? [] : decode(bytes, instance);
    this.isDamaged = known === null;
    this.known = new Set(known ?? []);
  }

  /** Whether an earlier start left it out. */
  has(sequence: number): boolean {
    return this.known.has(sequence);
  }

  /** This start leaves it out. */
  add(sequence: number): void {
    this.found.add(sequence);
  }

  /** Writes down what was added since this was made, instead of what was known before; on a full disk that nothing is known. Rejects as the file operations do. */
  async keep(): Promise<void> {
    const same = !this.isDamaged && this.found.size === this.known.size && [...this.found].every((sequence) => this.known.has(sequence));
    if (same) return;
    if (this.found.size === 0) await unlinkOf(this.files, this.path);
    else await this.write(encode([...this.found], this.instance));
    await syncDirectory(this.files, this.directory);
    this.known = new Set(this.found);
  }

  private get path(): string {
    return `${this.directory}/${fileName}`;
  }

  private async write(bytes: Uint8Array): Promise<void> {
    const { files, path } = this;
    const fresh = `${path}.new`;
    fs.rmSync(fresh, { force: true });
    const fd = files.openSync(fresh, "wx");
    try {
      writeFully(files, fd, bytes, 0, bytes.byteLength, 0);
      await fdatasyncOf(files, fd);
    } catch (error) {
      // The start goes on, and what is there of it is no whole list: the next one reads the packs.
      if (!isFull(error)) throw error;
    } finally {
      files.closeSync(fd);
    }
    files.renameSync(fresh, path);
  }
}

function readIfThere(path: string): Uint8Array | null {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

function encode(sequences: readonly number[], instance: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(headerBytes + sequences.length * 8);
  const view = new DataView(bytes.buffer);
  bytes.set(magic);
  view.setUint32(8, version, true);
  view.setUint32(12, sequences.length, true);
  bytes.set(instance, 16);
  for (let i = 0; i < sequences.length; i++) putUint64(view, headerBytes + i * 8, sequences[i] as number);
  view.setUint32(crcAt, Bun.hash.crc32(bytes), true);
  return bytes;
}

/** Null: damaged. Throws where it is of a later version. */
function decode(bytes: Uint8Array, instance: Uint8Array): number[] | null {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  if (copy.byteLength < headerBytes || magic.some((byte, i) => byte !== copy[i])) return null;
  const count = view.getUint32(12, true);
  if (copy.byteLength !== headerBytes + count * 8) return null;
  const crc = view.getUint32(crcAt, true);
  view.setUint32(crcAt, 0, true);
  if (Bun.hash.crc32(copy) !== crc) return null;
  const found = view.getUint32(8, true);
  if (found > version) throw new Error(`the log's list of writes that were left out is of version ${found}, and this program knows version ${version}: use a newer one`);
  for (let i = 0; i < 8; i++) if (copy[16 + i] !== instance[i]) return null;
  return Array.from({ length: count }, (_, i) => getUint64(view, headerBytes + i * 8));
}
