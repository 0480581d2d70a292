/** What holds a workload back that misses its target, found by profiling; printed next to the figure. Keyed by the row's name. */
export const missed: Readonly<Record<string, string>> = {};
