import fs from "node:fs";

/** Reads as zeros without end. */
const zeros = "/dev/zero";

let descriptor: number | null = null;

function zerosDescriptor(): number {
  descriptor ??= fs.openSync(zeros, "r");
  return descriptor;
}

/**
 * Memory in blocks of one size. The first touch of each of its pages costs the kernel more than to copy a page's worth of bytes does, in
 * a virtual machine many times as much: the thread pool touches a block before it is asked for.
 */
export class TouchedMemory {
  private readonly blockBytes: number;
  private ready: Uint8Array<ArrayBuffer> | null = null;
  private touching = false;

  constructor(blockBytes: number) {
    this.blockBytes = blockBytes;
  }

  /** A block; the next one is made ready meanwhile. */
  take(): Uint8Array<ArrayBuffer> {
    const block = this.ready ?? new Uint8Array(this.blockBytes);
    this.ready = null;
    if (!this.touching) this.touch();
    return block;
  }

  private touch(): void {
    const block = new Uint8Array(this.blockBytes);
    this.touching = true;
    // A read writes every byte. Where it fails, the block is as good as one that was never touched.
    const done = (): void => {
      this.touching = false;
      this.ready = block;
    };
    try {
      fs.read(zerosDescriptor(), block, 0, this.blockBytes, null, done);
    } catch {
      done();
    }
  }
}
