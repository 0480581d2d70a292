interface Run<Wanted, Outcome> {
  wanted: Wanted;
  readonly outcome: PromiseWithResolvers<Outcome>;
}

/** One run at a time: what is wanted while one is under way is done by the next, the last of it alone, for all who asked. */
export class Runs<Wanted, Outcome> {
  private current: Run<Wanted, Outcome> | null = null;
  private next: Run<Wanted, Outcome> | null = null;
  private readonly run: (wanted: Wanted) => Promise<Outcome>;

  constructor(run: (wanted: Wanted) => Promise<Outcome>) {
    this.run = run;
  }

  ask(wanted: Wanted): Promise<Outcome> {
    if (this.next === null) this.next = { wanted, outcome: Promise.withResolvers() };
    else this.next.wanted = wanted;
    const { promise } = this.next.outcome;
    if (this.current === null) void this.runAll();
    return promise;
  }

  /** Resolves when the run that is under way is over, if any is, however it ends. */
  async settled(): Promise<void> {
    await this.current?.outcome.promise.catch(() => {});
  }

  private async runAll(): Promise<void> {
    for (let run = this.next; run !== null; run = this.next) {
      this.current = run;
      this.next = null;
      try {
        run.outcome.resolve(await this.run(run.wanted));
      } catch (error) {
        run.outcome.reject(error);
      }
      this.current = null;
    }
  }
}
