import fs from "node:fs";

const windowBytes = 1 << 22;

/** The disk does not give what is in a file. */
export class UnreadableFile extends Error {
  readonly fd: number;

  constructor(fd: number, cause: unknown) {
    super("a file can't be read", { cause });
    this.fd = fd;
  }
}

/** Reads files forwards, one at a time, through one reused buffer. */
export class Window {
  #bytes = new Uint8Array(windowBytes);
  #view = new DataView(this.#bytes.buffer);
  #fd = -1;
  #start = 0;
  #filled = 0;

  /** The bytes `position`..`position + length`, or as many as there are; good until the next call. */
  at(fd: number, position: number, length: number): Uint8Array {
    if (fd !== this.#fd || position < this.#start || position + length > this.#start + this.#filled) this.#fill(fd, position, length);
    const from = position - this.#start;
    return this.#bytes.subarray(from, Math.min(from + length, this.#filled));
  }

  /** From `position` on what is at hand, at least `least` bytes or as many as there are; good until the next call. */
  from(fd: number, position: number, least: number): Uint8Array {
    const bytes = this.at(fd, position, least);
    return bytes.byteLength < least ? bytes : this.#bytes.subarray(position - this.#start, this.#filled);
  }

  /** A view of what `at` or `from` gave last, from its first byte. */
  viewOf(bytes: Uint8Array): DataView {
    return new DataView(this.#view.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #fill(fd: number, position: number, length: number): void {
    if (length > this.#bytes.byteLength) {
      this.#bytes = new Uint8Array(length);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#fd = fd;
    this.#start = position;
    this.#filled = 0;
    while (this.#filled < this.#bytes.byteLength) {
      const got = this.#read(fd, position);
      if (got === 0) return;
      this.#filled += got;
    }
  }

  #read(fd: number, position: number): number {
    try {
      return fs.readSync(fd, this.#bytes, this.#filled, this.#bytes.byteLength - this.#filled, position + this.#filled);
    } catch (error) {
      throw new UnreadableFile(fd, error);
    }
  }
}
