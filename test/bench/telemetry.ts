/**
 * What telemetry costs NFS: GETATTR a server CPU-second, of a server whose hot paths don't look for whoever watches (a build of its own)
 * against the same with hooks and everything off, with metrics, and with traces of every hundredth request sent to a collector.
 *
 * Two servers of the same executable differ by some percent for as long as they run, by what the engine made of their code and where their
 * memory lies; and the machine differs from one second to the next. So each round has servers of its own, and loads them by turns
 * of a few hundredths of a second. Server and load generator run on one processor: who wakes whom across two costs the kernel more one
 * time and less another, which drowns what is looked for.
 *
 * What is asked is what telemetry takes from a server that is busy. Two things of these rounds are not so, and are put right:
 * - A server that is loaded by turns runs its timers for many times as long as it is loaded. What each kind of server uses when
 *   it has nothing to do is measured before the rounds, and taken off for the time a server waits for its turns; during its turns it stays.
 *   Traces that are sent while it waits are not taken off.
 * - What a server with traces does seldom, but again and again, the engine compiles long after its start. So each is loaded for some seconds by turns before
 *   anything counts, and what the compiler's own threads use is not counted, of any kind of server: it is spent once for each function, not with
 *   every second that a server runs.
 */
import { join } from "node:path";
import { options } from "#config/index.ts";
import { OtlpReceiver } from "../support/otlp-receiver.ts";
import { waitForIdle } from "./machine.ts";
import { cpuOfThreads, likelyMedian, median } from "./measure.ts";
import { onOneProcessor, RepeatedLoad } from "./repeated-load.ts";
import { type Bound, number } from "./report.ts";
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

/** Servers of each kind in a round: their mean differs less by chance than one of them. */
const copies = 2;
/** That without hooks included. */
const kindsOfServer = 4;
/** A server is loaded for an eighth of the time, so that an eighth of the traces is what falls on a second of load. */
const tracesPerSecond = Math.ceil(Number(options.telemetry.fields.max_traces_per_second.default) / (kindsOfServer * copies));

/** What is switched on, and the most it may cost. */
const variants = [
  { name: "everything off", most: 1, environment: (): Environment => ({}) },
  { name: "metrics on", most: 3, environment: (): Environment => ({ DITTOFS_METRICS_ENABLED: "true", DITTOFS_METRICS_PORT: "0" }) },
  { name: `traces of 1 in 100, ${tracesPerSecond} a second of each server at most`, most: 5, environment: (collector: string): Environment => ({ DITTOFS_TELEMETRY_ENABLED: "true", DITTOFS_TELEMETRY_ENDPOINT: collector, DITTOFS_TELEMETRY_SAMPLE_RATE: "0.01", DITTOFS_TELEMETRY_MAX_TRACES_PER_SECOND: String(tracesPerSecond) }) },
] as const;

const turnSeconds = 0.05;
/**
 * So long each is loaded, by the same turns, before anything counts: until the engine has compiled what is asked for again and again, and what some requests a second
 * have it do, and the collector was sent several messages. What that takes is spent once after a start.
 */
const warmSeconds = 3;
/** From the end of all load until the last traces are sent and the engine has collected its garbage; then what idle servers use is measured. */
const settleSeconds = 8;
const idleSeconds = 15;
/** Threads of the engine that compile. */
const compilers: ReadonlySet<string> = new Set(["JITWorker", "JSCWarmUp"]);
const loadOptions = ["-C", "2", "-Q", "16", "-n", "1000"];

/** The program without hooks, as `./scripts/bench --telemetry` builds it. */
export const withoutHooks: string = join(projectRoot, "dist/dittofs-without-hooks");

export async function telemetryBounds(bench: TelemetryBench): Promise<readonly Bound[]> {
  const collector = await OtlpReceiver.start();
  const ratios: number[][] = variants.map(() => []);
  const rates: number[] = [];
  try {
    await waitForIdle(bench.quietSeconds);
    const idle = ofKinds(await withServers(bench, collector, 0, idleCores));
    console.error(`idle, ms of CPU a second: ${idle.map((cores) => (cores * 1000).toFixed(2)).join(", ")}`);
    for (let round = 0; round < bench.rounds; round++) {
      await waitForIdle(bench.quietSeconds);
      const [bare, ...others] = ofKinds(await withServers(bench, collector, round, (servers, loads, order) => ratesOf(servers, loads, order, bench.seconds, idle))) as [number, ...number[]];
      rates.push(bare);
      others.forEach((rate, i) => ratios[i]!.push(rate / bare));
      console.error(`round ${round + 1} of ${bench.rounds}: ${ratios.map((all) => `${cost(all.at(-1)!).toFixed(1)} %`).join(", ")}`);
    }
    const spent = idle.map((cores) => (cores * 1000).toFixed(1));
    return variants.map(({ name, most }, i) => ({ what: `GETATTR, ${name}`, value: cost(median(ratios[i]!)), unit: "%", most, interval: likelyMedian(ratios[i]!.map(cost)), detail: `${detailOf(ratios[i]!, median(rates))}; idle ${spent[i + 1]} ms of CPU a second, without hooks ${spent[0]}` }));
  } finally {
    await collector.stop();
  }
}

/** Of the servers of each kind the mean. */
function ofKinds(values: readonly number[]): readonly number[] {
  const kinds = values.length / copies;
  return values.slice(0, kinds).map((_, kind) => values.reduce((sum, value, i) => (i % kinds === kind ? sum + value : sum), 0) / copies);
}

const cost = (ratio: number): number => (1 - ratio) * 100;

/** The servers of a round, of each kind one and then of each another, that without hooks first, and their load; what is started first is not the same each time. */
async function withServers<T>({ directory, program }: TelemetryBench, collector: OtlpReceiver, round: number, work: (servers: readonly Server[], loads: readonly RepeatedLoad[], order: readonly number[]) => Promise<T>): Promise<T> {
  const kinds = [{ program: [withoutHooks], environment: {} }, ...variants.map(({ environment }) => ({ program, environment: environment(collector.endpoint) }))];
  const asked = Array.from({ length: copies }, () => kinds).flat();
  const order = asked.map((_, i) => (i + round) % asked.length);
  const servers: Server[] = [];
  const loads: RepeatedLoad[] = [];
  try {
    for (const i of order) {
      const { program: command, environment } = asked[i]!;
      servers[i] = await startDittofs(directory, command, { name: `server-${i}`, environment });
    }
    await Promise.all(
      order.map(async (i) => {
        loads[i] = await RepeatedLoad.start(servers[i]!, "getattr", loadOptions);
        await onOneProcessor(servers[i]!.pid, loads[i]!.pid);
      }),
    );
    await byTurns(order, warmSeconds, async (i) => void (await loads[i]!.run(turnSeconds)));
    return await work(servers, loads, order);
  } finally {
    for (const load of loads) await load?.end();
    await Promise.all(servers.map((server) => server?.stop(false)));
    collector.spans.length = collector.messages.length = 0;
  }
}

type Spent = Awaited<ReturnType<typeof cpuOfThreads>>;

/** CPU seconds between two moments, without those of the engine's compiler. */
function spentSeconds(before: Spent, after: Spent): number {
  let ns = 0;
  for (const [id, thread] of after) if (!compilers.has(thread.name)) ns += thread.ns - (before.get(id)?.ns ?? 0);
  return ns / 1e9;
}

/** What each uses while nobody asks for anything, in processors: nothing is waited for but the time over which it is counted. */
async function idleCores(servers: readonly Server[]): Promise<readonly number[]> {
  await Bun.sleep(settleSeconds * 1000);
  const before = await Promise.all(servers.map(({ pid }) => cpuOfThreads(pid)));
  await Bun.sleep(idleSeconds * 1000);
  const after = await Promise.all(servers.map(({ pid }) => cpuOfThreads(pid)));
  return after.map((threads, i) => spentSeconds(before[i]!, threads) / idleSeconds);
}

/** Has each have its turns, A B and B A, until each had `seconds` of them. */
async function byTurns(order: readonly number[], seconds: number, turn: (i: number) => Promise<void>): Promise<void> {
  for (let at = 0; at < seconds / turnSeconds; at++) for (const i of at % 2 === 0 ? order : order.toReversed()) await turn(i);
}

/** Calls a CPU-second of each server, without what it uses by itself while it waits for its turns. */
async function ratesOf(servers: readonly Server[], loads: readonly RepeatedLoad[], order: readonly number[], seconds: number, idle: readonly number[]): Promise<readonly number[]> {
  const done = servers.map(() => 0);
  const loadedMs = servers.map(() => 0);
  const before = await Promise.all(servers.map(({ pid }) => cpuOfThreads(pid)));
  const began = performance.now();
  await byTurns(order, seconds, async (i) => {
    const from = performance.now();
    done[i]! += (await loads[i]!.run(turnSeconds)).ops;
    loadedMs[i]! += performance.now() - from;
  });
  const after = await Promise.all(servers.map(({ pid }) => cpuOfThreads(pid)));
  const tookMs = performance.now() - began;
  return done.map((ops, i) => ops / (spentSeconds(before[i]!, after[i]!) - (idle[i % idle.length]! * (tookMs - loadedMs[i]!)) / 1000));
}

/** With fewer, even the lowest and the highest have the median between them less often than nineteen times of twenty. */
const intervalPairsMin = 6;

function detailOf(ratios: readonly number[], rate: number): string {
  const [low, high] = likelyMedian(ratios.map(cost));
  return `${ratios.length < intervalPairsMin ? "lowest to highest" : "95 % interval"} ${low.toFixed(1)} to ${high.toFixed(1)} %, ${ratios.length} pairs; without hooks ${number(Math.round(rate / 1000) * 1000)} calls a CPU-second`;
}
