/** Memory for records being gathered, used again: the first touch of fresh memory costs more than to copy a write into it. */

/** Sizes of pieces; what is longer has a piece of its own. */
const classBytes = [16 * 1024, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024] as const;
/** Memory kept for the next records; what is more is left to the garbage collector. */
const keptBytesMax = 128 * 1024 * 1024;

export class ChunkMemory {
  private readonly free: Buffer[][] = classBytes.map(() => []);
  private kept = 0;

  /** A piece of at least `bytes` bytes; what is in it is of no meaning. */
  take(bytes: number): Buffer {
    const size = classBytes.findIndex((each) => each >= bytes);
    const piece = this.free[size]?.pop();
    if (piece === undefined) return Buffer.allocUnsafeSlow(classBytes[size] ?? bytes);
    this.kept -= piece.length;
    return piece;
  }

  /** Whether `bytes` bytes lie in this piece as well as they would in one that is taken for them. */
  fits(piece: Buffer, bytes: number): boolean {
    return bytes <= piece.length && (bytes * 2 > piece.length || piece.length <= classBytes[0]);
  }

  /** Nobody reads the piece again. */
  give(piece: Buffer): void {
    const size = (classBytes as readonly number[]).indexOf(piece.length);
    if (size < 0 || this.kept + piece.length > keptBytesMax) return;
    this.kept += piece.length;
    (this.free[size] as Buffer[]).push(piece);
  }

  /** Nothing was gathered for a while. */
  rest(): void {
    for (const pieces of this.free) pieces.length = 0;
    this.kept = 0;
  }
}
