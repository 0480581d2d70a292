import { frameBytes } from "../packs/index.ts";

/** What is kept or not: a frame of a pack, so that what is kept can be verified by itself. */
export const blockBytes = frameBytes;
/** What a file takes at least, and what each piece of one is rounded up to. */
const allocationBytes = 4096;
/** Charged for a file besides its blocks: where its pieces lie, its name, its row in the index. */
export const entryBytes = 8192;

const bitsOf = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/** One object's file in the cache, and which blocks of it are there. */
export class Entry {
  readonly id: number;
  readonly key: string;
  /** A bit for each whole block that is there. */
  bits: Uint8Array = new Uint8Array(0);
  /** The block of which only the beginning is there, as of the last of an object; -1: none. */
  partialBlock = -1;
  partialBytes = 0;
  /** Allocated beyond the blocks that are known: written before a crash, and not told to the index. */
  slackBytes = 0;
  /** When it was last used, by a number that only grows. */
  used = 0;
  /** Reads and writes under way: its file stays while there are any. */
  users = 0;
  /** Nothing finds it any more; its last user removes the file. */
  gone = false;
  #whole = 0;

  constructor(id: number, key: string) {
    this.id = id;
    this.key = key;
  }

  static restored(id: number, key: string, bits: Uint8Array, partialBlock: number, partialBytes: number, used: number): Entry {
    const entry = new Entry(id, key);
    entry.bits = bits;
    entry.partialBlock = partialBlock;
    entry.partialBytes = partialBytes;
    entry.used = used;
    for (const byte of bits) entry.#whole += bitsOf[byte] as number;
    return entry;
  }

  /** Bytes of the disk it may take; of an empty one none, as what is being written is set aside by whoever writes. */
  get charge(): number {
    return this.isEmpty ? 0 : entryBytes + this.#whole * blockBytes + roundedUp(this.partialBytes) + this.slackBytes;
  }

  /** Nothing of it is there. */
  get isEmpty(): boolean {
    return this.#whole === 0 && this.partialBlock < 0;
  }

  /** Where the last known byte ends. */
  get end(): number {
    let block = this.bits.length * 8 - 1;
    while (block >= 0 && !this.#has(block)) block--;
    return Math.max((block + 1) * blockBytes, this.partialBlock < 0 ? 0 : this.partialBlock * blockBytes + this.partialBytes);
  }

  /** Whether the first `bytes` bytes of a block are there. */
  covers(block: number, bytes: number): boolean {
    return this.#has(block) || (block === this.partialBlock && bytes <= this.partialBytes);
  }

  /** What the charge grows by when `from`..`to` is added, at most. */
  growth(from: number, to: number): number {
    let bytes = this.isEmpty ? entryBytes : 0;
    for (let block = Math.floor(from / blockBytes); block * blockBytes < to; block++) {
      if (!this.#has(block)) bytes += roundedUp(Math.min(blockBytes, to - block * blockBytes));
    }
    return bytes;
  }

  /** The bytes `from`..`to` are in the file; `from` is a multiple of `blockBytes`. */
  add(from: number, to: number): void {
    for (let block = from / blockBytes; block * blockBytes < to; block++) {
      const bytes = Math.min(blockBytes, to - block * blockBytes);
      if (bytes === blockBytes) this.#set(block);
      else this.#setPartial(block, bytes);
    }
  }

  #has(block: number): boolean {
    return (((this.bits[block >>> 3] ?? 0) >>> (block & 7)) & 1) === 1;
  }

  #set(block: number): void {
    if (this.#has(block)) return;
    if (block >>> 3 >= this.bits.length) {
      const grown = new Uint8Array(Math.max((block >>> 3) + 1, this.bits.length * 2));
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits[block >>> 3] = (this.bits[block >>> 3] as number) | (1 << (block & 7));
    this.#whole++;
    if (block !== this.partialBlock) return;
    this.partialBlock = -1;
    this.partialBytes = 0;
  }

  #setPartial(block: number, bytes: number): void {
    if (this.covers(block, bytes)) return;
    // The beginning of another block is forgotten, and keeps its place on the disk.
    if (this.partialBlock >= 0 && this.partialBlock !== block) this.slackBytes += roundedUp(this.partialBytes);
    this.partialBlock = block;
    this.partialBytes = bytes;
  }
}

function roundedUp(bytes: number): number {
  return Math.ceil(bytes / allocationBytes) * allocationBytes;
}
