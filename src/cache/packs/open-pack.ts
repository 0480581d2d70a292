import fs from "node:fs";
import { assert } from "#base/assert.ts";
import type { Maybe } from "#base/brand.ts";
import { FsError } from "#model/fs-error.ts";
import type { PackId } from "#model/ids.ts";
import {
  errorCode, fdatasyncOf, isFull, readFromDisk, syncDirectory, systemFiles, unlinkOf, writeBackBytes, writeFully, writeSlicesFully, writtenAside, type FileOps,
} from "../log/file-ops.ts";
import { LateWrites } from "./late-writes.ts";
import { SharedSync } from "../log/shared-sync.ts";
import { payloadBytes } from "./left-over.ts";
import { readFully, readFullySync } from "./reading.ts";
import { encodeFooter } from "./format.ts";
import { FrameTable } from "./frames.ts";
import type { Appended, OpenPack, PackOptions, SealedPack } from "./index.ts";

const openName = /^pack-([0-9a-f]{14})\.open$/;

function openPath(directory: string, id: PackId): string {
  return `${directory}/pack-${id.toString(16).padStart(14, "0")}.open`;
}

/** A new, empty pack in `directory`, in a spare file where there is one. Throws where it can't be made (ENOSPC among the reasons). */
export function createPack(directory: string, id: PackId, instance: Uint8Array, options: PackOptions): OpenPack {
  const files = options.files ?? systemFiles;
  const path = openPath(directory, id);
  // To rename a spare would replace a file of that name, which is never to happen to a pack: to make one fails then.
  const spare = fs.existsSync(path) ? null : options.spares?.take(path);
  const fd = spare ?? files.openSync(path, "wx+");
  return new PackFile(directory, path, id, instance, options, files, fd, 0, new FrameTable(), true);
}

/** Ids of the open packs in `directory`, in order. */
export async function listOpenPacks(directory: string): Promise<PackId[]> {
  const ids: PackId[] = [];
  for (const name of await fs.promises.readdir(directory)) {
    const match = openName.exec(name);
    if (match !== null) ids.push(Number.parseInt(match[1]!, 16) as PackId);
  }
  return ids.sort((a, b) => a - b);
}

/**
 * A pack left open by a crash; all bytes of its file count as payload, but for a footer that is whole. They are durable when this
 * resolves. Null when there is no such file.
 */
export async function reopenPack(directory: string, id: PackId, instance: Uint8Array, options: PackOptions): Promise<OpenPack | null> {
  const files = options.files ?? systemFiles;
  const path = openPath(directory, id);
  let fd: number;
  try {
    fd = files.openSync(path, "r+");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
  try {
    await readFromDisk(files, fd);
    const size = payloadBytes(fd, path, id, instance);
    const table = new FrameTable();
    const piece = new Uint8Array(Math.min(1 << 20, Math.max(size, 1)));
    for (let at = 0; at < size; at += piece.byteLength) {
      const part = piece.subarray(0, Math.min(piece.byteLength, size - at));
      await readFully(fd, at, part);
      table.add(part);
    }
    await syncDirectory(files, directory);
    return new PackFile(directory, path, id, instance, options, files, fd, size, table, false);
  } catch (error) {
    files.closeSync(fd);
    throw error;
  }
}

class PackFile implements OpenPack {
  readonly id: PackId;
  readonly path: string;
  size: number;
  readonly #directory: string;
  readonly #instance: Uint8Array;
  readonly #options: PackOptions;
  readonly #files: FileOps;
  readonly #frames: FrameTable;
  readonly #sync: SharedSync;
  /** -1 when closed. */
  #fd: number;
  #readers = 0;
  #idle: PromiseWithResolvers<void> | null = null;
  #nameDirty: boolean;
  #sealing = false;
  #sealed: SealedPack | null = null;
  #failed = false;
  #writingBack: number;
  readonly #late: LateWrites;

  constructor(
    directory: string,
    path: string,
    id: PackId,
    instance: Uint8Array,
    options: PackOptions,
    files: FileOps,
    fd: number,
    size: number,
    frames: FrameTable,
    fresh: boolean,
  ) {
    this.id = id;
    this.path = path;
    this.size = size;
    this.#directory = directory;
    this.#instance = instance;
    this.#options = options;
    this.#files = files;
    this.#fd = fd;
    this.#frames = frames;
    this.#nameDirty = fresh;
    this.#writingBack = size;
    this.#late = new LateWrites(files, options.clock, (error) => this.#fail(error));
    this.#sync = new SharedSync(
      size,
      options.clock,
      () => {},
      () => this.size,
      () => this.#syncFile(),
      (error) => this.#fail(error),
    );
  }

  append(payload: readonly Uint8Array[], length: number): number | FsError {
    assert(!this.#sealing, "a sealed pack takes no payload");
    if (this.#failed) return FsError.of("io");
    const offset = this.size;
    try {
      writeSlicesFully(this.#files, this.#fd, payload, length, offset);
    } catch (error) {
      return FsError.of(isFull(error) ? "noSpace" : "io");
    }
    this.#appended(payload, length);
    this.#writeBack(this.size);
    return offset;
  }

  async appendAside(payload: readonly Uint8Array[], length: number): Promise<number | FsError> {
    assert(!this.#sealing, "a sealed pack takes no payload");
    if (this.#failed) return FsError.of("io");
    const offset = this.size;
    this.#readers++;
    try {
      await writtenAside(this.#files, this.#fd, payload, length, offset);
    } catch (error) {
      return FsError.of(isFull(error) ? "noSpace" : "io");
    } finally {
      this.#letReaderGo();
    }
    assert(this.size === offset && !this.#sealing, "a pack was appended to while the thread pool did");
    this.#appended(payload, length);
    this.#writeBack(this.size);
    return offset;
  }

  appendNow(payload: readonly Uint8Array[], length: number): Appended | null {
    assert(!this.#sealing, "a sealed pack takes no payload");
    const offset = this.size;
    try {
      if (this.#files.writevSync(this.#fd, payload, offset) !== length) return null;
    } catch {
      // Whether it is for good shows when it is tried again.
      return null;
    }
    const crc = this.#frames.addPayload(payload);
    this.size += length;
    return { offset, crc };
  }

  appendLater(payload: readonly Uint8Array[], length: number, written: () => void): Appended {
    assert(!this.#sealing, "a sealed pack takes no payload");
    const offset = this.size;
    const crc = this.#frames.addPayload(payload);
    this.size += length;
    this.#late.begin(this.#fd, payload, length, offset, written);
    return { offset, crc };
  }

  written(): Maybe<void> {
    return this.#late.isEmpty ? undefined : this.#late.reached(this.size);
  }

  #appended(payload: readonly Uint8Array[], length: number): void {
    for (let i = 0; i < payload.length; i++) this.#frames.add(payload[i]!);
    this.size += length;
  }

  /** Has the kernel write back what it has up to `end`, piece by piece. */
  #writeBack(end: number): void {
    if (end - this.#writingBack >= writeBackBytes) {
      this.#files.startWriteBack(this.#fd, this.#writingBack, end - this.#writingBack);
      this.#writingBack = end;
    }
  }

  readSync(offset: number, target: Uint8Array): void {
    assert(offset + target.byteLength <= this.size, "a read of a pack must lie within it");
    if (this.#late.isEmpty) readFullySync(this.#fd, offset, target);
    else this.#late.read(offset, target, (from, part) => readFullySync(this.#fd, from, part));
  }

  durable(size: number): Maybe<void> {
    assert(size <= this.size, "bytes that were not appended can't be waited for");
    return this.#sync.reached(size);
  }

  async seal(): Promise<SealedPack> {
    if (this.#sealed !== null) return this.#sealed;
    assert(!this.#sealing, "a pack is sealed by one caller");
    this.#sealing = true;
    await this.#late.reached(this.size);
    const frames = this.#frames.finish();
    const footer = encodeFooter(this.#instance, this.id, this.size, frames);
    const objectBytes = this.size + footer.byteLength;
    try {
      writeFully(this.#files, this.#fd, footer, 0, footer.byteLength, this.size);
      if (fs.fstatSync(this.#fd).size !== objectBytes) fs.ftruncateSync(this.#fd, objectBytes);
    } catch (error) {
      this.#sealing = false; // a full disk: to be tried again
      throw error;
    }
    if (!(await this.#sync.settled())) throw new Error(`pack ${this.path} could not be synced`);
    this.#sealed = { size: this.size, objectBytes, frames };
    return this.#sealed;
  }

  async close(): Promise<void> {
    assert(this.#sealed !== null, "an open pack is sealed or abandoned");
    if (this.#fd >= 0) this.#files.closeSync(await this.#letGo());
  }

  async abandon(): Promise<void> {
    this.#sealing = true;
    this.#late.stop();
    await this.#late.reached(this.size);
    if (this.#fd >= 0) {
      const fd = await this.#letGo();
      if (!this.#failed && this.#options.spares?.keep(this.path, fd) === true) return;
      this.#files.closeSync(fd);
    }
    await unlinkOf(this.#files, this.path).catch((error) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
  }

  /** Gives the descriptor, which is the caller's once nobody uses it any more. */
  async #letGo(): Promise<number> {
    const fd = this.#fd;
    this.#fd = -1;
    if (this.#readers > 0) {
      this.#idle = Promise.withResolvers<void>();
      await this.#idle.promise;
    }
    return fd;
  }

  async #syncFile(): Promise<void> {
    const fd = this.#fd;
    if (fd < 0) return; // abandoned: nobody will refer to its bytes
    this.#readers++;
    try {
      await this.#late.reached(this.size);
      await fdatasyncOf(this.#files, fd);
    } finally {
      this.#letReaderGo();
    }
    if (this.#nameDirty) {
      await syncDirectory(this.#files, this.#directory);
      this.#nameDirty = false;
    }
  }

  #letReaderGo(): void {
    this.#readers--;
    if (this.#readers === 0) this.#idle?.resolve();
  }

  #fail(error: Error): void {
    if (this.#failed || this.#fd < 0) return;
    this.#failed = true;
    this.#sync.stop();
    this.#options.fatal(error);
  }
}
