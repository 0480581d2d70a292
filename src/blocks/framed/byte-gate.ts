/** Lets work through as long as what it holds in memory stays below a bound, in the order it came; one that is larger goes alone. */
export class ByteGate {
  private readonly bytesMax: number;
  private readonly waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  private held = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || !this.fits(bytes)) await new Promise<void>((go) => this.waiting.push({ bytes, go }));
    else this.held += bytes;
    try {
      return await work();
    } finally {
      this.held -= bytes;
      this.next();
    }
  }

  private fits(bytes: number): boolean {
    return this.held === 0 || this.held + bytes <= this.bytesMax;
  }

  private next(): void {
    for (let first = this.waiting[0]; first !== undefined && this.fits(first.bytes); first = this.waiting[0]) {
      this.waiting.shift();
      this.held += first.bytes;
      first.go();
    }
  }
}
