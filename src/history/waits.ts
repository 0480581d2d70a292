import type { Clock, Timer } from "#base/clock.ts";
import { FsError } from "#model/fs-error.ts";

/** How long a cut waits at most for as many who wait for it as there were last, so that they share a segment. */
const gatherMsMax = 8;

interface Waiting {
  readonly serial: number;
  readonly deadlineMs: number;
  /** Whatever acknowledgements mean. */
  readonly always: boolean;
  readonly go: (outcome: FsError | null) => void;
}

/** Who waits until a cut of the history is published. All who wait for one share it. */
export class Waits {
  private readonly clock: Clock;
  private readonly hurry: () => void;
  private waiting: Waiting[] = [];
  private gathering: Timer | null = null;
  private timer: Timer | null = null;
  /** Of those who wait, how many wait for a cut that is not made yet. */
  private asking = 0;
  /** There were so many when some were answered last: those come back, mostly within a few ms. */
  private expected = 1;
  private outcome: FsError | null = null;

  /** `hurry` has a cut be made as soon as it can. */
  constructor(clock: Clock, hurry: () => void) {
    this.clock = clock;
    this.hurry = hurry;
  }

  get count(): number {
    return this.waiting.length;
  }

  /** Resolves when the cut `serial` is published; jukebox after `waitMsMax`. `open`: the cut is still to be made. */
  wait(serial: number, waitMsMax: number, open: boolean, always = false): Promise<FsError | null> {
    if (this.outcome !== null) return Promise.resolve(this.outcome);
    return new Promise((go) => {
      this.waiting.push({ serial, deadlineMs: this.clock.monotonicMs() + waitMsMax, always, go });
      if (waitMsMax !== Number.POSITIVE_INFINITY) this.watch();
      if (!open) return;
      this.asking++;
      if (this.asking >= this.expected) this.gathered();
      else this.gathering ??= this.clock.after(gatherMsMax, () => this.gathered());
    });
  }

  private gathered(): void {
    this.gathering?.cancel();
    this.gathering = null;
    this.hurry();
  }

  /** A cut was made: whoever waits from now on waits for the next. */
  wasCut(): void {
    this.asking = 0;
    this.gathering?.cancel();
    this.gathering = null;
  }

  /** Cuts up to `published` are. */
  look(published: number): void {
    if (this.waiting.length === 0) return;
    const now = this.clock.monotonicMs();
    let answered = 0;
    const all = this.waiting;
    this.waiting = [];
    for (let i = 0; i < all.length; i++) {
      const one = all[i] as Waiting;
      if (one.serial <= published) {
        answered++;
        one.go(null);
      } else if (now >= one.deadlineMs) one.go(FsError.of("jukebox"));
      else this.waiting.push(one);
    }
    if (answered > 0) this.expected = answered + this.waiting.length;
  }

  /** Nobody needs to wait: publishing is not what an acknowledgement means any more. */
  answer(): void {
    const all = this.waiting;
    this.waiting = [];
    for (const one of all) if (!one.always) one.go(null);
    this.waiting = all.filter(({ always }) => always);
  }

  /** Nothing is published any more. */
  end(outcome: FsError): void {
    this.outcome = outcome;
    this.gathering?.cancel();
    this.timer?.cancel();
    const all = this.waiting;
    this.waiting = [];
    for (const one of all) one.go(outcome);
  }

  private watch(): void {
    if (this.timer !== null) return;
    let first = Number.POSITIVE_INFINITY;
    for (const one of this.waiting) first = Math.min(first, one.deadlineMs);
    if (first === Number.POSITIVE_INFINITY) return;
    this.timer = this.clock.after(Math.max(1, first - this.clock.monotonicMs()), () => {
      this.timer = null;
      this.look(-1);
      this.watch();
    });
  }
}
