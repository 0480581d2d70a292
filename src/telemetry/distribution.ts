/** Bounds of durations in seconds, from a sync of a fast disk to a request that is given up. */
export const secondsBounds: readonly number[] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Bounds of how many things go together. */
export const sizesBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** How values are spread, counted where they arise whether or not anybody looks: one is a few comparisons and two additions. */
export class Distribution {
  /** Upper bounds, inclusive and rising; what is beyond the last is counted, too. */
  readonly bounds: readonly number[];
  /** Values up to each bound and above the one before; the last: beyond all of them. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    counts[i] = (counts[i] as number) + 1;
    this.sum += value;
    this.count++;
  }
}

/** Of durations, told in milliseconds, as clocks have them, and kept in seconds, as metrics do. */
export class Durations extends Distribution {
  constructor() {
    super(secondsBounds);
  }

  add(ms: number): void {
    this.observe(ms / 1000);
  }
}
