import type { LabelsOf, MetricName, NamesOf } from "./declared.ts";

/** A number that only rises. */
export interface Counter<L extends readonly string[] = readonly string[]> {
  add(by: number, ...labels: L): void;
}

export interface Histogram<L extends readonly string[] = readonly string[]> {
  /** `value` in the metric's unit. */
  observe(value: number, ...labels: L): void;
}

/** One number of a counter or gauge, of these labels. */
export interface Sample {
  readonly labels: readonly string[];
  readonly value: number;
}

/** What a histogram has counted, of these labels. */
export interface HistogramSample {
  readonly labels: readonly string[];
  /** By bucket, as declared; none counts in what the one before it does. Values above the last bound are in `count` alone. */
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export type SampleOf<N extends MetricName> = N extends NamesOf<"histogram"> ? HistogramSample : Sample;

export interface Registration {
  /** From now on these numbers are no longer asked for; harmless when repeated. */
  end(): void;
}

/**
 * Where the layers put what they measure. What happens seldom is counted as it happens; what a part counts anyway, or can tell of its
 * state, it is asked for at a scrape. Nothing costs anything where nobody scrapes: `noMetrics` does nothing.
 */
export interface Metrics {
  counter<N extends NamesOf<"counter">>(name: N): Counter<LabelsOf<N>>;
  histogram<N extends NamesOf<"histogram">>(name: N): Histogram<LabelsOf<N>>;
  /** `read` gives the numbers of `name` at each scrape; several parts may give some, and those of equal labels are added up. */
  collect<N extends MetricName>(name: N, read: () => Iterable<SampleOf<N>>): Registration;
}

const nothing = { add() {}, observe() {}, end() {} };

/** Measures nothing. */
export const noMetrics: Metrics = {
  counter: () => nothing,
  histogram: () => nothing,
  collect: () => nothing,
};
