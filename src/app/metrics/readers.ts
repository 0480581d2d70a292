import type { LabelsOf, MetricName, NamesOf } from "#telemetry/metrics/declared.ts";
import type { Distribution } from "#telemetry/distribution.ts";
import type { HistogramSample, Metrics, SampleOf } from "#telemetry/metrics/index.ts";

/** Metrics whose only label is the share. */
type OfShare<N extends MetricName> = LabelsOf<N> extends readonly [string] ? N : never;
export type ShareNumber = { [N in NamesOf<"counter" | "gauge">]: OfShare<N> }[NamesOf<"counter" | "gauge">];
export type ShareHistogram = { [N in NamesOf<"histogram">]: OfShare<N> }[NamesOf<"histogram">];

/** Has metrics ask each of several parts, as they are at the scrape: what is gone by then gives nothing. */
export class Readers<T> {
  private readonly metrics: Metrics;
  private readonly parts: () => Iterable<T>;
  private readonly nameOf: (part: T) => string;

  constructor(metrics: Metrics, parts: () => Iterable<T>, nameOf: (part: T) => string) {
    this.metrics = metrics;
    this.parts = parts;
    this.nameOf = nameOf;
  }

  each<N extends MetricName>(name: N, read: (part: T) => Iterable<SampleOf<N>>): void {
    this.metrics.collect(name, () => {
      const samples: SampleOf<N>[] = [];
      for (const part of this.parts()) samples.push(...read(part));
      return samples;
    });
  }

  /** Null: the part has no such number. */
  number(name: ShareNumber, read: (part: T) => number | null): void {
    this.each(name, (part) => {
      const value = read(part);
      return value === null ? [] : [{ labels: [this.nameOf(part)], value }];
    });
  }

  histogram(name: ShareHistogram, read: (part: T) => Distribution): void {
    this.each(name, (part) => [histogramOf([this.nameOf(part)], read(part))]);
  }
}

/** The metric has to be declared with the buckets of the distribution. */
export function histogramOf(labels: readonly string[], { counts, count, sum }: Distribution): HistogramSample {
  return { labels, buckets: [...counts.subarray(0, -1)], count, sum };
}

export function asNumber(is: boolean): number {
  return is ? 1 : 0;
}
