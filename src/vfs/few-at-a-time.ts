/** Runs what it is given, no more than so many at a time, the rest in order of arrival. */
export class FewAtATime {
  private readonly limit: number;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.limit) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      // Its place is the next one's.
      if (next === undefined) this.running--;
      else next();
    }
  }
}
