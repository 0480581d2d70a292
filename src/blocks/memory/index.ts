/** Objects in memory, for shares that end with the process, and for tests. */
import fs from "node:fs";
import { StoreFullError, MissingObjectError, type BlockStore, type ObjectSource, type SynchronousReads } from "#model/block-store.ts";
import { checkKey, checkPrefix } from "../keys.ts";

export interface MemoryOptions {
  /** Most bytes of objects in all; absent: what the process has. */
  readonly bytesMax?: number;
  /** Whoever opened it goes on with it after it was closed, as often as they like; else its objects go with the close. */
  readonly lasting?: boolean;
}

/** Objects in memory: for tests and ephemeral shares. */
export function openMemoryBlocks(options: MemoryOptions = {}): BlockStore & SynchronousReads {
  return new MemoryBlocks(options.bytesMax ?? null, options.lasting ?? false);
}

class MemoryBlocks implements BlockStore, SynchronousReads {
  readonly #bytesMax: number | null;
  readonly #lasting: boolean;
  readonly #objects = new Map<string, Uint8Array>();
  readonly #arriving = new Set<string>();
  #bytes = 0;

  constructor(bytesMax: number | null, lasting: boolean) {
    this.#bytesMax = bytesMax;
    this.#lasting = lasting;
  }

  async put(key: string, source: ObjectSource): Promise<void> {
    checkKey(key);
    if (this.#objects.has(key) || this.#arriving.has(key)) throw new Error(`the block store already has an object ${key}`);
    this.#arriving.add(key);
    try {
      const bytes = source.from === "slices" ? joined(source.slices) : await fileBytes(source.path, source.size);
      if (this.#bytesMax !== null && this.#bytes + bytes.byteLength > this.#bytesMax) throw new StoreFullError("the block store is full");
      if (source.from === "file") await fs.promises.unlink(source.path);
      this.#objects.set(key, bytes);
      this.#bytes += bytes.byteLength;
    } finally {
      this.#arriving.delete(key);
    }
  }

  async get(key: string, offset: number, length: number, target?: Uint8Array): Promise<Uint8Array> {
    checkKey(key);
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new MissingObjectError(key);
    if (offset + length > bytes.byteLength) throw new Error(`object ${key} ends at ${bytes.byteLength}, before ${offset + length}`);
    const part = bytes.subarray(offset, offset + length);
    if (target === undefined) return part.slice();
    target.set(part, 0);
    return target;
  }

  getNow(key: string, offset: number, target: Uint8Array): boolean {
    const bytes = this.#objects.get(key);
    if (bytes === undefined || offset + target.byteLength > bytes.byteLength) return false;
    target.set(bytes.subarray(offset, offset + target.byteLength), 0);
    return true;
  }

  async size(key: string): Promise<number | null> {
    checkKey(key);
    return this.#objects.get(key)?.byteLength ?? null;
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      checkKey(key);
      this.#bytes -= this.#objects.get(key)?.byteLength ?? 0;
      this.#objects.delete(key);
    }
  }

  async *list(prefix: string): AsyncIterable<{ readonly key: string; readonly size: number }> {
    checkPrefix(prefix);
    for (const [key, bytes] of this.#objects) if (key.startsWith(prefix)) yield { key, size: bytes.byteLength };
  }

  async space(): Promise<{ readonly free: number; readonly total: number } | null> {
    return this.#bytesMax === null ? null : { free: this.#bytesMax - this.#bytes, total: this.#bytesMax };
  }

  async close(): Promise<void> {
    if (this.#lasting) return;
    this.#objects.clear();
    this.#bytes = 0;
  }
}

function joined(slices: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const slice of slices) length += slice.byteLength;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const slice of slices) {
    bytes.set(slice, at);
    at += slice.byteLength;
  }
  return bytes;
}

async function fileBytes(path: string, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(await fs.promises.readFile(path));
  if (bytes.byteLength !== size) throw new Error(`${path} has ${bytes.byteLength} bytes, not ${size}`);
  return bytes;
}
