/**
 * What telemetry costs NFS: GETATTR a server CPU-second, of a server whose hot paths don't look for whoever watches (a build of its own)
 * against the same with hooks and everything off, with metrics, and with traces of every hundredth request sent to a collector. Each
 * round has a pair for each of them, one right after the other, every other round the other way around.
 */
import { join } from "node:path";
import { OtlpReceiver } from "../support/otlp-receiver.ts";
import { waitForIdle } from "./machine.ts";
import { cpuSecondsOf, load, median } from "./measure.ts";
import type { Bound } from "./report.ts";
import { type Server, startDittofs } from "./servers.ts";
import { projectRoot } from "./tools.ts";

export interface TelemetryBench {
  readonly directory: string;
  /** With hooks and without. */
  readonly program: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly quietSeconds: number;
}

/** What is switched on, and the most it may cost. */
const variants = [
  { name: "everything off", most: 1, environment: () => ({}) },
  { name: "metrics on", most: 3, environment: () => ({ DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" }) },
  { name: "traces of 1 in 100", most: 5, environment: (collector: string) => ({ DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: collector, DITTOFS_TELEMETRY_SAMPLE_RATE: "0.01" }) },
] as const;

/** The program without hooks, as `./scripts/bench --telemetry` builds it. */
export const withoutHooks: string = join(projectRoot, "dist/dittofs-without-hooks");

export async function telemetryBounds(bench: TelemetryBench): Promise<readonly Bound[]> {
  const collector = await OtlpReceiver.start();
  const servers: Server[] = [];
  try {
    servers.push(await startDittofs(bench.directory, [withoutHooks], { name: "bare" }));
    for (const [i, { environment }] of variants.entries()) {
      servers.push(await startDittofs(bench.directory, bench.program, { name: `variant-${i}`, environment: environment(`127.0.0.1:${collector.port}`) }));
    }
    for (const server of servers) await rateOf(server, bench.seconds);
    const ratios: number[][] = variants.map(() => []);
    const rates: number[] = [];
    const [bare, ...others] = servers as [Server, ...Server[]];
    for (let round = 0; round < bench.rounds; round++) {
      for (const [i, other] of others.entries()) {
        await waitForIdle(bench.quietSeconds);
        const found = new Map<Server, number>();
        for (const server of round % 2 === 0 ? [bare, other] : [other, bare]) found.set(server, await rateOf(server, bench.seconds));
        rates.push(found.get(bare)!);
        ratios[i]!.push(found.get(other)! / found.get(bare)!);
      }
      console.error(`round ${round + 1} of ${bench.rounds}: ${ratios.map((all) => `${((1 - all.at(-1)!) * 100).toFixed(1)} %`).join(", ")}`);
    }
    return variants.map(({ name, most }, i) => ({ what: `GETATTR, ${name}`, value: cost(median(ratios[i]!)), unit: "%", most, detail: detailOf(ratios[i]!, most, median(rates)) }));
  } finally {
    for (const server of servers) await server.stop(false);
    await collector.stop();
  }
}

const cost = (ratio: number): number => (1 - ratio) * 100;

/** Calls a CPU-second of the whole server. */
async function rateOf(server: Server, seconds: number): Promise<number> {
  let before: Promise<number> = Promise.resolve(0);
  const { ops } = await load(server, "getattr", ["-C", "2", "-Q", "16", "-n", "5000", "-k", "-B", "bench", "-t", String(seconds)], () => {
    before = cpuSecondsOf(server.pid);
  });
  return ops / ((await cpuSecondsOf(server.pid)) - (await before));
}

/** The interval that holds the true median nineteen times of twenty, by the order of what was measured. */
function detailOf(ratios: readonly number[], most: number, rate: number): string {
  const sorted = ratios.toSorted((a, b) => b - a);
  const off = Math.max(0, Math.floor(ratios.length / 2 - 0.98 * Math.sqrt(ratios.length)) );
  const low = cost(sorted[off]!);
  const high = cost(sorted[sorted.length - 1 - off]!);
  const wide = high - low > most ? "; wider than the aim: these rounds don't decide it" : "";
  return `95 % interval ${low.toFixed(1)} to ${high.toFixed(1)} %, ${ratios.length} pairs; without hooks ${Math.round(rate / 1000)},000 calls a CPU-second${wide}`;
}

