import type { FileState } from "./file-state.ts";

/** What was written is looked at anew after so many bytes. */
const windowBytes = 64 * 1024 * 1024;

/** What of a file is counted. */
type Counted = Pick<FileState, "size" | "rewrittenBytes" | "writtenBytes" | "writtenFrom">;

/**
 * Whether most of what is written at present is soon of no use: since it is written over and over, as by a database, or since its file is removed.
 * Then most of what is dirty is gone before it has its age, and who stores it sooner stores more. A file's bytes count as written over once
 * as much of it was as it is long, and as removed where less than a window's were written since the first of them, wherever they are stored by then.
 */
export class Rewriting {
  private bytes = 0;
  private again = 0;
  /** All there ever were. */
  private total = 0;

  /** `dirty`: bytes of which it is not known yet; where they are many, half of all is taken for known. */
  isMost(dirty: number): boolean {
    return this.again * 2 > this.bytes - Math.min(dirty, this.bytes / 2);
  }

  /** Before the file has the change. */
  wrote(file: Counted, offset: number, length: number): void {
    if (this.total - file.writtenFrom > windowBytes) {
      file.writtenFrom = this.total;
      file.writtenBytes = 0;
    }
    this.total += length;
    this.bytes += length;
    if (offset + length <= file.size) file.rewrittenBytes += length;
    if (offset + length <= file.size && file.rewrittenBytes > file.size) this.again += length;
    else file.writtenBytes += length;
    if (this.bytes < windowBytes) return;
    this.bytes /= 2;
    this.again /= 2;
  }

  /** The file is removed. */
  dropped(file: Counted): void {
    if (this.total - file.writtenFrom <= windowBytes) this.again = Math.min(this.bytes, this.again + file.writtenBytes);
    file.writtenBytes = 0;
  }
}
