import type { Declaration } from "./declaration.ts";
import { contentMetrics } from "./declared/content.ts";
import { networkMetrics } from "./declared/network.ts";
import { processMetrics } from "./declared/process.ts";
import { requestMetrics } from "./declared/requests.ts";
import { shareMetrics } from "./declared/shares.ts";
import { storeMetrics } from "./declared/stores.ts";
import { tracingMetrics } from "./declared/tracing.ts";

/** Every metric there is, in the order of its documentation. A layer's are declared in a file of their own; no two declare the same. */
export const declared = {
  ...requestMetrics,
  ...networkMetrics,
  ...shareMetrics,
  ...contentMetrics,
  ...storeMetrics,
  ...processMetrics,
  ...tracingMetrics,
};

/** The tables it is put together from. */
export const declaredTables: readonly object[] = [requestMetrics, networkMetrics, shareMetrics, contentMetrics, storeMetrics, processMetrics, tracingMetrics];

export type Declared = typeof declared;
export type MetricName = keyof Declared;
/** Names of the metrics of one type. */
export type NamesOf<T extends Declaration["type"]> = { [N in MetricName]: Declared[N]["type"] extends T ? N : never }[MetricName];
/** The values of a metric's labels, in the order they are declared. */
export type LabelsOf<N extends MetricName> = Texts<Declared[N]["labels"]>;
type Texts<L extends readonly string[]> = { readonly [I in keyof L]: string };

export function declarationOf(name: MetricName): Declaration {
  return declared[name];
}
