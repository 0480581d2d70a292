import type { FileState } from "./file-state.ts";

/** What was written is looked at anew after so many bytes. */
const windowBytes = 64 * 1024 * 1024;

/**
 * Whether what is written at present writes over and over the same places, as a database does. Then most of what is dirty is written over
 * before it has its age, and who stores it sooner stores more. A file counts as such once as much of it was written over as it is long.
 */
export class Rewriting {
  private bytes = 0;
  private again = 0;

  get isMost(): boolean {
    return this.again * 2 > this.bytes;
  }

  /** Before the file has the change. */
  wrote(file: FileState, offset: number, length: number): void {
    this.bytes += length;
    if (offset + length <= file.size) {
      file.rewrittenBytes += length;
      if (file.rewrittenBytes > file.size) this.again += length;
    }
    if (this.bytes < windowBytes) return;
    this.bytes /= 2;
    this.again /= 2;
  }
}
