import { type Time, timeAfter } from "#base/time.ts";
import type { ByteRange, ContentRead, ContentReferences, FileContent } from "#model/file-content.ts";
import type { FsError } from "#model/fs-error.ts";
import type { FileId } from "#model/ids.ts";
import { FileType, type Inode } from "#model/inode.ts";
import type { MetadataStore } from "#model/metadata-store.ts";

/** What a file holds, and the columns that are not in the store yet. */
interface File {
  bytes: Uint8Array;
  size: number;
  mtime: Time;
  ctime: Time;
  change: number;
  sequence: number;
  dirty: boolean;
}

/**
 * File content in memory, as strict about the port as a test needs it: what was written is laid over the row until `flush`
 * stores it, and `durable`, `admit` and `read` can be held.
 */
export class MemoryContent implements FileContent {
  readonly writeVerifier = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
  readonly forgotten: FileId[] = [];
  readonly synced: FileId[] = [];
  released = 0;
  /** Set them to make the next calls wait or fail. */
  admission: Promise<FsError | null> | FsError | null = null;
  durability: Promise<FsError | null> | FsError | null = null;
  reading: Promise<void> | null = null;
  bound: { readonly free: number; readonly total: number; readonly available: number } | null = null;
  private readonly files = new Map<number, File>();
  private readonly store: MetadataStore;
  private last = 0;

  constructor(store: MetadataStore) {
    this.store = store;
  }

  overlay(row: Inode): Inode {
    const file = this.files.get(row.id);
    if (row.type !== FileType.regular || file === undefined || !file.dirty || row.contentSequence >= file.sequence) return row;
    return row.with({
      size: file.size,
      mtime: row.mtimeSequence < file.sequence ? file.mtime : row.mtime,
      ctime: row.ctime.isAfter(file.ctime) ? row.ctime : file.ctime,
      change: Math.max(row.change, file.change),
    });
  }

  read(inode: Inode, offset: number, length: number): ContentRead | FsError | Promise<ContentRead | FsError> {
    return this.reading === null ? this.readNow(inode, offset, length) : this.reading.then(() => this.readNow(inode, offset, length));
  }

  admit(): FsError | null | Promise<FsError | null> {
    return this.admission;
  }

  write(inode: Inode, offset: number, payload: readonly Uint8Array[], length: number, at: Time): Inode {
    const file = this.file(inode);
    this.grow(file, offset + length);
    let to = offset;
    for (const slice of payload) {
      file.bytes.set(slice, to);
      to += slice.length;
    }
    file.size = Math.max(file.size, offset + length);
    return this.changed(file, inode, at);
  }

  truncate(inode: Inode, size: number, at: Time): Inode {
    const file = this.file(inode);
    if (size < file.bytes.length) file.bytes.fill(0, size);
    file.size = size;
    return this.changed(file, inode, at);
  }

  punch(inode: Inode, offset: number, length: number, at: Time): Inode {
    const file = this.file(inode);
    file.bytes.fill(0, offset, Math.min(file.bytes.length, offset + length));
    return this.changed(file, inode, at);
  }

  /** The bytes themselves, as if they were the only ones of a pack. */
  references(inode: Inode, offset: number, length: number): ContentReferences {
    const slice = new Uint8Array(length);
    slice.set((this.files.get(inode.id)?.bytes ?? new Uint8Array()).subarray(offset, offset + length));
    return { length, runs: [], slice, release: () => void this.released++ } as ContentReferences;
  }

  clone(inode: Inode, offset: number, from: ContentReferences, at: Time): Inode {
    return this.write(inode, offset, [(from as ContentReferences & { slice: Uint8Array }).slice], from.length, at);
  }

  allocated(inode: Inode, offset: number, end: number): readonly ByteRange[] {
    const stop = Math.min(end, inode.size);
    return offset < stop ? [{ start: offset, end: stop }] : [];
  }

  durable(id: FileId): FsError | null | Promise<FsError | null> {
    this.synced.push(id);
    return this.durability;
  }

  sequence(): number {
    return this.last;
  }

  forget(id: FileId): void {
    this.forgotten.push(id);
    this.files.delete(id);
  }

  space(): typeof this.bound {
    return this.bound;
  }

  /** Stores what is laid over the row, as a flusher does. */
  async flush(id: FileId): Promise<void> {
    const file = this.files.get(id);
    if (file === undefined || !file.dirty) return;
    const { sequence, size, mtime, ctime } = file;
    await this.store.apply({
      conditions: [],
      changes: [{ do: "storeContent", id, sequence, size, mtime, ctime, cutTo: -1, extents: [] }],
    });
    if (file.sequence === sequence) file.dirty = false;
  }

  private readNow(inode: Inode, offset: number, length: number): ContentRead {
    const end = Math.min(inode.size, offset + length);
    const from = Math.min(offset, end);
    const slice = new Uint8Array(end - from);
    slice.set((this.files.get(inode.id)?.bytes ?? new Uint8Array()).subarray(from, end));
    return { slices: [slice], length: slice.length, endOfFile: end === inode.size, release: () => void this.released++ };
  }

  private file(inode: Inode): File {
    let file = this.files.get(inode.id);
    if (file === undefined) {
      file = { bytes: new Uint8Array(0), size: inode.size, mtime: inode.mtime, ctime: inode.ctime, change: 0, sequence: 0, dirty: false };
      this.files.set(inode.id, file);
    }
    return file;
  }

  private grow(file: File, length: number): void {
    if (length <= file.bytes.length) return;
    const larger = new Uint8Array(length);
    larger.set(file.bytes);
    file.bytes = larger;
  }

  private changed(file: File, inode: Inode, at: Time): Inode {
    file.mtime = timeAfter(inode.mtime, at);
    file.ctime = timeAfter(inode.ctime, at);
    file.change = this.store.draw();
    file.sequence = ++this.last;
    file.dirty = true;
    return inode.with({ size: file.size, mtime: file.mtime, ctime: file.ctime, change: file.change });
  }
}
