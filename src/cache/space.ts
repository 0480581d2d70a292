import type { BlockStore } from "#model/block-store.ts";

/** Kept free for flushes, metadata and removals, so that a full share can always be emptied: at most this, and at most a twentieth. */
const reserveBytesMax = 64 * 1024 * 1024;
/** How much may be accepted on one reading of the free space. */
const bytesPerReading = 64 * 1024 * 1024;

/** What is known of the room for content, without asking the file system at every write. */
export class Space {
  private readonly blocks: BlockStore;
  private free = 0;
  private total = 0;
  private bounded = false;
  /** Bytes accepted since the last reading. */
  private accepted = 0;
  private reading: Promise<void> | null = null;

  constructor(blocks: BlockStore) {
    this.blocks = blocks;
  }

  async read(): Promise<void> {
    this.reading ??= this.readOnce().finally(() => {
      this.reading = null;
    });
    return this.reading;
  }

  private async readOnce(): Promise<void> {
    const before = this.accepted;
    const space = await this.blocks.space();
    this.bounded = space !== null;
    this.free = space?.free ?? 0;
    this.total = space?.total ?? 0;
    this.accepted -= before;
  }

  get reserveBytes(): number {
    return Math.min(reserveBytesMax, Math.floor(this.total / 20));
  }

  /** Free bytes now, by estimate. */
  get freeBytes(): number {
    return this.free - this.accepted;
  }

  get totalBytes(): number | null {
    return this.bounded ? this.total : null;
  }

  /** Whether there is room for `length` more bytes while `unwritten` accepted ones still have to find theirs. */
  hasRoom(length: number, unwritten: number): boolean {
    return !this.bounded || this.freeBytes - unwritten - length >= this.reserveBytes;
  }

  /** Little is left: what is removed should be given back at once. */
  get isShort(): boolean {
    return this.bounded && this.freeBytes < this.reserveBytes * 3;
  }

  accept(length: number): void {
    this.accepted += length;
    if (this.accepted > bytesPerReading && this.reading === null) void this.read().catch(() => {});
  }
}
