/**
 * What telemetry costs NFS: GETATTR a server CPU-second, of a server whose hot paths don't look for whoever watches (a build of its own)
 * against the same with hooks and everything off, with metrics, and with traces of every hundredth request sent to a collector.
 *
 * Two servers of the same executable differ by some percent for as long as they run, by what the engine made of their code and where their
 * memory lies; and the machine differs from one second to the next. So each round has servers of its own, and loads them by turns
 * of a few hundredths of a second. What a server does between its turns (sending traces, timers) is charged to it as well. Server
 * and load generator run on one processor: who wakes whom across two costs the kernel more one time and less another, which
 * drowns what is looked for.
 */
import { join } from "node:path";
import { OtlpReceiver } from "../support/otlp-receiver.ts";
import { waitForIdle } from "./machine.ts";
import { cpuSecondsOf, likelyMedian, median } from "./measure.ts";
import { onOneProcessor, RepeatedLoad } from "./repeated-load.ts";
import type { Bound } from "./report.ts";
import { type Server, startDittofs } from "./servers.ts";
import { projectRoot } from "./tools.ts";

export interface TelemetryBench {
  readonly directory: string;
  /** With hooks and without. */
  readonly program: readonly string[];
  readonly rounds: number;
  /** So long each server is loaded in a round. */
  readonly seconds: number;
  readonly quietSeconds: number;
}

type Environment = Readonly<Record<string, string>>;

/** What telemetry.max_traces_per_second is unless told. */
const tracesPerSecond = 200;

/** What is switched on, and the most it may cost. A server is loaded for a quarter of the time, so that a quarter of the traces is what falls on a second of load. */
const variants = [
  { name: "everything off", most: 1, environment: (): Environment => ({}) },
  { name: "metrics on", most: 3, environment: (): Environment => ({ DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" }) },
  { name: "traces of 1 in 100", most: 5, environment: (collector: string): Environment => ({ DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: collector, DITTOFS_TELEMETRY_SAMPLE_RATE: "0.01", DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: String(tracesPerSecond / 4) }) },
] as const;

const turnSeconds = 0.05;
/** Until the engine has compiled what is asked for again and again. */
const warmSeconds = 1.5;
const options = ["-C", "2", "-Q", "16", "-n", "5000"];

/** The program without hooks, as `./scripts/bench --telemetry` builds it. */
export const withoutHooks: string = join(projectRoot, "dist/dittofs-without-hooks");

export async function telemetryBounds(bench: TelemetryBench): Promise<readonly Bound[]> {
  const collector = await OtlpReceiver.start();
  const ratios: number[][] = variants.map(() => []);
  const rates: number[] = [];
  try {
    for (let round = 0; round < bench.rounds; round++) {
      await waitForIdle(bench.quietSeconds);
      const [bare, ...others] = await ratesOf(bench, `127.0.0.1:${collector.port}`, round) as [number, ...number[]];
      collector.spans.length = collector.messages.length = 0;
      rates.push(bare);
      others.forEach((rate, i) => ratios[i]!.push(rate / bare));
      console.error(`round ${round + 1} of ${bench.rounds}: ${ratios.map((all) => `${cost(all.at(-1)!).toFixed(1)} %`).join(", ")}`);
    }
    return variants.map(({ name, most }, i) => ({ what: `GETATTR, ${name}`, value: cost(median(ratios[i]!)), unit: "%", most, detail: detailOf(ratios[i]!, most, median(rates)) }));
  } finally {
    await collector.stop();
  }
}

const cost = (ratio: number): number => (1 - ratio) * 100;

/** One round: calls a CPU-second of the whole server, of that without hooks and of each variant. */
async function ratesOf({ directory, program, seconds }: TelemetryBench, collector: string, round: number): Promise<readonly number[]> {
  const asked = [
    { name: "bare", program: [withoutHooks], environment: {} },
    ...variants.map(({ environment }, i) => ({ name: `variant-${i}`, program, environment: environment(collector) })),
  ];
  // Whoever is started first is not the same each time.
  const order = asked.map((_, i) => (i + round) % asked.length);
  const servers: Server[] = [];
  const loads: RepeatedLoad[] = [];
  try {
    for (const i of order) {
      const { name, program, environment } = asked[i]!;
      servers[i] = await startDittofs(directory, program, { name, environment });
      loads[i] = await RepeatedLoad.start(servers[i], "getattr", options);
      await onOneProcessor(servers[i].pid, loads[i].pid);
    }
    for (const i of order) await loads[i]!.run(warmSeconds);
    const before = await Promise.all(servers.map(({ pid }) => cpuSecondsOf(pid)));
    const done = asked.map(() => 0);
    for (let turn = 0; turn < seconds / turnSeconds; turn++) {
      for (const i of turn % 2 === 0 ? order : order.toReversed()) done[i]! += (await loads[i]!.run(turnSeconds)).ops;
    }
    const after = await Promise.all(servers.map(({ pid }) => cpuSecondsOf(pid)));
    return done.map((ops, i) => ops / (after[i]! - before[i]!));
  } finally {
    for (const load of loads) await load?.end();
    await Promise.all(servers.map((server) => server?.stop(false)));
  }
}

function detailOf(ratios: readonly number[], most: number, rate: number): string {
  const [low, high] = likelyMedian(ratios.map(cost));
  const wide = low <= most && high > most ? "; the bound lies in it: these rounds don't decide it" : "";
  return `95 % interval ${low.toFixed(1)} to ${high.toFixed(1)} %, ${ratios.length} pairs; without hooks ${Math.round(rate / 1000)},000 calls a CPU-second${wide}`;
}
