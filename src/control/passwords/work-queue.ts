/** Runs work one after another; so many may wait. */
export class WorkQueue {
  private readonly waiting: (() => void)[] = [];
  private running = false;

  /** How many would be waited for. */
  get ahead(): number {
    return this.waiting.length + (this.running ? 1 : 0);
  }

  /** Null, and nothing begun, where `waitingMax` wait already. */
  run<T>(work: () => Promise<T>, waitingMax: number): Promise<T> | null {
    if (!this.running) return this.start(work);
    if (this.waiting.length >= waitingMax) return null;
    return new Promise<T>((resolve, reject) => {
      this.waiting.push(() => this.start(work).then(resolve, reject));
    });
  }

  private async start<T>(work: () => Promise<T>): Promise<T> {
    this.running = true;
    try {
      return await work();
    } finally {
      this.running = false;
      this.waiting.shift()?.();
    }
  }
}
