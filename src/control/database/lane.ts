/** Runs what it is given one after another, in order of arrival; so many may wait. */
export class Lane {
  private readonly waitingMax: number;
  private last: Promise<unknown> = Promise.resolve();
  private inside = 0;

  constructor(waitingMax: number) {
    this.waitingMax = waitingMax;
  }

  /** Null where too many wait already. */
  run<T>(work: () => Promise<T>): Promise<T> | null {
    if (this.inside > this.waitingMax) return null;
    this.inside++;
    const result = this.last.then(work);
    this.last = result.then(
      () => this.inside--,
      () => this.inside--,
    );
    return result;
  }

  /** Resolves when all that came before has ended. */
  async drained(): Promise<void> {
    await this.last;
  }
}
