/** Put in by the benchmark of telemetry (`./scripts/bench --telemetry`) for a server to compare with, and by nobody else. */
declare const DITTOFS_WITHOUT_HOOKS: boolean | undefined;

/** Whether hot paths look at all for somebody who watches: what that costs while nobody does is measured by a build without. */
export const hooks: boolean = typeof DITTOFS_WITHOUT_HOOKS === "undefined";
