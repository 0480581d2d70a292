import { readdirSync } from "node:fs";
import type { Metrics } from "./metrics.ts";

export interface AboutProcess {
  readonly version: string;
  /** "" where the build knew none. */
  readonly commit: string;
  /** Seconds since 1970. */
  readonly startedAtSec: number;
  readonly openFilesMax: number;
}

/** Figures of the process, asked of the system at each scrape. */
export function collectProcess(metrics: Metrics, { version, commit, startedAtSec, openFilesMax }: AboutProcess): void {
  metrics.collect("dittofs_build_info", () => [{ labels: [version, commit, Bun.version], value: 1 }]);
  metrics.collect("dittofs_process_start_time_seconds", () => [{ labels: [], value: startedAtSec }]);
  metrics.collect("dittofs_process_cpu_seconds_total", () => {
    const { user, system } = process.cpuUsage();
    return [{ labels: ["user"], value: user / 1e6 }, { labels: ["system"], value: system / 1e6 }];
  });
  metrics.collect("dittofs_process_resident_memory_bytes", () => [{ labels: [], value: process.memoryUsage.rss() }]);
  metrics.collect("dittofs_process_heap_bytes", () => {
    const { heapUsed, heapTotal, external } = process.memoryUsage();
    return [{ labels: ["used"], value: heapUsed }, { labels: ["held"], value: heapTotal }, { labels: ["external"], value: external }];
  });
  metrics.collect("dittofs_process_open_files", () => openFiles().map((value) => ({ labels: [], value })));
  metrics.collect("dittofs_process_open_files_max", () => [{ labels: [], value: openFilesMax }]);
}

/** Nothing where the system doesn't tell. */
function openFiles(): readonly number[] {
  try {
    // The listing has a descriptor of its own.
    return [readdirSync("/proc/self/fd").length - 1];
  } catch {
    return [];
  }
}
