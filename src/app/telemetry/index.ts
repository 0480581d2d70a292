/**
 * What is measured, followed and profiled of a server, where that is asked for; the sinks of it are opened here and ended at a stop. All of it is
 * off unless configured, and a part that is off is not loaded.
 */
export { startProfiling } from "./profiling.ts";
export { openTelemetry, type Telemetry } from "./telemetry.ts";
export { startTraces } from "./traces.ts";
