import type { Declaration } from "./declaration.ts";
import type { HistogramSample, Sample } from "./metrics.ts";

/** Label sets that are counted of one metric; what is above is counted with every label "other", whatever a part hands over. */
export const seriesMax = 2000;
const other = "other";

/** What one label set has come to. */
export class Series {
  readonly labels: readonly string[];
  /** A counter's or gauge's number; a histogram's sum. */
  value = 0;
  count = 0;
  /** By bucket, not cumulated. */
  readonly buckets: number[];

  constructor(labels: readonly string[], buckets: number) {
    this.labels = labels;
    this.buckets = new Array<number>(buckets).fill(0);
  }
}

/** The label sets of one metric. */
export class SeriesTable {
  private readonly series = new Map<string, Series>();
  private readonly bounds: readonly number[];
  private readonly max: number;

  constructor({ buckets, labels }: Declaration, max: number) {
    this.bounds = buckets ?? [];
    this.max = max;
    // A number that has no labels is there from the beginning.
    if (labels.length === 0 && this.bounds.length === 0) this.of([]);
  }

  of(labels: readonly string[]): Series {
    const key = labels.join("\0");
    let series = this.series.get(key);
    if (series !== undefined) return series;
    if (this.series.size >= this.max && labels.some((label) => label !== other)) return this.of(labels.map(() => other));
    series = new Series([...labels], this.bounds.length);
    this.series.set(key, series);
    return series;
  }

  add(by: number, labels: readonly string[]): void {
    this.of(labels).value += by;
  }

  observe(value: number, labels: readonly string[]): void {
    const series = this.of(labels);
    series.value += value;
    series.count++;
    const at = this.bounds.findIndex((bound) => value <= bound);
    if (at >= 0) series.buckets[at]!++;
  }

  addSample(sample: Sample | HistogramSample): void {
    const series = this.of(sample.labels);
    if ("value" in sample) {
      series.value += sample.value;
      return;
    }
    series.value += sample.sum;
    series.count += sample.count;
    for (let i = 0; i < this.bounds.length; i++) series.buckets[i]! += sample.buckets[i] ?? 0;
  }

  all(): Iterable<Series> {
    return this.series.values();
  }
}
