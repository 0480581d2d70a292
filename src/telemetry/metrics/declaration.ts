/** What a metric counts in; Prometheus's base units. A unit of things is their plural. */
export type Unit = "seconds" | "bytes" | "ratio" | "info" | (string & {});

/** One metric, declared once: registry, documentation and the tests of dashboards and alerts come from it. */
export interface Declaration {
  readonly type: "counter" | "gauge" | "histogram";
  /** One plain sentence. */
  readonly help: string;
  readonly unit: Unit;
  readonly labels: readonly string[];
  /** What keeps the number of its label sets small, for the reader of its documentation. */
  readonly bound: string;
  /** Upper bounds of a histogram's buckets, in its unit, rising; what is above the last is in one more. */
  readonly buckets?: readonly number[];
}

export type Declarations = { readonly [name: string]: Declaration };

/** Has the compiler look at a layer's declarations and keep their names. */
export function declare<const D extends Declarations>(declarations: D): D {
  return declarations;
}

/** 8 µs to 8.4 s, each double the one before: powers of two of a microsecond, as the tables that requests are counted in have them. */
export const requestSeconds: readonly number[] = Array.from({ length: 21 }, (_, i) => 2 ** (i + 3) / 1e6);

/** 1 ms to about a minute, each double the one before: for what waits for a disk or a network. */
export const storageSeconds: readonly number[] = Array.from({ length: 17 }, (_, i) => 2 ** i / 1000);
